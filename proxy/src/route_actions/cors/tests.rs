//! What preflights are, and what is withheld.

use super::*;

#[test]
fn preflight_is_an_options_with_origin_and_one_method() {
    let check = |method: Method, fields: &[(&'static str, &str)], expected: Option<Method>| {
        let lines = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        assert_eq!(preflight(&method, &lines.collect()), expected, "{method} {fields:?}");
    };
    let origin = ("origin", "https://a.test");
    let asked = ("access-control-request-method", "PUT");
    check(Method::OPTIONS, &[origin, asked], Some(Method::PUT));
    check(Method::GET, &[origin, asked], None);
    check(Method::OPTIONS, &[asked], None);
    check(Method::OPTIONS, &[origin], None);
    check(Method::OPTIONS, &[origin, ("access-control-request-method", "P T")], None);
    check(Method::OPTIONS, &[origin, ("access-control-request-method", "")], None);
}

#[test]
fn what_an_origin_says_of_sharing_is_withheld() {
    let check = |lines: &[(&'static str, &str)], expected: &[(&'static str, &str)]| {
        let fields = |lines: &[(&'static str, &str)]| {
            let mut fields = HeaderMap::new();
            for (name, value) in lines {
                fields.append(*name, value.parse().unwrap());
            }
            fields
        };
        let mut found = fields(lines);
        let vary: Vec<_> = found.get_all(header::VARY).iter().cloned().collect();
        withhold(&mut found, &vary).unwrap();
        assert_eq!(found, fields(expected), "{lines:?}");
    };
    check(&[("access-control-allow-origin", "https://a.test"), ("vary", "Origin")], &[]);
    check(&[("vary", "Accept-Encoding, ORIGIN , Accept")], &[("vary", "Accept-Encoding, Accept")]);
    check(&[("vary", "Accept"), ("vary", "origin")], &[("vary", "Accept")]);
    check(&[("vary", "Accept,,x-origin"), ("etag", "\"a\"")], &[("vary", "Accept,,x-origin"), ("etag", "\"a\"")]);
    check(&[("vary", "*")], &[("vary", "*")]);
    check(&[("access-control-max-age", "1"), ("access-control-expose-headers", "a")], &[]);
}

use std::net::Ipv4Addr;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn template(parts: &[TemplatePart]) -> Template {
    Template(Arc::from(parts))
}

fn text(text: &str) -> TemplatePart {
    TemplatePart::Text(text.to_owned())
}

fn facts() -> Facts<'static> {
    Facts {
        host: "media.test",
        path: b"/a%20b",
        query: b"?q=1",
        scheme: "https",
        request_id: "0123",
        client_address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        client_country: CountryCode::parse("DE"),
        client_continent: Some(Continent::Europe),
        client_asn: Some(64_496),
        edge: "eu-a-1",
    }
}

#[test]
fn every_variable_is_replaced_by_its_fact() {
    let check = |variable, known: &str, unknown: &str| {
        let template = template(&[text("<"), TemplatePart::Variable(variable), text(">")]);
        assert_eq!(field_value(&template, &facts()), format!("<{known}>"), "{variable:?}");
        assert_eq!(field_value(&template, &Facts::default()), format!("<{unknown}>"), "{variable:?}");
    };
    check(Variable::Host, "media.test", "");
    check(Variable::Path, "/a%20b", "");
    check(Variable::Query, "?q=1", "");
    check(Variable::Scheme, "https", "");
    check(Variable::RequestId, "0123", "");
    check(Variable::ClientAddress, "192.0.2.7", "");
    check(Variable::ClientCountry, "DE", "");
    check(Variable::ClientContinent, "EU", "");
    check(Variable::ClientAsn, "64496", "");
    check(Variable::Edge, "eu-a-1", "");
}

#[test]
fn bytes_that_would_change_a_message_or_a_url_become_escapes() {
    let check = |path: &[u8], in_field: &str, in_location: &str, in_path: &str| {
        let template = template(&[text("/x"), TemplatePart::Variable(Variable::Path)]);
        let facts = Facts { path, ..facts() };
        assert_eq!(field_value(&template, &facts), in_field);
        assert_eq!(location(&template, &facts), in_location);
        assert_eq!(super::path(&template, &facts), in_path);
    };
    check(b"/a", "/x/a", "/x/a", "/x/a");
    check(b"/%0d%0A", "/x/%0d%0A", "/x/%0d%0A", "/x/%0d%0A");
    check(b"/\r\nset-cookie: a", "/x/%0D%0Aset-cookie: a", "/x/%0D%0Aset-cookie:%20a", "/x/%0D%0Aset-cookie:%20a");
    check(b"/\0\x7f\xff", "/x/%00%7F%FF", "/x/%00%7F%FF", "/x/%00%7F%FF");
    check(b"/a#b?c", "/x/a#b?c", "/x/a%23b?c", "/x/a%23b%3Fc");
    check(b"/\\\"<>", "/x/\\\"<>", "/x/%5C%22%3C%3E", "/x/%5C%22%3C%3E");
}

#[test]
fn text_of_a_template_stays_bounded() {
    let long = vec![b'a'; 100_000];
    let template = template(&[const { TemplatePart::Variable(Variable::Path) }; 4]);
    assert!(field_value(&template, &Facts { path: &long, ..facts() }).len() <= MAX_LENGTH);
}

proptest! {
    #[test]
    fn no_fact_can_leave_its_place(path in prop::collection::vec(any::<u8>(), 0..64), host in "[ -~]{0,16}") {
        let parts = [text("https://b.test/"), TemplatePart::Variable(Variable::Path), TemplatePart::Variable(Variable::Host)];
        let facts = Facts { path: &path, host: &host, ..facts() };
        let url = location(&template(&parts), &facts);
        prop_assert!(url.as_bytes().starts_with(b"https://b.test/"));
        prop_assert!(url.as_bytes().iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
        let value = field_value(&template(&parts), &facts);
        prop_assert!(value.as_bytes().iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic()));
    }
}

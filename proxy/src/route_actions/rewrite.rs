//! Another path for the origin. What is matched, keyed and logged stays the client's.

use tidegate_config::model::{PathPattern, Rewrite};

use super::template::{Facts, path};
use crate::routing::CanonicalPath;

/// The target that an origin gets in place of the client's, before the path in front of all of that origin's targets
/// comes to it. `facts` have the path and query as the client sent them; both stay byte for byte where they are taken
/// over, unless the client wrote the path in a form that may mean another one at its new place (`/a/../b`): then it is
/// the canonical one.
#[must_use]
pub fn origin_target(rewrite: &Rewrite, pattern: &PathPattern, canonical: &str, facts: &Facts<'_>) -> Vec<u8> {
    let mut target = match rewrite {
        Rewrite::Prefix(prefix) => {
            let mut target = prefix.clone().into_bytes();
            target.extend_from_slice(rest_of_path(pattern, canonical, facts.path));
            target
        }
        Rewrite::Path(template) if facts.path == canonical.as_bytes() => path(template, facts).into_bytes(),
        Rewrite::Path(template) => path(template, &Facts { path: canonical.as_bytes(), ..*facts }).into_bytes(),
    };
    target.extend_from_slice(facts.query);
    target
}

/// What of the path the pattern does not name.
fn rest_of_path<'a>(pattern: &PathPattern, canonical: &'a str, as_sent: &'a [u8]) -> &'a [u8] {
    let PathPattern::Prefix(named) = pattern else { return b"" };
    let rest = canonical.strip_prefix(named.as_str()).unwrap_or_default();
    match as_sent.strip_prefix(named.as_bytes()) {
        Some(sent) if means(sent, rest) => sent,
        _ => rest.as_bytes(),
    }
}

/// Whether these bytes by themselves are another spelling of this path below a folder, and of nothing outside it.
fn means(sent: &[u8], rest: &str) -> bool {
    if sent == rest.as_bytes() {
        return true;
    }
    let below_root = [b"/", sent].concat();
    CanonicalPath::parse(&below_root).is_ok_and(|path| path.as_str().strip_prefix('/') == Some(rest))
        && !has_dot_segment(sent)
}

/// Below the root `..` leads nowhere; below a folder it leads out of it.
fn has_dot_segment(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|segment| {
        let segment = segment.to_ascii_lowercase();
        let segment = String::from_utf8_lossy(&segment).replace("%2e", ".");
        matches!(segment.as_str(), "." | "..")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_config::model::{Template, TemplatePart, Variable};

    use super::*;

    fn check(rewrite: &Rewrite, pattern: &PathPattern, sent: &str, expected: &str) {
        let (path, query) = sent.find('?').map_or((sent, ""), |at| sent.split_at(at));
        let canonical = CanonicalPath::parse(path.as_bytes()).unwrap().into_string();
        let facts = Facts { path: path.as_bytes(), query: query.as_bytes(), host: "a.test", ..Facts::default() };
        let target = origin_target(rewrite, pattern, &canonical, &facts);
        assert_eq!(String::from_utf8(target).unwrap(), expected, "{sent}");
    }

    #[test]
    fn prefix_takes_the_place_of_what_the_pattern_names() {
        let rewrite = Rewrite::Prefix("/new/".to_owned());
        let pattern = PathPattern::Prefix("/old/".to_owned());
        check(&rewrite, &pattern, "/old/", "/new/");
        check(&rewrite, &pattern, "/old/a/b?c=/d", "/new/a/b?c=/d");
        check(&rewrite, &pattern, "/old/a?", "/new/a?");
        check(&rewrite, &pattern, "/old/old/a", "/new/old/a");
        check(&rewrite, &PathPattern::Prefix("/".to_owned()), "/a", "/new/a");
        check(&rewrite, &PathPattern::Exact("/old".to_owned()), "/old?q", "/new/?q");
    }

    #[test]
    fn rest_keeps_its_bytes_but_cannot_lead_out_of_the_new_place() {
        let rewrite = Rewrite::Prefix("/new/".to_owned());
        let pattern = PathPattern::Prefix("/old/".to_owned());
        check(&rewrite, &pattern, "/old/%61%2fb?x=%61", "/new/%61%2fb?x=%61");
        check(&rewrite, &pattern, "/old/../old/a", "/new/a");
        check(&rewrite, &pattern, "/old/b/../a", "/new/a");
        check(&rewrite, &pattern, "/old/%2E%2e/old/a", "/new/a");
        check(&rewrite, &pattern, "/x/../old/a", "/new/a");
        check(&rewrite, &pattern, "/%6fld/a", "/new/a");
    }

    #[test]
    fn whole_path_is_that_of_the_template_and_the_query_stays() {
        let parts = [
            TemplatePart::Text("/x/".to_owned()),
            TemplatePart::Variable(Variable::Host),
            TemplatePart::Variable(Variable::Path),
        ];
        let rewrite = Rewrite::Path(Template(Arc::from(parts.as_slice())));
        let pattern = PathPattern::Prefix("/".to_owned());
        check(&rewrite, &pattern, "/a%20b?c", "/x/a.test/a%20b?c");
        check(&rewrite, &pattern, "/a/../b", "/x/a.test/b");
    }
}

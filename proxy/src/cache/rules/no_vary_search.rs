//! `No-Vary-Search`: which arguments of a query do not tell responses of one path apart
//! (draft-ietf-httpbis-no-vary-search).
//!
//! Owns what the field says and when two queries are the same by it; what is stored where is the engine's business.
//! Whatever is not understood means that the field says nothing, which costs fetches and never serves the wrong thing.

use std::fmt;

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode;
use sfv::{BareItem, ListEntry, Parser};

/// The field.
pub const NO_VARY_SEARCH: HeaderName = HeaderName::from_static("no-vary-search");

/// Longest field that is read: real ones name a handful of arguments.
const MAX_BYTES: usize = 4096;

/// Most names that it may list: each argument of each request for such a path is compared with all of them.
const MAX_NAMES: usize = 64;

/// What the field says, where it says anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchRule {
    arguments: Arguments,
    order_matters: bool,
}

/// Names in alphabetical order, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Arguments {
    AllBut(Vec<String>),
    Only(Vec<String>),
}

impl SearchRule {
    /// Reads all lines of the field; `None` where queries must be equal byte for byte.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut text = Vec::new();
        for line in headers.get_all(NO_VARY_SEARCH) {
            if !text.is_empty() {
                text.extend_from_slice(b", ");
            }
            text.extend_from_slice(line.as_bytes());
        }
        if text.is_empty() || text.len() > MAX_BYTES {
            return None;
        }
        let rule = Self::parse(&text)?;
        let says_nothing = rule.order_matters && rule.arguments == Arguments::AllBut(Vec::new());
        (!says_nothing).then_some(rule)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let members = Parser::parse_dictionary(text).ok()?;
        let order_matters = match members.get("key-order") {
            Some(entry) => !boolean(entry)?,
            None => true,
        };
        let params = members.get("params");
        let takes_none = params.and_then(boolean) == Some(true);
        let arguments = match (params, members.get("except")) {
            (_, Some(except)) if takes_none => Arguments::Only(names(except)?),
            (_, Some(_)) => return None,
            (None, None) => Arguments::AllBut(Vec::new()),
            (Some(_), None) if takes_none => Arguments::Only(Vec::new()),
            (Some(params), None) if boolean(params).is_some() => Arguments::AllBut(Vec::new()),
            (Some(params), None) => Arguments::AllBut(names(params)?),
        };
        Some(Self { arguments, order_matters })
    }

    /// What counts of a query, in one spelling: two queries are the same by this rule exactly when these are.
    #[must_use]
    pub fn counting(&self, query: Option<&[u8]>) -> String {
        let counts = |name: &str| match &self.arguments {
            Arguments::AllBut(names) => !names.iter().any(|known| known == name),
            Arguments::Only(names) => names.iter().any(|known| known == name),
        };
        let mut pairs: Vec<_> =
            form_urlencoded::parse(query.unwrap_or_default()).filter(|(name, _)| counts(name)).collect();
        if !self.order_matters {
            // Stable, as the draft has it: values of one name keep their order.
            pairs.sort_by(|left, right| left.0.cmp(&right.0));
        }
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}

/// One text for what means the same.
impl fmt::Display for SearchRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, names) = match &self.arguments {
            Arguments::AllBut(names) => ("all-but", names),
            Arguments::Only(names) => ("only", names),
        };
        let order = if self.order_matters { "ordered" } else { "unordered" };
        let names = form_urlencoded::Serializer::new(String::new())
            .extend_keys_only::<_, &str>(names.iter().map(String::as_str))
            .finish();
        write!(formatter, "{order} {kind}({names})")
    }
}

fn boolean(entry: &ListEntry) -> Option<bool> {
    match entry {
        ListEntry::Item(item) => item.bare_item.as_bool(),
        ListEntry::InnerList(_) => None,
    }
}

/// The names of an inner list of strings, decoded as those of a query are.
fn names(entry: &ListEntry) -> Option<Vec<String>> {
    let ListEntry::InnerList(list) = entry else { return None };
    if list.items.len() > MAX_NAMES {
        return None;
    }
    let name = |item: &BareItem| {
        let spaced = item.as_str()?.replace('+', " ");
        Some(percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned())
    };
    let mut names = list.items.iter().map(|item| name(&item.bare_item)).collect::<Option<Vec<_>>>()?;
    names.sort_unstable();
    names.dedup();
    Some(names)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn rule(text: &str) -> Option<SearchRule> {
        let value = HeaderValue::from_str(text).unwrap();
        SearchRule::from_headers(&HeaderMap::from_iter([(NO_VARY_SEARCH, value)]))
    }

    /// Section 5.2 of the draft.
    #[test]
    fn what_is_not_understood_says_nothing() {
        for text in [
            "unknown-key",
            "key-order=\"not a boolean\"",
            "params=\"not a boolean or inner list\"",
            "params=(not-a-string)",
            "params=(\"a\"), except=(\"x\")",
            "params=(), except=()",
            "params=?0, except=(\"x\")",
            "params, except=(not-a-string)",
            "params, except=\"not an inner list\"",
            "params, except=?1",
            "except=(\"x\")",
            "except=()",
            "params=?0",
            "params=()",
            "key-order=?0",
            "params=(\"a\"",
            "",
        ] {
            assert_eq!(rule(text), None, "{text}");
        }
        let many: Vec<String> = (0..=MAX_NAMES).map(|number| format!("\"{number}\"")).collect();
        assert_eq!(rule(&format!("params=({})", many.join(" "))), None);
        assert_eq!(rule(&format!("params=(\"{}\")", "a".repeat(MAX_BYTES))), None);
        assert_eq!(rule("params=?1, unknown=1"), rule("params"), "an entry to come is no reason to doubt the rest");
    }

    #[track_caller]
    fn check(text: &str, left: &str, right: &str, same: bool) {
        let rule = rule(text).expect(text);
        let query = |url: &str| url.split_once('?').map(|(_, query)| query.as_bytes().to_vec());
        let counting = |url| rule.counting(query(url).as_deref());
        assert_eq!(counting(left) == counting(right), same, "{text}: {left} and {right}");
    }

    /// Section 6 of the draft, and its examples.
    #[test]
    fn queries_are_the_same_where_they_differ_in_nothing_that_counts() {
        check("params=(\"utm\")", "/a?utm=1&v=2", "/a?v=2&utm=3", true);
        check("params=(\"utm\")", "/a?v=2", "/a?v=3", false);
        check("params=(\"utm\")", "/a?v=1&w=2", "/a?w=2&v=1", false);
        check("params", "/a?v=1", "/a", true);
        check("params, except=(\"v\")", "/a?v=1&w=2", "/a?w=3&v=1", true);
        check("params, except=(\"v\")", "/a?v=1", "/a?v=2", false);
        check("params, except=(\"v\")", "/a?v=1&v=2", "/a?v=2&v=1", false);
        check("key-order", "/a?v=1&w=2", "/a?w=2&v=1", true);
        check("key-order", "/a?v=1&v=2", "/a?v=2&v=1", false);
        check("key-order", "/a", "/a?", true);
        check("key-order", "/a?a=x", "/a?%61=%78", true);
        check("key-order", "/a?a=%f6", "/a?a=%ef%bf%bd", true);
        check("key-order", "/a?a=x&&&&", "/a?a=x", true);
        check("key-order", "/a?a=", "/a?a", true);
        check("key-order", "/a?a=%20", "/a?a=+", true);
        check("key-order", "/a?a=1", "/a?a=1;b", false);
        check("params=(\"%C3%A9+%E6%B0%97\")", "/a?%C3%A9%20%E6%B0%97=3", "/a", true);
        check("params=(\"a\" \"b\"), key-order", "/a?c=1&b=2&d", "/a?d&a&c=1", true);
    }

    #[test]
    fn rules_that_mean_the_same_have_one_text() {
        let text = |text: &str| rule(text).expect(text).to_string();
        assert_eq!(text("params=(\"b\" \"a\" \"a\")"), text("key-order=?0, params=(\"a\" \"%62\")"));
        assert_ne!(text("params=(\"a\")"), text("params, except=(\"a\")"));
        assert_ne!(text("params=(\"a b\")"), text("params=(\"a\" \"b\")"));
    }

    proptest! {
        #[test]
        fn what_counts_of_what_counts_is_all_of_it(query in "[ab%67+&=;é]{0,40}", which in 0..4_usize) {
            let texts = ["params=(\"a\")", "params, except=(\"a\")", "key-order", "key-order, params=(\"b\")"];
            let rule = rule(texts[which]).unwrap();
            let first = rule.counting(Some(query.as_bytes()));
            prop_assert_eq!(&rule.counting(Some(first.as_bytes())), &first);
        }
    }
}

//! Tags in the fields of responses.
//!
//! Owns which texts are tags and how many an object may have; how they are kept is for [`super::provenance`].

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use tidegate_config::model::TagRules;

use super::generations::Generations;
use super::provenance::{MOST_TAGS, Tags};

/// Longest tag: what caches of the field take.
pub const LONGEST_TAG: usize = 1024;

/// Bytes of all tags of a response, as much as the caches of the field take; more is hardly meant.
const MOST_BYTES: usize = 16 << 10;

/// Fields whose tags are separated by spaces, as by those who came up with them. In all others commas do.
const BY_SPACES: [&str; 2] = ["surrogate-key", "xkey"];

/// The tags of a response with these fields; `None` where it has no such field at all, which says nothing of tags that it
/// had before (RFC 9111 section 3.2).
#[must_use]
pub fn of_response(generations: &Generations, fields: &HeaderMap, rules: &TagRules) -> Option<Tags> {
    if !rules.fields.iter().any(|name| fields.contains_key(name)) {
        return None;
    }
    let mut tags: Vec<Cow<'_, str>> = Vec::new();
    let mut bytes = 0;
    for (name, value) in lines(fields, rules) {
        bytes += value.len();
        if bytes > MOST_BYTES {
            return Some(Tags::All);
        }
        let separator = if BY_SPACES.contains(&name.as_str()) { b' ' } else { b',' };
        let texts = value.split(|byte| *byte == separator || *byte == b'\t' && separator == b' ');
        tags.extend(texts.map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty()).map(String::from_utf8_lossy));
        if tags.len() > MOST_TAGS || tags.iter().any(|tag| tag.len() > LONGEST_TAG) {
            return Some(Tags::All);
        }
    }
    Some(generations.tags(tags.iter().map(|tag| &**tag)))
}

/// Takes the fields with tags away, unless they are for clients, too.
pub fn withhold(fields: &mut HeaderMap, rules: &TagRules) {
    if !rules.expose {
        for name in &rules.fields {
            fields.remove(name);
        }
    }
}

fn lines<'f>(fields: &'f HeaderMap, rules: &'f TagRules) -> impl Iterator<Item = (&'f HeaderName, &'f [u8])> {
    rules.fields.iter().flat_map(|name| fields.get_all(name).iter().map(move |value| (name, value.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::purge::{Generation, Secret};

    fn fields(lines: &[&str]) -> HeaderMap {
        let field = |line: &&str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.parse::<HeaderName>().unwrap(), value.trim().parse().unwrap())
        };
        lines.iter().map(field).collect()
    }

    fn check(lines: &[&str], expected: Option<&[&str]>) {
        let generations = Generations::new(Secret::random(), Generation::default());
        let mut rules = TagRules::default();
        rules.fields.push(HeaderName::from_static("edge-cache-tag"));
        let expected = expected.map(|tags| generations.tags(tags.iter().copied()));
        assert_eq!(of_response(&generations, &fields(lines), &rules), expected, "{lines:?}");
    }

    #[test]
    fn tags_are_separated_as_each_field_has_it() {
        check(&["Cache-Control: max-age=1"], None);
        check(&["Surrogate-Key: "], Some(&[]));
        check(&["Surrogate-Key: red  green\tblue"], Some(&["red", "green", "blue"]));
        check(&["Surrogate-Key: a,b c"], Some(&["a,b", "c"]));
        check(&["Cache-Tag: red, green ,,a b", "Cache-Tag: blue"], Some(&["red", "green", "a b", "blue"]));
        check(&["Surrogate-Key: one", "Cache-Tag: two", "Edge-Cache-Tag: three,one"], Some(&["one", "two", "three"]));
        check(&["Cache-Tag: Red"], Some(&["Red"]));
    }

    #[test]
    fn what_has_too_many_or_too_long_tags_counts_as_having_all() {
        let generations = Generations::new(Secret::random(), Generation::default());
        let check = |name: &str, text: &str, is_all: bool| {
            let tags = of_response(&generations, &fields(&[&format!("{name}: {text}")]), &TagRules::default()).unwrap();
            assert_eq!(tags == Tags::All, is_all, "{} bytes", text.len());
        };
        check("Surrogate-Key", &"a".repeat(LONGEST_TAG), false);
        check("Surrogate-Key", &"a".repeat(LONGEST_TAG + 1), true);
        check("Surrogate-Key", &"a ".repeat(MOST_TAGS), false);
        check("Surrogate-Key", &"a ".repeat(MOST_TAGS + 1), true);
        check("Cache-Tag", &format!("{},", "b".repeat(1000)).repeat(16), false);
        check("Cache-Tag", &format!("{},", "b".repeat(1000)).repeat(17), true);
    }

    #[test]
    fn clients_get_no_tags_unless_they_are_to() {
        let mut rules = TagRules::default();
        let told = ["Cache-Tag: a", "Surrogate-Key: b", "Surrogate-Key: c", "X: 1"];
        let mut response = fields(&told);
        withhold(&mut response, &rules);
        assert_eq!(response, fields(&["X: 1"]));
        rules.expose = true;
        let mut response = fields(&told);
        withhold(&mut response, &rules);
        assert_eq!(response, fields(&told));
    }
}

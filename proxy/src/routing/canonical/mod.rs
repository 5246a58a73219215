//! The one canonical form of host and path. Matching, cache keys, signatures and inspection see only this form;
//! origins get the bytes the client sent.
//!
//! Both types borrow what is canonical already, which nearly every request is: the hot path allocates nothing.

mod host;
mod path;

pub use host::{CanonicalHost, HostError};
pub use path::{CanonicalPath, PathError};

/// Splits a request target in origin form into its path and, after the first question mark, its query (RFC 3986
/// section 3.4). The query stays as written: its order and escapes may mean something to the origin.
#[must_use]
pub fn split_target(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

#[cfg(test)]
mod tests {
    use super::split_target;

    #[test]
    fn query_is_split_off_at_the_first_question_mark_and_left_as_written() {
        for (target, expected) in [
            ("/", ("/", None)),
            ("/a?", ("/a", Some(""))),
            ("/a?b=%2f&c=?", ("/a", Some("b=%2f&c=?"))),
            ("?x", ("", Some("x"))),
            ("", ("", None)),
        ] {
            assert_eq!(split_target(target), expected, "{target:?}");
        }
    }
}

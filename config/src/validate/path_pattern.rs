//! Path patterns: only the canonical form of a path (RFC 3986 section 6.2.2), as matching sees no other.

use crate::model::PathPattern;

/// RFC 9110 section 4.1 asks servers for targets of 8,000 bytes; a pattern longer than a target can never match.
const MAX_PATH_LENGTH: usize = 8192;

/// Reads a pattern, or says what would be one.
pub(super) fn parse_path_pattern(text: &str) -> Result<PathPattern, String> {
    if !text.starts_with('/') {
        return Err("a path that starts with `/`".to_owned());
    }
    if text.len() > MAX_PATH_LENGTH {
        return Err(format!("at most {MAX_PATH_LENGTH} bytes"));
    }
    let (path, is_prefix) = match text.strip_suffix("/*") {
        Some(_) => (&text[..text.len() - 1], true),
        None => (text, false),
    };
    check_path(path)?;
    let path = path.to_owned();
    Ok(if is_prefix { PathPattern::Prefix(path) } else { PathPattern::Exact(path) })
}

/// Checks a path without pattern, or what may stand within one.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    if path.contains('*') {
        return Err("`*` only as the whole last segment, as in /below/*".to_owned());
    }
    if path.contains(['?', '#']) {
        return Err("a path without query or fragment".to_owned());
    }
    check_bytes(path)?;
    if path.contains("//") {
        return Err("no empty segment (`//`), as paths are compared with those removed".to_owned());
    }
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err("no `.` or `..` segments, as paths are compared with those removed".to_owned());
    }
    Ok(())
}

fn check_bytes(path: &str) -> Result<(), String> {
    let bytes = path.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            check_escape(&path[at..])?;
            at += 3;
        } else if is_path_byte(bytes[at]) {
            at += 1;
        } else {
            return Err(format!("other bytes than those of RFC 3986 paths as escapes: %{:02X}", bytes[at]));
        }
    }
    Ok(())
}

/// Checks the escape at the start of a text.
fn check_escape(text: &str) -> Result<(), String> {
    let digits = text.get(1..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
        return Err("two hexadecimal digits after each `%`".to_owned());
    };
    let digits = digits.unwrap_or_default();
    if is_unreserved(byte) {
        return Err(format!("{} in place of the escape %{digits}", char::from(byte)));
    }
    let upper = digits.to_ascii_uppercase();
    if digits == upper { Ok(()) } else { Err(format!("escapes in upper case: %{upper}")) }
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986 section 3.3: `pchar` without escapes, and the slash.
fn is_path_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}

/// Whether every path of `later` is one of `earlier`.
pub(super) fn covers(earlier: &PathPattern, later: &PathPattern) -> bool {
    match (earlier, later) {
        (PathPattern::Exact(earlier), PathPattern::Exact(later)) => earlier == later,
        (PathPattern::Exact(_), PathPattern::Prefix(_)) => false,
        (PathPattern::Prefix(prefix), PathPattern::Exact(path) | PathPattern::Prefix(path)) => path.starts_with(prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_paths_are_taken_as_they_are() {
        let exact = |text: &str| assert_eq!(parse_path_pattern(text), Ok(PathPattern::Exact(text.to_owned())));
        let prefix = |text: &str, path: &str| {
            assert_eq!(parse_path_pattern(text), Ok(PathPattern::Prefix(path.to_owned())));
        };
        for text in ["/", "/a", "/a/", "/a.b-c_d~e", "/a%20b", "/%2F", "/a;b=c,d@e:f!$&'()+", "/...", "/a/.b"] {
            exact(text);
        }
        prefix("/*", "/");
        prefix("/vod/*", "/vod/");
    }

    #[test]
    fn other_spellings_are_refused_with_a_reason() {
        let check = |text: &str, expected: &str| {
            let error = parse_path_pattern(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("", "starts with `/`");
        check("vod/*", "starts with `/`");
        check("*", "starts with `/`");
        check("/vod*", "last segment");
        check("/*/a", "last segment");
        check("/vod/**", "last segment");
        check("/a//b", "`//`");
        check("//*", "`//`");
        check("/a/../b", "`..`");
        check("/a/.", "`.`");
        check("/./*", "`.`");
        check("/%61", "a in place of the escape %61");
        check("/%2e%2E", ". in place of the escape %2e");
        check("/%2f", "%2F");
        check("/%2", "two hexadecimal digits");
        check("/%zz", "two hexadecimal digits");
        check("/%é", "two hexadecimal digits");
        check("/a b", "%20");
        check("/é", "%C3");
        check("/a?b", "without query");
        check("/a#b", "fragment");
        check(&"/a".repeat(5000), "at most");
    }

    #[test]
    fn a_pattern_covers_those_below_it() {
        let check = |earlier: &str, later: &str, expected: bool| {
            let parse = |text| parse_path_pattern(text).expect(text);
            assert_eq!(covers(&parse(earlier), &parse(later)), expected, "{earlier} {later}");
        };
        check("/*", "/a", true);
        check("/*", "/a/*", true);
        check("/a/*", "/a/b", true);
        check("/a/*", "/a/", true);
        check("/a/*", "/a", false);
        check("/a/*", "/ab/*", false);
        check("/a", "/a", true);
        check("/a/", "/a/*", false);
    }
}

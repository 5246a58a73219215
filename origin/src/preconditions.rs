//! Conditional requests (RFC 9110, section 13) against the validators of a file. Pure: the time comes as an argument.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};

use crate::resource::Validators;

/// A date with a precision of one second tells versions apart only once the second of the last change is over
/// (RFC 9110, section 8.8.2.2).
const STRONG_DATE_AGE: Duration = Duration::from_secs(1);

/// What the conditions of a GET or HEAD lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Proceed,
    NotModified,
    PreconditionFailed,
}

/// Evaluates all conditions but `If-Range`, in the order of section 13.2.2.
pub(crate) fn evaluate(fields: &HeaderMap, current: &Validators) -> Outcome {
    if fields.contains_key(header::IF_MATCH) {
        if !any_tag(fields, header::IF_MATCH, |tag| tag == current.entity_tag) {
            return Outcome::PreconditionFailed;
        }
    } else if date(fields, header::IF_UNMODIFIED_SINCE).is_some_and(|since| current.modified > since) {
        return Outcome::PreconditionFailed;
    }
    if fields.contains_key(header::IF_NONE_MATCH) {
        // Weak comparison (section 8.8.3.2): a weak tag of the same value counts as well.
        if any_tag(fields, header::IF_NONE_MATCH, |tag| tag.trim_start_matches("W/") == current.entity_tag) {
            return Outcome::NotModified;
        }
    } else if date(fields, header::IF_MODIFIED_SINCE).is_some_and(|since| current.modified <= since) {
        return Outcome::NotModified;
    }
    Outcome::Proceed
}

/// Whether `If-Range` (section 13.1.5) lets the range be served: always when absent, else only when it names
/// exactly the present version.
pub(crate) fn range_applies(fields: &HeaderMap, current: &Validators, now: SystemTime) -> bool {
    let Some(validator) = fields.get(header::IF_RANGE) else {
        return true;
    };
    let Ok(validator) = validator.to_str() else {
        return false;
    };
    if validator.trim() == current.entity_tag {
        return true;
    }
    let settled = now.duration_since(current.modified).is_ok_and(|age| age >= STRONG_DATE_AGE);
    settled && httpdate::parse_http_date(validator).is_ok_and(|date| date == current.modified)
}

/// Whether a list of entity tags is `*` or has a member that matches. Our own tags hold no commas, so members that do
/// cannot match, and splitting at each comma is safe.
fn any_tag(fields: &HeaderMap, name: HeaderName, matches: impl Fn(&str) -> bool) -> bool {
    let lines = fields.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).any(|tag| tag == "*" || matches(tag))
}

/// A single valid date; anything else is ignored (sections 13.1.3 and 13.1.4).
fn date(fields: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut lines = fields.get_all(name).into_iter();
    let only = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(only.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderValue;

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110, section 5.6.7.
    const MODIFIED: Duration = Duration::from_secs(784_111_777);
    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn current() -> Validators {
        Validators::new("\"one\"".to_owned(), UNIX_EPOCH + MODIFIED + Duration::from_millis(700))
    }

    fn fields(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn conditions_decide_in_the_order_of_the_rfc() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        let check = |lines: &[(HeaderName, &'static str)], expected: Outcome| {
            assert_eq!(evaluate(&fields(lines), &current()), expected, "{lines:?}");
        };
        check(&[], Outcome::Proceed);
        check(&[(IF_NONE_MATCH, "\"one\"")], Outcome::NotModified);
        check(&[(IF_NONE_MATCH, "W/\"one\"")], Outcome::NotModified);
        check(&[(IF_NONE_MATCH, "\"two\", \"one\"")], Outcome::NotModified);
        check(&[(IF_NONE_MATCH, "*")], Outcome::NotModified);
        check(&[(IF_NONE_MATCH, "\"two\"")], Outcome::Proceed);
        check(&[(IF_NONE_MATCH, "\"two\""), (IF_MODIFIED_SINCE, AT)], Outcome::Proceed);
        check(&[(IF_MODIFIED_SINCE, AT)], Outcome::NotModified);
        check(&[(IF_MODIFIED_SINCE, AFTER)], Outcome::NotModified);
        check(&[(IF_MODIFIED_SINCE, BEFORE)], Outcome::Proceed);
        check(&[(IF_MODIFIED_SINCE, "yesterday")], Outcome::Proceed);
        check(&[(IF_MATCH, "\"one\"")], Outcome::Proceed);
        check(&[(IF_MATCH, "*")], Outcome::Proceed);
        check(&[(IF_MATCH, "W/\"one\"")], Outcome::PreconditionFailed);
        check(&[(IF_MATCH, "\"two\"")], Outcome::PreconditionFailed);
        check(&[(IF_MATCH, "\"one\""), (IF_NONE_MATCH, "\"one\"")], Outcome::NotModified);
        check(&[(IF_UNMODIFIED_SINCE, AT)], Outcome::Proceed);
        check(&[(IF_UNMODIFIED_SINCE, BEFORE)], Outcome::PreconditionFailed);
        check(&[(IF_MATCH, "\"one\""), (IF_UNMODIFIED_SINCE, BEFORE)], Outcome::Proceed);
    }

    #[test]
    fn a_range_is_served_only_of_the_version_that_if_range_names() {
        let check = |value: &'static str, age: Duration, expected: bool| {
            let fields = fields(&[(header::IF_RANGE, value)]);
            let now = UNIX_EPOCH + MODIFIED + age;
            assert_eq!(range_applies(&fields, &current(), now), expected, "{value} after {age:?}");
        };
        let (hour, same_second) = (Duration::from_secs(3600), Duration::from_millis(900));
        check("\"one\"", same_second, true);
        check("\"two\"", hour, false);
        check("W/\"one\"", hour, false);
        check(AT, hour, true);
        check(AT, same_second, false);
        check(BEFORE, hour, false);
        check(AFTER, hour, false);
        check("nonsense", hour, false);
        assert!(range_applies(&HeaderMap::new(), &current(), UNIX_EPOCH));
    }
}

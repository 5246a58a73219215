//! Attribute lists of HLS tags (RFC 8216 section 4.2).

use std::time::Duration;

/// Most attributes looked at; no tag has half as many.
const MAX_ATTRIBUTES: usize = 64;

/// Longest duration believed, as of target durations.
const MAX_SECONDS: f64 = 3600.0;

/// The attributes of one tag.
pub(super) struct Attributes<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Attributes<'a> {
    /// Reads `NAME=VALUE,NAME="VALUE"`. What follows something malformed is not read.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut found = Vec::new();
        let mut rest = text;
        while let Some((name, value)) = rest.split_once('=').filter(|_| found.len() < MAX_ATTRIBUTES) {
            let (value, behind) = match value.strip_prefix('"') {
                Some(quoted) => {
                    let Some((value, behind)) = quoted.split_once('"') else { break };
                    (value, behind)
                }
                None => value.split_at(value.find(',').unwrap_or(value.len())),
            };
            found.push((name.trim(), value.trim()));
            rest = behind.trim_start().strip_prefix(',').unwrap_or_default();
        }
        Self(found)
    }

    /// The first value of an attribute.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// A decimal integer.
    pub(super) fn integer<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(integer)
    }

    /// Seconds with a fraction.
    pub(super) fn seconds(&self, name: &str) -> Option<Duration> {
        let text = self.get(name)?;
        let seconds: f64 = text.parse().ok()?;
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        plain.then(|| Duration::try_from_secs_f64(seconds.min(MAX_SECONDS)).ok())?
    }

    /// Whether it is `YES`.
    pub(super) fn is_yes(&self, name: &str) -> bool {
        self.get(name) == Some("YES")
    }
}

/// Digits and nothing else.
pub(super) fn integer<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_with_and_without_quotes() {
        let check = |text: &str, name: &str, expected: Option<&str>| {
            assert_eq!(Attributes::parse(text).get(name), expected, "{name} of {text}");
        };
        check("URI=\"a,b=c.m4s\",BYTERANGE=\"7@0\"", "BYTERANGE", Some("7@0"));
        check("URI=\"a,b=c.m4s\",BYTERANGE=\"7@0\"", "URI", Some("a,b=c.m4s"));
        check("TYPE=PART, URI=\"a\"", "URI", Some("a"));
        check("URI=\"a", "URI", None);
        check("URI", "URI", None);
        check("A=1,A=2", "A", Some("1"));
        assert_eq!(Attributes::parse("D=1.5").seconds("D"), Some(Duration::from_millis(1500)));
        assert_eq!(Attributes::parse("D=1e99999").seconds("D"), None);
        assert_eq!(Attributes::parse("D=99999999").seconds("D"), Some(Duration::from_secs(3600)));
        assert_eq!(Attributes::parse("D=-1").seconds("D"), None);
        assert_eq!(Attributes::parse("N=+1").integer::<u64>("N"), None);
    }
}

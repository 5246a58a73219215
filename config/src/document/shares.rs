//! Shares, ranges of statuses and points in time as texts that name their unit.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::units::text_type;

/// A whole share in percent, 0 to 100, such as `20%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PercentText(pub u8);

/// A share in hundredths of a percent, 0 to 10,000, such as `5%` or `0.25%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareText(pub u16);

/// A point in time with its offset from UTC (RFC 3339), such as `2026-11-21T18:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeText(pub SystemTime);

/// One status, such as `200`, or all from one to another, such as `200-299`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl PercentText {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse().ok().filter(|percent| *percent <= 100).map(Self)
    }

    fn to_text(self) -> String {
        format!("{}%", self.0)
    }
}

/// What an empty text reads as, so that the rest of a list is still looked at when one of its elements could not be
/// read. No such value is valid anywhere.
trait StandIn {
    const STAND_IN: Self;
}

impl StandIn for ShareText {
    const STAND_IN: Self = Self(0);
}

impl StandIn for TimeText {
    const STAND_IN: Self = Self(SystemTime::UNIX_EPOCH);
}

impl StandIn for StatusRange {
    const STAND_IN: Self = Self { first: 0, last: 0 };
}

impl ShareText {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::STAND_IN);
        }
        let number = text.strip_suffix('%')?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > 2 {
            return None;
        }
        let hundredths = if part.len() == 1 { part.parse::<u16>().ok()? * 10 } else { part.parse().ok()? };
        let share = whole.parse::<u16>().ok()?.checked_mul(100)?.checked_add(hundredths)?;
        (share <= 10_000).then_some(Self(share))
    }

    /// As an operator would write it.
    #[must_use]
    pub fn to_text(self) -> String {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => format!("{whole}%"),
            (whole, part) if part % 10 == 0 => format!("{whole}.{}%", part / 10),
            (whole, part) => format!("{whole}.{part:02}%"),
        }
    }
}

impl TimeText {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::STAND_IN);
        }
        OffsetDateTime::parse(text, &Rfc3339).ok().map(|time| Self(time.into()))
    }

    /// In UTC.
    #[must_use]
    pub fn to_text(self) -> String {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = time::Duration::try_from(since).ok().and_then(|since| OffsetDateTime::UNIX_EPOCH.checked_add(since));
        time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
    }
}

text_type!(PercentText, "Percent", "a share in whole percent from 0% to 100%, such as 20%", "^[0-9]{1,3}%$");
text_type!(ShareText, "Share", "a share from 0.01% to 100%, such as 5% or 0.25%", "^[0-9]{1,3}(\\.[0-9]{1,2})?%$");
text_type!(
    TimeText,
    "Time",
    "a time with its offset from UTC (RFC 3339), such as 2026-11-21T18:00:00Z",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
);

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusRangeVisitor)
    }
}

struct StatusRangeVisitor;

impl de::Visitor<'_> for StatusRangeVisitor {
    type Value = StatusRange;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a status such as 200, or a range such as 200-299")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<StatusRange, E> {
        let status = u16::try_from(value).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))?;
        Ok(StatusRange { first: status, last: status })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusRange, E> {
        if text.is_empty() {
            return Ok(StatusRange::STAND_IN);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        match (status(first), status(last)) {
            (Some(first), Some(last)) => Ok(StatusRange { first, last }),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self { first, last } if first == last => serializer.serialize_u16(*first),
            Self { first, last } => serializer.serialize_str(&format!("{first}-{last}")),
        }
    }
}

impl JsonSchema for StatusRange {
    fn schema_name() -> Cow<'static, str> {
        "StatusRange".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "pattern": "^[0-9]{3}(-[0-9]{3})?$" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn shares_have_a_percent_sign_and_at_most_two_decimals() {
        let check = |text: &str, expected: Option<u16>| {
            assert_eq!(ShareText::parse(text), expected.map(ShareText), "{text}");
        };
        check("5%", Some(500));
        check("0.25%", Some(25));
        check("0.5%", Some(50));
        check("0.05%", Some(5));
        check("100%", Some(10_000));
        for text in ["%", "5", "5.%", ".5%", "5.125%", "-5%", "+5%", "100.01%", "700%", "70000%", "5 %"] {
            check(text, None);
        }
        for share in [0, 1, 10, 25, 50, 100, 110, 9_999, 10_000] {
            assert_eq!(ShareText::parse(&ShareText(share).to_text()), Some(ShareText(share)));
        }
        assert_eq!(PercentText::parse("20%"), Some(PercentText(20)));
        for text in ["", "%", "20", "101%", "0.5%", "+5%", "256%"] {
            assert_eq!(PercentText::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_name_their_offset() {
        let check = |text: &str, seconds: Option<u64>| {
            let expected = seconds.map(|seconds| TimeText(UNIX_EPOCH + Duration::from_secs(seconds)));
            assert_eq!(TimeText::parse(text), expected, "{text}");
        };
        check("1970-01-01T00:01:00Z", Some(60));
        check("1970-01-01T02:00:00+01:00", Some(3600));
        for text in ["1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "tomorrow", "60"] {
            check(text, None);
        }
        assert_eq!(TimeText(UNIX_EPOCH).to_text(), "1970-01-01T00:00:00Z");
        // Nothing that a clock can say panics; such a year has no text.
        assert_eq!(TimeText(UNIX_EPOCH + Duration::from_secs(1 << 40)).to_text(), "");
    }
}

//! Durations and sizes as texts with a unit, so that no reader of a file has to guess one.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::ByteSize;

/// A span of time: a whole number and one of `ms`, `s`, `m`, `h`, `d`, such as `250ms` or `24h`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DurationText(pub Duration);

/// A number of bytes: a whole number and one of `B`, `KiB`, `MiB`, `GiB`, such as `64MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSizeText(pub ByteSize);

const MILLIS_OF_DAY: u64 = 86_400_000;
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", MILLIS_OF_DAY), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl DurationText {
    pub(crate) const fn millis(count: u64) -> Self {
        Self(Duration::from_millis(count))
    }

    pub(crate) const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    pub(crate) const fn hours(count: u64) -> Self {
        Self(Duration::from_secs(count * 3600))
    }

    /// As an operator would write it.
    #[must_use]
    pub fn to_text(self) -> String {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        // One day is written `24h`, as everyone does.
        let units = if millis == MILLIS_OF_DAY { &DURATION_UNITS[1..] } else { &DURATION_UNITS[..] };
        write_with_unit(millis, units, "s")
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_with_unit(text, &DURATION_UNITS).map(Self::millis)
    }
}

impl ByteSizeText {
    /// As an operator would write it.
    #[must_use]
    pub fn to_text(self) -> String {
        write_with_unit(self.0.0, &SIZE_UNITS, "B")
    }

    fn parse(text: &str) -> Option<Self> {
        parse_with_unit(text, &SIZE_UNITS).map(|bytes| Self(ByteSize(bytes)))
    }
}

fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    count.parse::<u64>().ok()?.checked_mul(*factor)
}

fn write_with_unit(count: u64, units: &[(&str, u64)], unit_of_zero: &str) -> String {
    if count == 0 {
        return format!("0{unit_of_zero}");
    }
    match units.iter().find(|(_, factor)| count.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", count / factor),
        None => count.to_string(),
    }
}

/// Makes a type be written as a text: `parse` and `to_text` of the type, its name in the schema, what is expected, and
/// a pattern for editors.
macro_rules! text_type {
    ($type:ident, $name:literal, $expected:literal, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct TextVisitor;

                impl de::Visitor<'_> for TextVisitor {
                    type Value = $type;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str($expected)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        $type::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
                    }
                }

                deserializer.deserialize_str(TextVisitor)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.to_text())
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

pub(super) use text_type;

text_type!(DurationText, "Duration", "a duration such as 250ms, 30s, 5m, 24h or 7d", "^[0-9]+(ms|s|m|h|d)$");
text_type!(ByteSizeText, "ByteSize", "a size such as 512B, 8KiB, 64MiB or 2GiB", "^[0-9]+(B|KiB|MiB|GiB)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_whole_number_and_a_unit() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(DurationText::parse(text), expected.map(DurationText::millis), "{text}");
        };
        check("250ms", Some(250));
        check("30s", Some(30_000));
        check("5m", Some(300_000));
        check("24h", Some(86_400_000));
        check("7d", Some(604_800_000));
        check("0s", Some(0));
        for text in ["", "s", "30", "-1s", "+1s", "1.5s", "1 s", "1S", "1min", "99999999999999999999s", "1s "] {
            check(text, None);
        }
        check("18446744073709551615d", None);
    }

    #[test]
    fn sizes_are_a_whole_number_and_a_unit() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(ByteSizeText::parse(text), expected.map(|bytes| ByteSizeText(ByteSize(bytes))), "{text}");
        };
        check("512B", Some(512));
        check("8KiB", Some(8192));
        check("64MiB", Some(64 << 20));
        check("2GiB", Some(2 << 30));
        for text in ["", "B", "8192", "8KB", "8kib", "8K", "1.5MiB", "99999999999GiB"] {
            check(text, None);
        }
    }

    #[test]
    fn written_texts_read_back_as_the_same_value() {
        for millis in [0, 1, 999, 1000, 1500, 60_000, 3_600_000, MILLIS_OF_DAY, 7 * MILLIS_OF_DAY, u64::MAX] {
            let duration = DurationText::millis(millis);
            assert_eq!(DurationText::parse(&duration.to_text()), Some(duration));
        }
        for bytes in [0, 1, 1023, 1024, 1 << 20, (1 << 30) + 1, u64::MAX] {
            let size = ByteSizeText(ByteSize(bytes));
            assert_eq!(ByteSizeText::parse(&size.to_text()), Some(size));
        }
        assert_eq!(DurationText::hours(24).to_text(), "24h");
    }
}

//! Times by status, as written: `{404: 10s, 410: 1m}`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::MapAccess;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::units::DurationText;

/// Entries that are read; more than there are statuses to name.
const MAX_ENTRIES: usize = 1000;

/// Statuses with a time each, in the order written. Two may be the same: that is for `validate` to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusTimes(pub Vec<(u16, DurationText)>);

impl<'de> Deserialize<'de> for StatusTimes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By its name, messages know the shape of it.
        deserializer.deserialize_struct("StatusTimes", &[], StatusTimesVisitor)
    }
}

struct StatusTimesVisitor;

impl<'de> de::Visitor<'de> for StatusTimesVisitor {
    type Value = StatusTimes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping of statuses to times, such as {404: 10s, 410: 1m}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StatusTimes, A::Error> {
        let mut times = Vec::new();
        while let Some((StatusKey(status), time)) = map.next_entry()? {
            if times.len() >= MAX_ENTRIES {
                return Err(de::Error::invalid_length(times.len() + 1, &self));
            }
            times.push((status, time));
        }
        Ok(StatusTimes(times))
    }
}

/// A status as the name of an entry: a number in YAML, a text in JSON.
struct StatusKey(u16);

impl<'de> Deserialize<'de> for StatusKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusKeyVisitor)
    }
}

struct StatusKeyVisitor;

impl de::Visitor<'_> for StatusKeyVisitor {
    type Value = StatusKey;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a status such as 404")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<StatusKey, E> {
        u16::try_from(value).map(StatusKey).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusKey, E> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let status = text.parse().ok().filter(|_| is_number);
        status.map(StatusKey).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl Serialize for StatusTimes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (status, time) in &self.0 {
            map.serialize_entry(&status.to_string(), time)?;
        }
        map.end()
    }
}

impl JsonSchema for StatusTimes {
    fn schema_name() -> Cow<'static, str> {
        "StatusTimes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let time = DurationText::json_schema(generator);
        json_schema!({ "type": "object", "patternProperties": { "^[45][0-9]{2}$": time }, "additionalProperties": false })
    }
}

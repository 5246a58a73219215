//! One record of a database, in the layouts that are about: MaxMind's nested one (GeoIP2, GeoLite2, DB-IP) and flat
//! ones with text for numbers (IPinfo). What a record has besides is skipped; what cannot be a fact is none.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tidegate_config::model::{Continent, CountryCode};
use tidegate_steering::Coordinates;

/// Facts of one record.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) country: Option<CountryCode>,
    pub(super) continent: Option<Continent>,
    pub(super) asn: Option<u32>,
    pub(super) coordinates: Option<Coordinates>,
}

impl Facts {
    /// Takes what is still missing from another record.
    pub(super) fn complete_from(&mut self, other: &Self) {
        self.country = self.country.or(other.country);
        self.continent = self.continent.or(other.continent);
        self.asn = self.asn.or(other.asn);
        self.coordinates = self.coordinates.or(other.coordinates);
    }

    pub(super) fn are_complete(&self) -> bool {
        self.country.is_some() && self.continent.is_some() && self.asn.is_some() && self.coordinates.is_some()
    }
}

/// Facts under their names, before they are put together.
#[derive(Default)]
struct Collected {
    facts: Facts,
    registered_country: Option<CountryCode>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl Collected {
    fn take(&mut self, name: &str, value: &Field<'_>) {
        match name {
            "country" | "country_code" => keep(&mut self.facts.country, value.code().and_then(CountryCode::parse)),
            // Where the operator of a network is registered, which stands in where its users are not known.
            "registered_country" => keep(&mut self.registered_country, value.code().and_then(CountryCode::parse)),
            "continent" | "continent_code" => keep(&mut self.facts.continent, value.code().and_then(Continent::parse)),
            "autonomous_system_number" | "asn" | "as_number" => keep(&mut self.facts.asn, value.asn()),
            "traits" => keep(&mut self.facts.asn, value.nested().and_then(|nested| nested.asn)),
            "latitude" | "lat" => keep(&mut self.latitude, value.number()),
            "longitude" | "lng" | "lon" => keep(&mut self.longitude, value.number()),
            "location" | "loc" => {
                let (latitude, longitude) = value.pair();
                keep(&mut self.latitude, latitude);
                keep(&mut self.longitude, longitude);
            }
            _ => {}
        }
    }

    fn into_facts(self) -> Facts {
        let coordinates = self.latitude.zip(self.longitude).and_then(|(north, east)| Coordinates::new(north, east));
        Facts { country: self.facts.country.or(self.registered_country), coordinates, ..self.facts }
    }
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Facts;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a record of a geographical database")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Facts, A::Error> {
        let mut collected = Collected::default();
        while let Some(name) = map.next_key::<&str>()? {
            if is_fact(name) {
                collected.take(name, &map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(collected.into_facts())
    }
}

fn is_fact(name: &str) -> bool {
    const NAMES: [&str; 16] = [
        "country",
        "country_code",
        "registered_country",
        "continent",
        "continent_code",
        "autonomous_system_number",
        "asn",
        "as_number",
        "traits",
        "location",
        "loc",
        "latitude",
        "lat",
        "longitude",
        "lng",
        "lon",
    ];
    NAMES.contains(&name)
}

/// A value that may be a fact.
enum Field<'a> {
    Text(&'a str),
    Number(f64),
    Nested(Nested<'a>),
    Other,
}

/// What is asked of a map inside a record.
#[derive(Default)]
struct Nested<'a> {
    code: Option<&'a str>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    asn: Option<u32>,
}

impl<'a> Field<'a> {
    fn code(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nested(nested) => nested.code,
            Self::Number(_) | Self::Other => None,
        }
    }

    fn nested(&self) -> Option<&Nested<'a>> {
        if let Self::Nested(nested) = self { Some(nested) } else { None }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Nested(_) | Self::Other => None,
        }
    }

    /// `64496` or `AS64496`; 0 is nobody's (RFC 7607).
    fn asn(&self) -> Option<u32> {
        let number = match self {
            Self::Number(number) => {
                (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number)).then_some(*number as u32)
            }
            Self::Text(text) => text.strip_prefix("AS").unwrap_or(text).parse().ok(),
            Self::Nested(nested) => nested.asn,
            Self::Other => None,
        };
        number.filter(|number| *number != 0)
    }

    /// A map with both numbers, or `50.1,8.6`.
    fn pair(&self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Nested(nested) => (nested.latitude, nested.longitude),
            Self::Text(text) => {
                let parts = text.split_once(',');
                let number = |part: &str| part.trim().parse().ok();
                (parts.and_then(|(north, _)| number(north)), parts.and_then(|(_, east)| number(east)))
            }
            Self::Number(_) | Self::Other => (None, None),
        }
    }
}

impl<'de> Deserialize<'de> for Field<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor { depth: 0 })
    }
}

/// A value inside a map inside a record: the same, one level deeper, where further maps say nothing to us.
struct Inner<'a>(Field<'a>);

impl<'de> Deserialize<'de> for Inner<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor { depth: 1 }).map(Self)
    }
}

struct FieldVisitor {
    depth: u8,
}

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(text))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Field::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut nested = Nested::default();
        while let Some(name) = map.next_key::<&str>()? {
            let wanted = matches!(
                name,
                "iso_code" | "code" | "latitude" | "lat" | "longitude" | "lng" | "autonomous_system_number"
            );
            if self.depth > 0 || !wanted {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Inner(value) = map.next_value()?;
            match name {
                "iso_code" | "code" => nested.code = value.code(),
                "latitude" | "lat" => nested.latitude = value.number(),
                "longitude" | "lng" => nested.longitude = value.number(),
                _ => nested.asn = value.asn(),
            }
        }
        Ok(Field::Nested(nested))
    }
}

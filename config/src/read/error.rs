//! What serde says is wrong, kept as data so that one place words all messages.

use std::fmt;

use serde::de;

use super::shape::expected_enum;
use crate::suggestion::{did_you_mean, list};
use crate::yaml::NodeId;

/// One error of one pass.
#[derive(Debug)]
pub(crate) struct ReadError {
    /// The innermost node that was being read; the deserializer fills it in on the way out.
    pub(crate) node: Option<NodeId>,
    pub(crate) reason: Reason,
}

#[derive(Debug)]
pub(crate) enum Reason {
    Missing(&'static str),
    UnknownField(&'static [&'static str]),
    /// Of the type of this name, which has these.
    UnknownVariant {
        of: &'static str,
        variants: &'static [&'static str],
    },
    Expected(String),
    /// No stand-in fits the type of a missing field: what lacks it is as good as missing itself.
    NoStandIn,
}

impl ReadError {
    pub(super) fn expected(expected: impl Into<String>) -> Self {
        Self { node: None, reason: Reason::Expected(expected.into()) }
    }

    pub(super) fn without_stand_in() -> Self {
        Self { node: None, reason: Reason::NoStandIn }
    }

    /// Says of which type a variant is unknown; serde does not.
    pub(super) fn among(mut self, name: &'static str) -> Self {
        if let Reason::UnknownVariant { of, .. } = &mut self.reason {
            *of = name;
        }
        self
    }

    /// Keeps the innermost place.
    pub(super) fn at(mut self, node: NodeId) -> Self {
        self.node.get_or_insert(node);
        self
    }
}

pub(super) fn expected_field(found: &str, fields: &[&str]) -> String {
    match did_you_mean(found, fields.iter().copied()) {
        Some(name) => format!("a known field (did you mean {name}?)"),
        None if fields.is_empty() => "no field".to_owned(),
        None => format!("one of {}", list(fields.iter().copied())),
    }
}

pub(super) fn expected_variant(found: &str, of: &str, variants: &[&str]) -> String {
    let expected = expected_enum(of, variants);
    match did_you_mean(found, variants.iter().copied()) {
        Some(name) => format!("{expected} (did you mean {name}?)"),
        None => expected,
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Missing(field) => write!(formatter, "missing field {field}"),
            Reason::UnknownField(fields) => write!(formatter, "unknown field, expected {fields:?}"),
            Reason::UnknownVariant { variants, .. } => write!(formatter, "unknown value, expected {variants:?}"),
            Reason::Expected(expected) => write!(formatter, "expected {expected}"),
            Reason::NoStandIn => formatter.write_str("no value can stand in"),
        }
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    /// Our own types word a custom error as what they expect.
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::expected(message.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(expected.to_string())
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::expected(expected.to_string())
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Self::expected(expected.to_string())
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self { node: None, reason: Reason::UnknownVariant { of: "", variants: expected } }
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self { node: None, reason: Reason::UnknownField(expected) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { node: None, reason: Reason::Missing(field) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::expected(format!("{field} once"))
    }
}

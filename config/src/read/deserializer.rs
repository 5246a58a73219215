//! Serde's view of a node of a tree. Every error leaves with the node it arose at.

use serde::de::value::MapDeserializer;
use serde::de::{
    DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};

use super::shape::{expected_enum, expected_struct, expected_value, may_stand_alone};
use super::stand_in::StandIn;
use super::{Gaps, ReadError};
use crate::yaml::{Content, NodeId, Tree};

type Result<T> = std::result::Result<T, ReadError>;

/// Field of a document's root that says what the document is; it is read before, by whoever chose the type.
pub(crate) const KIND: &str = "kind";

#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'t> {
    tree: &'t Tree,
    gaps: &'t Gaps,
    node: NodeId,
}

impl<'t> NodeDeserializer<'t> {
    pub(super) fn root(tree: &'t Tree, gaps: &'t Gaps) -> Self {
        Self { tree, gaps, node: tree.root() }
    }

    fn sibling(self, node: NodeId) -> Self {
        Self { node, ..self }
    }

    fn is_broken(&self) -> bool {
        self.gaps.is_broken(self.node)
    }

    fn content(&self) -> &'t Content {
        self.tree.content(self.node)
    }

    fn is_root(&self) -> bool {
        self.node == self.tree.root()
    }

    fn refuse<T>(&self, expected: impl Into<String>) -> Result<T> {
        Err(ReadError::expected(expected).at(self.node))
    }

    fn whole_number<'de, V: Visitor<'de>>(self, most: u64, visitor: V) -> Result<V::Value> {
        if self.is_broken() {
            return StandIn.deserialize_u64(visitor);
        }
        let value = match self.content() {
            Content::Integer(value) => u64::try_from(*value).ok().filter(|value| *value <= most),
            _ => None,
        };
        match value {
            Some(value) => visitor.visit_u64(value).map_err(|error: ReadError| error.at(self.node)),
            None if most == u64::MAX => self.refuse("a whole number from 0"),
            None => self.refuse(format!("a whole number from 0 to {most}")),
        }
    }
}

macro_rules! deserialize_whole_numbers {
    ($($method:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.whole_number(u64::from(<$type>::MAX), visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = ReadError;

    deserialize_whole_numbers!(deserialize_u8 u8, deserialize_u16 u16, deserialize_u32 u32, deserialize_u64 u64);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_broken() {
            return StandIn.deserialize_any(visitor);
        }
        match self.content() {
            Content::Null => visitor.visit_unit(),
            Content::Bool(value) => visitor.visit_bool(*value),
            Content::Integer(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            Content::Float(value) => visitor.visit_f64(*value),
            Content::Text(text) => visitor.visit_str(text),
            Content::Sequence(elements) => visitor.visit_seq(Elements { parent: self, rest: elements.iter() }),
            Content::Mapping(entries) => visitor.visit_map(Entries::new(self, entries, &[])),
        }
        .map_err(|error: ReadError| error.at(self.node))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_broken() {
            return StandIn.deserialize_bool(visitor);
        }
        match self.content() {
            Content::Bool(value) => visitor.visit_bool(*value),
            _ => self.refuse("true or false"),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_broken() {
            return StandIn.deserialize_f64(visitor);
        }
        match self.content() {
            #[expect(clippy::cast_precision_loss, reason = "what is that large is out of every range we have")]
            Content::Integer(value) => visitor.visit_f64(*value as f64),
            Content::Float(value) => visitor.visit_f64(*value),
            _ => self.refuse("a number"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_broken() {
            return StandIn.deserialize_str(visitor);
        }
        match self.content() {
            Content::Text(text) => visitor.visit_str(text).map_err(|error: ReadError| error.at(self.node)),
            other => self.refuse(expected_text(&visitor, other)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_broken() {
            return StandIn.deserialize_option(visitor);
        }
        match self.content() {
            Content::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self).map_err(|error: ReadError| error.at(self.node))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_broken() {
            return StandIn.deserialize_seq(visitor);
        }
        match self.content() {
            Content::Sequence(elements) => visitor
                .visit_seq(Elements { parent: self, rest: elements.iter() })
                .map_err(|error: ReadError| error.at(self.node)),
            _ => self.refuse("a list"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let entries: &[(NodeId, NodeId)] = match self.content() {
            Content::Mapping(entries) => entries,
            _ if self.is_broken() => &[],
            _ => return self.refuse(expected_struct(name, fields)),
        };
        visitor.visit_map(Entries::new(self, entries, fields)).map_err(|error: ReadError| error.at(self.node))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if self.is_broken() {
            return StandIn.deserialize_enum("", variants, visitor);
        }
        let variant = match self.content() {
            Content::Text(_) => Variant { of: name, name: self, value: None },
            Content::Mapping(entries) if entries.len() == 1 => {
                Variant { of: name, name: self.sibling(entries[0].0), value: Some(self.sibling(entries[0].1)) }
            }
            _ => return self.refuse(expected_enum(name, variants)),
        };
        visitor.visit_enum(variant).map_err(|error: ReadError| error.at(self.node))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.content() {
            Content::Text(text) => visitor.visit_str(text).map_err(|error: ReadError| error.at(self.node)),
            _ => self.refuse("the name of a field"),
        }
    }

    forward_to_deserialize_any! {
        char bytes byte_buf ignored_any unit unit_struct tuple tuple_struct
        i8 i16 i32 i64 i128 u128 f32
    }
}

/// What a type that is written as a text expects; those of the standard library say so in words of their own.
fn expected_text<'de>(visitor: &impl Visitor<'de>, found: &Content) -> String {
    let expected = (visitor as &dyn Expected).to_string();
    match (expected.as_str(), found) {
        ("a string" | "path string", Content::Bool(_) | Content::Integer(_) | Content::Float(_)) => {
            "a text (put it in quotes)".to_owned()
        }
        ("a string" | "path string", _) => "a text".to_owned(),
        _ => expected,
    }
}

struct Elements<'t> {
    parent: NodeDeserializer<'t>,
    rest: std::slice::Iter<'t, NodeId>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(&node) = self.rest.next() else { return Ok(None) };
        // A broken element keeps its place in the list, so that the indices of messages stay those of the file.
        seed.deserialize(self.parent.sibling(node)).map(Some).map_err(|error| error.at(node))
    }
}

/// The entries of a mapping that are not broken, then a stand-in for each field that is missing.
struct Entries<'t> {
    mapping: NodeDeserializer<'t>,
    rest: std::slice::Iter<'t, (NodeId, NodeId)>,
    fields: std::slice::Iter<'static, &'static str>,
    value: Option<NodeId>,
}

impl<'t> Entries<'t> {
    fn new(mapping: NodeDeserializer<'t>, entries: &'t [(NodeId, NodeId)], fields: &'static [&'static str]) -> Self {
        Self { mapping, rest: entries.iter(), fields: fields.iter(), value: None }
    }

    fn next_entry(&mut self) -> Option<(NodeId, NodeId)> {
        let NodeDeserializer { tree, gaps, .. } = self.mapping;
        let is_root = self.mapping.is_root();
        self.rest
            .find(|(key, value)| {
                let is_kind = is_root && tree.text(*key) == Some(KIND);
                !is_kind && !gaps.is_broken(*key) && !gaps.is_broken(*value)
            })
            .copied()
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if let Some((key, value)) = self.next_entry() {
            self.value = Some(value);
            return seed.deserialize(self.mapping.sibling(key)).map(Some).map_err(|error| error.at(key));
        }
        self.value = None;
        let NodeDeserializer { gaps, node, .. } = self.mapping;
        match self.fields.find(|field| gaps.is_missing(node, field)) {
            Some(field) => seed.deserialize(IntoDeserializer::<ReadError>::into_deserializer(*field)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        match self.value.take() {
            Some(value) => seed.deserialize(self.mapping.sibling(value)).map_err(|error| error.at(value)),
            None => seed.deserialize(StandIn).map_err(|_| ReadError::without_stand_in().at(self.mapping.node)),
        }
    }
}

/// `name`, or `name: value`.
struct Variant<'t> {
    /// Name of the type.
    of: &'static str,
    name: NodeDeserializer<'t>,
    value: Option<NodeDeserializer<'t>>,
}

impl<'t, 'de> EnumAccess<'de> for Variant<'t> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let name = seed.deserialize(self.name).map_err(|error: ReadError| error.among(self.of))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<()> {
        match self.value {
            Some(value) => value.refuse("no value here"),
            None => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        match self.value {
            Some(value) => seed.deserialize(value).map_err(|error| error.at(value.node)),
            None => {
                let name = self.name.tree.text(self.name.node).unwrap_or_default();
                if may_stand_alone(self.of, name) {
                    let nothing = std::iter::empty::<(&str, &str)>();
                    return seed.deserialize(MapDeserializer::<_, ReadError>::new(nothing));
                }
                self.name.refuse(expected_value(self.of, name))
            }
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value> {
        self.name.refuse("a name alone")
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value> {
        self.name.refuse("a name alone")
    }
}

//! From a tree to a document as written, telling of every error and not only of the first.
//!
//! Serde stops at the first error. So a document is read again and again: each time the error is noted, and the node
//! that caused it is left out of the next pass (or, where a field cannot be left out, a stand-in takes its place).
//! What comes out at last is complete enough for `validate` to look at all that was right, and [`Gaps`] tell it
//! what not to judge.

mod deserializer;
mod error;
mod shape;
mod stand_in;

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;

use crate::yaml::{Content, NodeId, Tree};
pub(crate) use deserializer::KIND;
use deserializer::NodeDeserializer;
pub(crate) use error::ReadError;
use error::Reason;

/// Errors told of one document. Each costs a pass; who has more than this wants to see fewer.
const MAX_ERRORS: usize = 100;
/// Passes over one document: an error may need two, one to leave a value out and one to stand in for it.
const MAX_PASSES: usize = 3 * MAX_ERRORS;
/// Nodes looked at in all passes over one document, a second of work or so: a very large one gets fewer passes.
const MAX_NODES_LOOKED_AT: usize = 20_000_000;
/// Passes that even the largest document gets.
const MIN_PASSES: usize = 4;

/// What a pass must not take from the tree.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// Nodes that are wrong.
    broken: HashSet<NodeId>,
    /// Fields of mappings that must be there and are not.
    missing: HashMap<NodeId, Vec<&'static str>>,
}

impl Gaps {
    pub(crate) fn is_broken(&self, node: NodeId) -> bool {
        self.broken.contains(&node)
    }

    pub(crate) fn broken(&self) -> impl Iterator<Item = NodeId> {
        self.broken.iter().copied()
    }

    pub(crate) fn is_missing(&self, mapping: NodeId, field: &str) -> bool {
        self.missing.get(&mapping).is_some_and(|fields| fields.contains(&field))
    }
}

/// One thing that is wrong with a document's structure.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Where it is.
    pub(crate) node: NodeId,
    /// The field below `node` that is meant, when it is not there.
    pub(crate) field: Option<String>,
    pub(crate) found: String,
    pub(crate) expected: String,
}

/// A document as far as it could be read.
pub(crate) struct Reading<T> {
    pub(crate) value: Option<T>,
    pub(crate) gaps: Gaps,
    pub(crate) faults: Vec<Fault>,
}

/// Reads a document. The field `kind` is left out: it chose `T`.
pub(crate) fn read<T: DeserializeOwned>(tree: &Tree) -> Reading<T> {
    let mut reading = Reading { value: None, gaps: Gaps::default(), faults: Vec::new() };
    note_duplicate_fields(tree, tree.root(), &mut reading);
    for _ in 0..(MAX_NODES_LOOKED_AT / tree.len()).clamp(MIN_PASSES, MAX_PASSES) {
        match T::deserialize(NodeDeserializer::root(tree, &reading.gaps)) {
            Ok(value) => {
                reading.value = Some(value);
                return reading;
            }
            Err(error) if reading.faults.len() < MAX_ERRORS => {
                if !note(tree, error, &mut reading) {
                    return reading;
                }
            }
            Err(_) => break,
        }
    }
    let found = "so many errors that the rest of the document was not looked at".to_owned();
    let expected = "those before to be mended first".to_owned();
    reading.faults.push(Fault { node: tree.root(), field: None, found, expected });
    reading
}

fn note_duplicate_fields<T>(tree: &Tree, node: NodeId, reading: &mut Reading<T>) {
    match tree.content(node) {
        Content::Mapping(entries) => {
            let mut seen = HashSet::new();
            for (key, value) in entries {
                if !seen.insert(tree.content(*key).to_string()) && reading.faults.len() < MAX_ERRORS {
                    reading.gaps.broken.insert(*key);
                    let found = "the field a second time".to_owned();
                    reading.faults.push(Fault { node: *key, field: None, found, expected: "each field once".into() });
                }
                note_duplicate_fields(tree, *value, reading);
            }
        }
        Content::Sequence(elements) => {
            for element in elements {
                note_duplicate_fields(tree, *element, reading);
            }
        }
        _ => {}
    }
}

/// Whether the next pass will come further.
fn note<T>(tree: &Tree, error: ReadError, reading: &mut Reading<T>) -> bool {
    let Some(node) = error.node else { return false };
    let found = tree.content(node).to_string();
    match error.reason {
        Reason::Missing(field) => {
            let gaps = &mut reading.gaps;
            let value_is_broken = tree.entry(node, field).is_some();
            if !value_is_broken && !gaps.broken.contains(&node) {
                let expected = "a value: the field has no default".to_owned();
                let fault = Fault { node, field: Some(field.to_owned()), found: "nothing".to_owned(), expected };
                reading.faults.push(fault);
            }
            let fields = gaps.missing.entry(node).or_default();
            let is_new = !fields.contains(&field);
            fields.push(field);
            is_new
        }
        Reason::UnknownField(fields) => {
            let expected = error::expected_field(tree.text(node).unwrap_or_default(), fields);
            push(tree, reading, node, "an unknown field".to_owned(), expected)
        }
        Reason::UnknownVariant { of, variants } => {
            let expected = error::expected_variant(tree.text(node).unwrap_or_default(), of, variants);
            push(tree, reading, node, found, expected)
        }
        Reason::Expected(expected) => push(tree, reading, node, found, expected),
        Reason::NoStandIn => break_around(tree, node, reading),
    }
}

/// Tells of a node and leaves it out; what was left out and still gets in the way takes what is around it along.
fn push<T>(tree: &Tree, reading: &mut Reading<T>, node: NodeId, found: String, expected: String) -> bool {
    if !reading.gaps.broken.insert(node) {
        return break_around(tree, node, reading);
    }
    reading.faults.push(Fault { node, field: None, found, expected });
    true
}

/// Leaves out the innermost collection that is still read, without a message of its own: what is wrong in it has been
/// said. False at the root.
fn break_around<T>(tree: &Tree, node: NodeId, reading: &mut Reading<T>) -> bool {
    let mut around = Some(node);
    while let Some(node) = around {
        around = tree.parent(node);
        if around.is_some() && reading.gaps.broken.insert(node) {
            return true;
        }
    }
    false
}

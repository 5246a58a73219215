//! YAML as a tree in which every node knows its line and column.
//!
//! Owns the tree and the bounds on what is read into it. It knows nothing of what documents mean: that is
//! `read` (structure) and `validate` (sense).

mod reader;
mod scalar;

use std::fmt;

pub(crate) use reader::read_stream;

/// A node of one [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(u32);

/// A place in a file, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What stands at a node. Scalars follow the YAML 1.2 core schema (section 10.3), where `no` and `off` are texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
}

#[derive(Debug, Clone)]
struct Node {
    mark: Mark,
    parent: Option<(NodeId, Step)>,
    content: Content,
}

/// How a node is reached from its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is the key of an entry.
    Key,
    /// It is the value of the entry with this key.
    Value(NodeId),
    /// It is this element of a sequence.
    Element(usize),
}

/// One document of a file.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    root: NodeId,
}

impl Tree {
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// How many nodes there are; at least one.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn mark(&self, id: NodeId) -> Mark {
        self.node(id).mark
    }

    pub(crate) fn content(&self, id: NodeId) -> &Content {
        &self.node(id).content
    }

    /// The collection that a node is a part of.
    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.node(id).parent.map(|(parent, _)| parent)
    }

    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match self.content(id) {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Key and value of the entry of a mapping that has this key.
    pub(crate) fn entry(&self, id: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
        match self.content(id) {
            Content::Mapping(entries) => entries.iter().copied().find(|entry| self.is_key(entry.0, key)),
            _ => None,
        }
    }

    /// Keys are texts, or whole numbers such as a status.
    fn is_key(&self, id: NodeId, key: &str) -> bool {
        match self.content(id) {
            Content::Text(text) => text == key,
            Content::Integer(number) => key.parse() == Ok(*number),
            _ => false,
        }
    }

    pub(crate) fn element(&self, id: NodeId, index: usize) -> Option<NodeId> {
        match self.content(id) {
            Content::Sequence(elements) => elements.get(index).copied(),
            _ => None,
        }
    }

    /// The way from the root, such as `routes[2].path`; empty for the root itself.
    pub(crate) fn path(&self, id: NodeId) -> String {
        let mut steps = Vec::new();
        let mut at = id;
        while let Some((parent, step)) = self.node(at).parent {
            steps.push(match step {
                Step::Key => format!(".{}", self.key_text(at)),
                Step::Value(key) => format!(".{}", self.key_text(key)),
                Step::Element(index) => format!("[{index}]"),
            });
            at = parent;
        }
        steps.reverse();
        let path = steps.concat();
        path.strip_prefix('.').map_or(path.clone(), str::to_owned)
    }

    fn key_text(&self, key: NodeId) -> String {
        match self.content(key) {
            Content::Text(text) => shorten(text).escape_debug().to_string(),
            Content::Null => "null".to_owned(),
            other => other.to_string(),
        }
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

/// As messages name it.
impl fmt::Display for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("nothing"),
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Float(value) => write!(formatter, "{value}"),
            Self::Text(text) => write!(formatter, "{:?}", shorten(text)),
            Self::Sequence(elements) if elements.is_empty() => formatter.write_str("an empty list"),
            Self::Sequence(_) => formatter.write_str("a list"),
            Self::Mapping(_) => formatter.write_str("a mapping"),
        }
    }
}

/// A message quotes no more than this many characters: a line of a terminal, with room for the rest of the message.
const QUOTED_CHARACTERS: usize = 80;

fn shorten(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

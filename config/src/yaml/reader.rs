//! From the text of a file to trees: every document that can be read, and a message for each that cannot.
//!
//! Owns the bounds of what an operator's file may make this process build. Aliases are copied where they stand, so
//! that each place has a path of its own; the copies are counted, which refuses exponential expansion.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::scalar::resolve_plain;
use super::{Content, Mark, Node, NodeId, Step, Tree};

/// Collections inside collections. Our deepest document needs 5; the recursion of later steps is bounded by this.
pub(crate) const MAX_NESTING: usize = 64;
/// Documents in one file: a thousand sites with everything they refer to, ten times over.
pub(crate) const MAX_DOCUMENTS: usize = 10_000;
/// Nodes that aliases may add to one document: room for shared lists of hosts, none for "billion laughs".
pub(crate) const MAX_ALIASED_NODES: usize = 10_000;
/// Values in one file. A large fleet's configuration has a hundred thousand; this many take some 100 MiB while they
/// are read, which a file of [`MAX_FILE_BYTES`](crate::load::MAX_FILE_BYTES) of commas would exceed eightfold.
pub(crate) const MAX_NODES: usize = 1_000_000;
/// Broken documents of which one file may tell before the reader gives the file up.
const MAX_SYNTAX_ERRORS: usize = 100;

/// What could be read of a file.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Trees with their index in the file; `None` for a document that is empty.
    pub(crate) documents: Vec<(usize, Option<Tree>)>,
    /// What could not be read.
    pub(crate) errors: Vec<SyntaxError>,
}

/// Why a document, or the rest of a file, could not be read.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) document: usize,
    pub(crate) mark: Mark,
    pub(crate) found: String,
    pub(crate) expected: String,
}

/// Reads all documents of a file. A broken one does not hide those after the next `---`.
pub(crate) fn read_stream(text: &str) -> Stream {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_NESTING,
        block_nesting_limit: MAX_NESTING,
    };
    options.set_emit_comments(false);
    let mut reader = Reader {
        text,
        parser: Parser::new_from_str_with_options(text, options),
        stream: Stream::default(),
        document: 0,
        nodes: 0,
    };
    reader.read();
    reader.stream
}

struct Reader<'input> {
    text: &'input str,
    parser: Parser<'input, StrInput<'input>>,
    stream: Stream,
    document: usize,
    nodes: usize,
}

impl Reader<'_> {
    fn read(&mut self) {
        loop {
            match self.parser.next_event() {
                None | Some(Ok((Event::StreamEnd, _))) => return,
                Some(Ok((Event::DocumentStart(..), span))) => {
                    if self.document >= MAX_DOCUMENTS {
                        let expected = format!("at most {MAX_DOCUMENTS} documents in a file");
                        self.refuse(mark(&span), "one more document".to_owned(), expected);
                        return;
                    }
                    if !self.read_document() {
                        return;
                    }
                    self.document += 1;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    if !self.recover(&error) {
                        return;
                    }
                    self.document += 1;
                }
            }
        }
    }

    /// Whether there may be more to read.
    fn read_document(&mut self) -> bool {
        let mut builder = Builder { nodes_left: MAX_NODES - self.nodes, ..Builder::default() };
        loop {
            match self.parser.next_event() {
                None => return false,
                Some(Ok((Event::DocumentEnd, _))) => break,
                Some(Ok((event, span))) => {
                    if let Err((found, expected)) = builder.take(event, mark(&span)) {
                        self.refuse(mark(&span), found, expected);
                        return self.skip_document();
                    }
                }
                Some(Err(error)) => return self.recover(&error),
            }
        }
        self.nodes += builder.nodes.len();
        let tree = builder.finish();
        self.stream.documents.push((self.document, tree));
        true
    }

    fn recover(&mut self, error: &ScanError) -> bool {
        let place = Mark { line: error.marker().line(), column: error.marker().col() + 1 };
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => {
                self.refuse(place, "one more level".to_owned(), format!("at most {MAX_NESTING} levels of nesting"));
            }
            _ => match self.indenting_tab(place.line) {
                Some(line) => {
                    // The grammar's own message speaks of what it takes the line for.
                    let place = Mark { line, column: 1 };
                    self.refuse(place, "a tab that indents".to_owned(), "spaces: YAML indents with no tabs".to_owned());
                }
                None => self.refuse(place, error.info(), "well-formed YAML".to_owned()),
            },
        }
        self.skip_document()
    }

    /// The line, of this one and those beside it, that a tab indents. An error is noticed on any of them.
    fn indenting_tab(&self, line: usize) -> Option<usize> {
        let first = line.saturating_sub(1).max(1);
        let indents = |text: &str| text.chars().take_while(|character| character.is_whitespace()).any(|it| it == '\t');
        self.text.lines().skip(first - 1).take(3).position(indents).map(|place| first + place)
    }

    fn skip_document(&mut self) -> bool {
        self.stream.errors.len() < MAX_SYNTAX_ERRORS && self.parser.proceed_next_document().unwrap_or(false)
    }

    fn refuse(&mut self, mark: Mark, found: String, expected: String) {
        self.stream.errors.push(SyntaxError { document: self.document, mark, found, expected });
    }
}

fn mark(span: &Span) -> Mark {
    Mark { line: span.start.line(), column: span.start.col() + 1 }
}

/// What was found and what was expected.
type Refusal = (String, String);

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    root: Option<NodeId>,
    aliased: usize,
    nodes_left: usize,
}

/// A collection whose end has not come yet.
struct Open {
    node: NodeId,
    /// In a mapping: the key whose value comes next.
    key: Option<NodeId>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, mark: Mark) -> Result<(), Refusal> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = tag {
                    return Err(refused_tag(&tag.original()));
                }
                let content = match style {
                    ScalarStyle::Plain => resolve_plain(&text),
                    _ => Content::Text(text.into_owned()),
                };
                let node = self.add(mark, content)?;
                self.remember(anchor, node);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open_collection(mark, Content::Sequence(Vec::new()), anchor, tag.map(|tag| tag.original()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open_collection(mark, Content::Mapping(Vec::new()), anchor, tag.map(|tag| tag.original()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::Alias(anchor) => self.copy_anchored(anchor, mark)?,
            Event::UnresolvedAlias(name) => {
                return Err((
                    format!("the alias *{name}"),
                    "an anchor of that name earlier in the document".to_owned(),
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Option<Tree> {
        let root = self.root?;
        let tree = Tree { nodes: self.nodes, root };
        (*tree.content(root) != Content::Null).then_some(tree)
    }

    fn open_collection(
        &mut self,
        mark: Mark,
        content: Content,
        anchor: usize,
        tag: Option<String>,
    ) -> Result<(), Refusal> {
        if let Some(tag) = tag {
            return Err(refused_tag(&tag));
        }
        if self.open.len() >= MAX_NESTING {
            return Err(("one more level".to_owned(), format!("at most {MAX_NESTING} levels of nesting")));
        }
        let node = self.add(mark, content)?;
        self.remember(anchor, node);
        self.open.push(Open { node, key: None });
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: NodeId) {
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
    }

    /// Puts a node where the next one belongs.
    fn add(&mut self, mark: Mark, content: Content) -> Result<NodeId, Refusal> {
        if self.nodes.len() >= self.nodes_left {
            return Err(("one more value".to_owned(), format!("at most {MAX_NODES} values in a file")));
        }
        let node = NodeId(u32::try_from(self.nodes.len()).map_err(|error| (error.to_string(), String::new()))?);
        let parent = self.attach(node, &content)?;
        self.nodes.push(Node { mark, parent, content });
        Ok(node)
    }

    fn attach(&mut self, node: NodeId, content: &Content) -> Result<Option<(NodeId, Step)>, Refusal> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(None);
        };
        let parent = open.node;
        let step = match &mut self.nodes[parent.0 as usize].content {
            Content::Sequence(elements) => {
                elements.push(node);
                Step::Element(elements.len() - 1)
            }
            Content::Mapping(entries) => match open.key.take() {
                Some(key) => {
                    entries.push((key, node));
                    Step::Value(key)
                }
                None => {
                    if matches!(content, Content::Sequence(_) | Content::Mapping(_)) {
                        return Err((content.to_string(), "the name of a field".to_owned()));
                    }
                    open.key = Some(node);
                    Step::Key
                }
            },
            _ => return Ok(None),
        };
        Ok(Some((parent, step)))
    }

    fn copy_anchored(&mut self, anchor: usize, mark: Mark) -> Result<(), Refusal> {
        let Some(&source) = self.anchors.get(&anchor) else {
            return Err(("an alias".to_owned(), "an anchor earlier in the document".to_owned()));
        };
        if self.open.iter().any(|open| open.node == source) {
            return Err(("an alias to what contains it".to_owned(), "an anchor that ends before it".to_owned()));
        }
        self.copy(source, mark)
    }

    /// Copies a subtree. The copy stands where the alias stands, so that messages point at the place in force.
    fn copy(&mut self, source: NodeId, mark: Mark) -> Result<(), Refusal> {
        self.aliased += 1;
        if self.aliased > MAX_ALIASED_NODES {
            return Err((
                "aliases that expand without bound".to_owned(),
                format!("at most {MAX_ALIASED_NODES} values by aliases in a document"),
            ));
        }
        let content = self.nodes[source.0 as usize].content.clone();
        match content {
            Content::Sequence(elements) => {
                self.open_collection(mark, Content::Sequence(Vec::new()), 0, None)?;
                for element in elements {
                    self.copy(element, mark)?;
                }
                self.open.pop();
            }
            Content::Mapping(entries) => {
                self.open_collection(mark, Content::Mapping(Vec::new()), 0, None)?;
                for (key, value) in entries {
                    self.copy(key, mark)?;
                    self.copy(value, mark)?;
                }
                self.open.pop();
            }
            scalar => {
                self.add(mark, scalar)?;
            }
        }
        Ok(())
    }
}

fn refused_tag(tag: &str) -> Refusal {
    (format!("the tag {tag}"), "a value without a tag".to_owned())
}

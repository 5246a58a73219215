//! Documents with the place they came from, and the list that problems are written to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::document::Document;
use crate::problem::{Problem, Problems};
use crate::read::{Fault, Gaps};
use crate::yaml::{Mark, NodeId, Tree};

/// Problems that are told of. More than this many fill the screen several times over and are all of the same few causes.
const MAX_PROBLEMS: usize = 1000;

/// One document as read.
pub(crate) struct Source {
    pub(crate) file: Arc<Path>,
    /// Its place among the files, so that problems come out in their order.
    pub(crate) file_index: usize,
    pub(crate) document: Document,
    pub(crate) label: String,
    pub(crate) tree: Tree,
    pub(crate) gaps: Gaps,
}

impl Source {
    /// A path that the document names, from the folder of its file.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.file.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    pub(crate) fn root(&self) -> Place<'_> {
        Place { source: self, parent: None, step: PlaceStep::Root }
    }
}

/// A place in a document, also one where nothing was written.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) source: &'p Source,
    parent: Option<&'p Place<'p>>,
    step: PlaceStep<'p>,
}

#[derive(Clone, Copy)]
enum PlaceStep<'p> {
    Root,
    Field(&'p str),
    Element(usize),
}

/// The innermost node on the way to a place.
struct Located {
    node: NodeId,
    nearness: Nearness,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nearness {
    /// The node is the place.
    Exact,
    /// Nothing is written at the place; the node is around it.
    Around,
    /// What is written there is known to be wrong: nothing more is to be said of it.
    Gap,
}

impl<'p> Place<'p> {
    pub(crate) fn field(&'p self, name: &'p str) -> Self {
        Self { source: self.source, parent: Some(self), step: PlaceStep::Field(name) }
    }

    pub(crate) fn element(&'p self, index: usize) -> Self {
        Self { source: self.source, parent: Some(self), step: PlaceStep::Element(index) }
    }

    /// `FILE:LINE`, to point there from another problem.
    pub(crate) fn line(&self) -> String {
        format!("{}:{}", self.source.file.display(), self.source.tree.mark(self.locate().node).line)
    }

    /// Whether the place holds what the operator wrote, and not a stand-in for what could not be read.
    pub(crate) fn is_sound(&self) -> bool {
        self.locate().nearness != Nearness::Gap
    }

    /// Whether the place and all below it hold what the operator wrote.
    pub(crate) fn is_whole(&self) -> bool {
        let Located { node, nearness } = self.locate();
        let Source { tree, gaps, .. } = self.source;
        let is_below = |broken| std::iter::successors(Some(broken), |at| tree.parent(*at)).any(|at| at == node);
        match nearness {
            Nearness::Exact => !gaps.broken().any(is_below),
            Nearness::Around => true,
            Nearness::Gap => false,
        }
    }

    fn path(&self) -> String {
        let before = self.parent.map(Self::path).unwrap_or_default();
        match self.step {
            PlaceStep::Root => self.source.label.clone(),
            PlaceStep::Field(name) => format!("{before}.{name}"),
            PlaceStep::Element(index) => format!("{before}[{index}]"),
        }
    }

    fn locate(&self) -> Located {
        let Source { tree, gaps, .. } = self.source;
        let Some(parent) = self.parent else {
            return Located { node: tree.root(), nearness: Nearness::Exact };
        };
        let around = parent.locate();
        if around.nearness != Nearness::Exact {
            return around;
        }
        let (node, is_gap) = match self.step {
            PlaceStep::Root => (None, false),
            PlaceStep::Element(index) => {
                let node = tree.element(around.node, index);
                (node, node.is_some_and(|node| gaps.is_broken(node)))
            }
            PlaceStep::Field(name) => match tree.entry(around.node, name) {
                Some((key, value)) => (Some(value), gaps.is_broken(key) || gaps.is_broken(value)),
                None => (None, gaps.is_missing(around.node, name)),
            },
        };
        match node {
            _ if is_gap => Located { node: node.unwrap_or(around.node), nearness: Nearness::Gap },
            Some(node) => Located { node, nearness: Nearness::Exact },
            None => Located { node: around.node, nearness: Nearness::Around },
        }
    }
}

/// Problems as they are found.
#[derive(Default)]
pub(crate) struct Report {
    problems: Vec<(usize, Problem)>,
}

impl Report {
    /// Says that what is written at a place (or nothing) is not what it should be.
    pub(crate) fn at(&mut self, place: &Place<'_>, expected: impl Into<String>) {
        let located = place.locate();
        let found = match located.nearness {
            Nearness::Exact => place.source.tree.content(located.node).to_string(),
            _ => "nothing".to_owned(),
        };
        self.found(place, found, expected);
    }

    /// The same where what is wrong is not the value alone.
    pub(crate) fn found(&mut self, place: &Place<'_>, found: impl Into<String>, expected: impl Into<String>) {
        let located = place.locate();
        if located.nearness == Nearness::Gap {
            return;
        }
        let source = place.source;
        let mark = source.tree.mark(located.node);
        self.push(source.file_index, &source.file, mark, place.path(), found.into(), expected.into());
    }

    /// Says what is wrong with the structure of a document.
    pub(crate) fn fault(&mut self, file: (usize, &Path), label: &str, tree: &Tree, fault: Fault) {
        let mut path = label.to_owned();
        for part in [tree.path(fault.node), fault.field.unwrap_or_default()] {
            if !part.is_empty() {
                path.push('.');
                path.push_str(&part);
            }
        }
        self.push(file.0, file.1, tree.mark(fault.node), path, fault.found, fault.expected);
    }

    pub(crate) fn push(
        &mut self,
        file_index: usize,
        file: &Path,
        mark: Mark,
        path: String,
        found: String,
        expected: String,
    ) {
        if !self.is_full() {
            let Mark { line, column } = mark;
            self.problems.push((file_index, Problem { file: file.to_owned(), line, column, path, found, expected }));
        }
    }

    /// Whether nothing more is taken, so that looking for words is in vain.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_PROBLEMS
    }

    /// Whether such a problem was told of.
    pub(crate) fn has(&self, such: impl Fn(&Problem) -> bool) -> bool {
        self.problems.iter().any(|(_, problem)| such(problem))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn into_problems(mut self) -> Problems {
        self.problems.sort_by_key(|(file_index, problem)| (*file_index, problem.line, problem.column));
        self.problems.dedup();
        let is_full = self.is_full();
        let mut problems: Vec<Problem> = self.problems.into_iter().map(|(_, problem)| problem).collect();
        if let Some(last) = problems.last().filter(|_| is_full).cloned() {
            let found = format!("{MAX_PROBLEMS} problems, so that the rest is not told");
            let expected = "those before to be mended first".to_owned();
            problems.push(Problem { path: "configuration".to_owned(), found, expected, ..last });
        }
        Problems::new(problems)
    }
}

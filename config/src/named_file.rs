//! What is wrong with a file that a document names, and where the document names it.
//!
//! This crate reads neither keys nor databases: whoever serves does, and says what it found. Here it gets its line.

use crate::problem::Problem;
use crate::source::{Nearness, Report, Source};
use crate::yaml::{Content, NodeId};

/// A file that a document names cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// Kind of the document.
    pub kind: &'static str,
    /// Its name; none where there is one document of the kind at most.
    pub name: Option<String>,
    /// The way to the field in the document: keys, and in lists the name or the number of an element.
    pub steps: Vec<String>,
    /// What was found: the file, and what is wrong with it.
    pub found: String,
    /// What is expected instead.
    pub expected: String,
}

/// Reports these, unless the place has been complained about already.
pub(crate) fn report_files(sources: &[Source], problems: Vec<FileProblem>, report: &mut Report) {
    // What stands in for something that could not be read names files that nobody wrote.
    let has_stand_ins = !report.is_empty();
    for problem in problems {
        let mut documents = sources.iter().filter(|source| source.document.kind() == problem.kind);
        let named = |source: &&Source| problem.name.as_deref().is_none_or(|name| source.document.name() == name);
        let Some(source) = documents.find(named).or(sources.first()) else { return };
        let (node, nearness) = find(source, &problem.steps);
        if nearness == Nearness::Around && has_stand_ins {
            continue;
        }
        let way = source.tree.path(node);
        let separator = if way.is_empty() { "" } else { "." };
        let path = format!("{}{separator}{way}", source.label);
        let told = |other: &Problem| *other.file == *source.file && other.path == path;
        if !source.gaps.is_broken(node) && !report.has(told) {
            let (mark, FileProblem { found, expected, .. }) = (source.tree.mark(node), problem);
            report.push(source.file_index, &source.file, mark, path, found, expected);
        }
    }
}

/// The innermost node on the way that is written.
fn find(source: &Source, steps: &[String]) -> (NodeId, Nearness) {
    let tree = &source.tree;
    let mut at = tree.root();
    for step in steps {
        let next = match tree.content(at) {
            Content::Sequence(elements) => {
                let is_named = |element: &&NodeId| {
                    let name = tree.entry(**element, "name").and_then(|(_, name)| tree.text(name));
                    name.is_some_and(|name| name.eq_ignore_ascii_case(step))
                };
                let named = elements.iter().find(is_named).copied();
                named.or_else(|| tree.element(at, step.parse().ok()?))
            }
            _ => tree.entry(at, step).map(|(_, value)| value),
        };
        let Some(next) = next else { return (at, Nearness::Around) };
        at = next;
    }
    (at, Nearness::Exact)
}

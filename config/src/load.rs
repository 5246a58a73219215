//! From files to a [`Model`], or to everything that is wrong with them.
//!
//! Owns reading files and sorting documents by kind. The structure of a document is `read`'s, its sense `validate`'s.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::document::{Document, KINDS};
use crate::model::Model;
use crate::named_file::{FileProblem, report_files};
use crate::problem::Problems;
use crate::read::{KIND, Reading, read};
use crate::source::{Report, Source};
use crate::suggestion::{did_you_mean, list};
use crate::validate::{Completeness, validate};
use crate::yaml::{Content, Mark, Tree, read_stream};

/// One file: a hundred thousand routes, and little enough to be read into memory without a thought.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Files of one configuration, those of folders included.
pub const MAX_FILES: usize = 1000;

const START: Mark = Mark { line: 1, column: 1 };

/// Loads one configuration from all documents of these files. A folder stands for every `*.yaml` and `*.yml` in it, in
/// the order of their names (not those of folders below it).
///
/// # Errors
/// Everything that is wrong with them, at once.
pub fn load_files(paths: &[PathBuf]) -> Result<Model, Problems> {
    load_files_with(paths, |_| Vec::new())
}

/// The same; whoever can read the files that documents name says what is wrong with them, as far as it can be said of a
/// model that may have other faults.
///
/// # Errors
/// Everything that is wrong with documents and files, at once.
pub fn load_files_with(paths: &[PathBuf], examine: impl FnOnce(&Model) -> Vec<FileProblem>) -> Result<Model, Problems> {
    let mut loader = Loader::default();
    for path in paths {
        loader.add_path(path);
    }
    loader.finish(examine)
}

/// Loads one configuration from texts, each under the name of the file it stands for: messages name it, and relative
/// paths start at its folder.
///
/// # Errors
/// Everything that is wrong with them, at once.
pub fn load_texts(texts: &[(PathBuf, String)]) -> Result<Model, Problems> {
    let mut loader = Loader::default();
    for (name, text) in texts {
        loader.add_text(name, text);
    }
    loader.finish(|_| Vec::new())
}

#[derive(Default)]
struct Loader {
    sources: Vec<Source>,
    report: Report,
    files: Vec<Arc<Path>>,
    completeness: Completeness,
}

impl Loader {
    fn add_path(&mut self, path: &Path) {
        if !path.is_dir() {
            return self.add_file(path);
        }
        match files_of_folder(path) {
            Ok(files) if files.is_empty() => {
                self.refuse_file(path, "no such file".to_owned(), "a folder with *.yaml or *.yml files");
            }
            Ok(files) => files.iter().for_each(|file| self.add_file(file)),
            Err(error) => self.refuse_file(path, error.to_string(), "a folder that can be read"),
        }
    }

    fn add_file(&mut self, path: &Path) {
        match read_file(path) {
            Ok(FileText::Text(text)) => self.add_text(path, &text),
            Ok(FileText::TooLarge) => {
                let expected = format!("at most {} MiB", MAX_FILE_BYTES / 1024 / 1024);
                self.refuse_file(path, "a larger file".to_owned(), &expected);
            }
            Ok(FileText::NotUtf8) => self.refuse_file(path, "bytes that are not UTF-8".to_owned(), "a text in UTF-8"),
            Err(error) => self.refuse_file(path, error.to_string(), "a file that can be read"),
        }
    }

    fn add_text(&mut self, path: &Path, text: &str) {
        if self.files.len() >= MAX_FILES {
            return self.refuse_file(path, "one more file".to_owned(), &format!("at most {MAX_FILES} files"));
        }
        let file: Arc<Path> = Arc::from(path);
        self.files.push(Arc::clone(&file));
        let stream = read_stream(text);
        for error in stream.errors {
            self.completeness = Completeness::Partial;
            let label = format!("documents[{}]", error.document);
            self.report.push(self.file_index(), &file, error.mark, label, error.found, error.expected);
        }
        for (index, tree) in stream.documents {
            if let Some(tree) = tree {
                self.add_document(&file, index, tree);
            }
        }
    }

    fn add_document(&mut self, file: &Arc<Path>, index: usize, tree: Tree) {
        let Some(kind) = self.kind_of(file, index, &tree) else {
            self.completeness = Completeness::Partial;
            return;
        };
        let name = tree.entry(tree.root(), "name").and_then(|entry| tree.text(entry.1));
        let label = match name.filter(|name| is_showable(name)) {
            Some(name) => format!("{kind}.{name}"),
            None => format!("documents[{index}]"),
        };
        match kind {
            "node" => self.add(file, &label, tree, Document::Node),
            "region" => self.add(file, &label, tree, Document::Region),
            "pop" => self.add(file, &label, tree, Document::Pop),
            "site" => self.add(file, &label, tree, Document::Site),
            "origin_pool" => self.add(file, &label, tree, Document::OriginPool),
            "certificate" => self.add(file, &label, tree, Document::Certificate),
            "geo" => self.add(file, &label, tree, Document::Geo),
            _ => self.add(file, &label, tree, Document::CachePolicy),
        }
    }

    fn kind_of(&mut self, file: &Path, index: usize, tree: &Tree) -> Option<&'static str> {
        let label = format!("documents[{index}]");
        let root = tree.root();
        if !matches!(tree.content(root), Content::Mapping(_)) {
            let found = tree.content(root).to_string();
            let expected = "a mapping with kind and name".to_owned();
            self.report.push(self.file_index(), file, tree.mark(root), label, found, expected);
            return None;
        }
        let entry = tree.entry(root, KIND).map(|entry| entry.1);
        let text = entry.and_then(|node| tree.text(node)).unwrap_or_default();
        let kind = KINDS.into_iter().find(|kind| *kind == text);
        if kind.is_none() {
            let found = entry.map_or_else(|| "nothing".to_owned(), |node| tree.content(node).to_string());
            let suggestion = did_you_mean(text, KINDS.into_iter());
            let suggestion = suggestion.map(|kind| format!(" (did you mean {kind}?)")).unwrap_or_default();
            let expected = format!("one of {}{suggestion}", list(KINDS.into_iter()));
            let mark = tree.mark(entry.unwrap_or(root));
            self.report.push(self.file_index(), file, mark, format!("{label}.{KIND}"), found, expected);
        }
        kind
    }

    fn add<T: DeserializeOwned>(&mut self, file: &Arc<Path>, label: &str, tree: Tree, wrap: fn(T) -> Document) {
        let Reading { value, gaps, faults } = read::<T>(&tree);
        let file_index = self.file_index();
        for fault in faults {
            self.report.fault((file_index, file), label, &tree, fault);
        }
        match value.map(wrap) {
            Some(document) => {
                let (file, label) = (Arc::clone(file), label.to_owned());
                self.sources.push(Source { file, file_index, document, label, tree, gaps });
            }
            None => self.completeness = Completeness::Partial,
        }
    }

    fn refuse_file(&mut self, path: &Path, found: String, expected: &str) {
        self.completeness = Completeness::Partial;
        self.report.push(self.files.len(), path, START, "file".to_owned(), found, expected.to_owned());
    }

    fn file_index(&self) -> usize {
        self.files.len()
    }

    fn finish(mut self, examine: impl FnOnce(&Model) -> Vec<FileProblem>) -> Result<Model, Problems> {
        let model = validate(&self.sources, self.completeness, &mut self.report);
        let has_node = self.sources.iter().any(|source| matches!(source.document, Document::Node(_)));
        if !has_node && self.completeness == Completeness::Complete {
            let file = self.files.first().map_or_else(|| PathBuf::from("-"), |file| file.to_path_buf());
            let found = "no node document".to_owned();
            self.report.push(0, &file, START, "node".to_owned(), found, "exactly one".to_owned());
        }
        if let Some(model) = &model {
            report_files(&self.sources, examine(model), &mut self.report);
        }
        match model {
            Some(model) if self.report.is_empty() => Ok(model),
            _ => Err(self.report.into_problems()),
        }
    }
}

/// Whether a name, right or wrong, makes a path that is read more easily with it.
fn is_showable(name: &str) -> bool {
    const MAX_CHARACTERS: usize = 63; // as long as names may be
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
    !name.is_empty() && name.chars().count() <= MAX_CHARACTERS && name.chars().all(is_plain)
}

enum FileText {
    Text(String),
    TooLarge,
    NotUtf8,
}

/// Reads no more than the bound, whatever the file's size claims to be.
fn read_file(path: &Path) -> io::Result<FileText> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Ok(FileText::TooLarge);
    }
    Ok(String::from_utf8(bytes).map_or(FileText::NotUtf8, FileText::Text))
}

fn files_of_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let is_document = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_document && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

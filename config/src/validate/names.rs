//! Names: whether they are names, are there once, and what is there under them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Completeness, DEFAULT_CACHE_POLICY};
use crate::ids::InvalidName;
use crate::source::{Place, Report, Source};
use crate::suggestion::{did_you_mean, list};

/// The names of all documents by kind.
pub(super) struct Names<'s> {
    by_kind: BTreeMap<&'static str, BTreeMap<&'s str, &'s Source>>,
    completeness: Completeness,
}

impl<'s> Names<'s> {
    /// Collects the names, telling of those that are there twice.
    pub(super) fn collect(sources: &'s [Source], completeness: Completeness, report: &mut Report) -> Self {
        let mut by_kind: BTreeMap<&'static str, BTreeMap<&'s str, &'s Source>> = BTreeMap::new();
        for source in sources {
            let document = &source.document;
            let of_kind = by_kind.entry(document.kind()).or_default();
            let root = source.root();
            let place = root.field("name");
            match of_kind.get(document.name()) {
                Some(first) if place.is_sound() => {
                    let line = first.root().line();
                    report.at(&place, format!("another name: the {} at {line} has this one", document.kind()));
                }
                Some(_) => {}
                None => {
                    of_kind.insert(document.name(), source);
                }
            }
        }
        Self { by_kind, completeness }
    }

    /// Whether some document could not be read, so that what is not known may still exist.
    pub(super) fn are_partial(&self) -> bool {
        self.completeness == Completeness::Partial
    }

    /// Tells when no document of this kind has this name.
    pub(super) fn check_reference(&self, kind: &'static str, name: &str, place: &Place<'_>, report: &mut Report) {
        let nothing = BTreeMap::new();
        let known = self.by_kind.get(kind).unwrap_or(&nothing);
        let is_built_in = kind == "cache_policy" && name == DEFAULT_CACHE_POLICY;
        if known.contains_key(name) || is_built_in || self.are_partial() || report.is_full() {
            return;
        }
        let names = || known.keys().copied();
        let expected = match did_you_mean(name, names()) {
            _ if known.is_empty() => format!("an existing {kind}, and there is no {kind} document"),
            Some(likely) if known.len() > 1 => {
                format!("an existing {kind}: {} (did you mean {likely}?)", list(names()))
            }
            _ => format!("an existing {kind}: {}", list(names())),
        };
        report.at(place, expected);
    }
}

/// Reads a name, telling when it is none.
pub(super) fn parse_name<T>(
    text: &str,
    parse: fn(&str) -> Result<T, InvalidName>,
    place: &Place<'_>,
    report: &mut Report,
) -> Option<T> {
    parse(text).map_err(|error| report.at(place, error.expected())).ok()
}

/// Tells of the elements of a list that have the name of an earlier one.
pub(super) fn check_unique<'n>(names: impl Iterator<Item = &'n str>, places: &Place<'_>, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            let place = places.element(index);
            report.at(&place.field("name"), "another name: an earlier element of the list has this one");
        }
    }
}

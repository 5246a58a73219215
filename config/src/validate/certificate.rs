//! Certificates: two files each, one of them the default.

use std::path::{Path, PathBuf};

use super::Written;
use super::names::parse_name;
use crate::document::{CertificateDocument, NodeDocument, ProtocolField};
use crate::ids::CertificateName;
use crate::model::Certificate;
use crate::source::{Place, Report};

/// All certificates that make sense.
pub(super) fn certificates(
    documents: &[Written<'_, CertificateDocument>],
    nodes: &[Written<'_, NodeDocument>],
    report: &mut Report,
) -> Vec<Certificate> {
    check_defaults(documents, nodes, report);
    let is_only_one = documents.len() == 1;
    documents.iter().filter_map(|written| certificate(written, is_only_one, report)).collect()
}

fn certificate(
    written: &Written<'_, CertificateDocument>,
    is_only_one: bool,
    report: &mut Report,
) -> Option<Certificate> {
    let Written { document, place } = written;
    let name = parse_name(&document.name, CertificateName::parse, &place.field("name"), report);
    let chain_file = file(&document.chain_file, &place.field("chain_file"), report);
    let key_file = file(&document.key_file, &place.field("key_file"), report);
    Some(Certificate { name: name?, chain_file, key_file, default: document.default.unwrap_or(is_only_one) })
}

/// The path of a file from the folder of the document that names it.
pub(super) fn file(path: &Path, place: &Place<'_>, report: &mut Report) -> PathBuf {
    if path.as_os_str().is_empty() {
        report.at(place, "the path of a file");
    }
    place.source.resolve(path)
}

fn check_defaults(
    documents: &[Written<'_, CertificateDocument>],
    nodes: &[Written<'_, NodeDocument>],
    report: &mut Report,
) {
    let mut defaults = documents.iter().filter(|written| written.document.default == Some(true));
    match (defaults.next(), documents.first()) {
        (Some(first), _) => {
            for written in defaults {
                let line = first.place.line();
                report.at(&written.place.field("default"), format!("at most one default; the one at {line} is it"));
            }
        }
        (None, Some(first)) if needs_default(nodes) && (documents.len() > 1 || first.document.default.is_some()) => {
            let expected = "one certificate with default: true, for clients that send no server name";
            report.found(&first.place.field("default"), "no certificate that is the default", expected);
        }
        _ => {}
    }
}

fn needs_default(nodes: &[Written<'_, NodeDocument>]) -> bool {
    let mut listeners = nodes.iter().flat_map(|written| &written.document.listeners);
    listeners.any(|listener| listener.protocol != ProtocolField::Http)
}

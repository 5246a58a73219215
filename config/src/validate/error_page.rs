//! Error pages: read with the configuration, so that a failure never waits for a disk.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use http::StatusCode;

use super::certificate::file;
use super::header_field::is_field_text;
use super::range::{check_length, check_statuses};
use crate::document::{ErrorPageFields, MaintenancePageFields};
use crate::field::is_token;
use crate::model::ErrorPage;
use crate::source::{Place, Report};

/// Pages of one site or route: one for each registered status of errors.
const MAX_PAGES: usize = 64;
/// Of one page, which is held in memory: enough for one with its style and a small picture in it.
const MAX_PAGE_BYTES: u64 = 256 * 1024;
const DEFAULT_CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// Where the content of a page is.
struct PageSource<'d> {
    file: Option<&'d Path>,
    content: Option<&'d str>,
    content_type: Option<&'d str>,
}

/// The pages of a site or route.
pub(super) fn error_pages(fields: &[ErrorPageFields], list: &Place<'_>, report: &mut Report) -> Vec<ErrorPage> {
    if !check_length(fields.len(), MAX_PAGES, list, report) {
        return Vec::new();
    }
    let pages = fields.iter().enumerate();
    pages.filter_map(|(index, fields)| error_page(fields, &list.element(index), report)).collect()
}

fn error_page(fields: &ErrorPageFields, place: &Place<'_>, report: &mut Report) -> Option<ErrorPage> {
    let ranges = check_statuses(&fields.statuses, 400..=599, &place.field("statuses"), report);
    let statuses = ranges.into_iter().flatten().filter_map(|status| StatusCode::from_u16(status).ok()).collect();
    let source = PageSource {
        file: fields.file.as_deref(),
        content: fields.content.as_deref(),
        content_type: fields.content_type.as_deref(),
    };
    let (content, content_type) = page(&source, place, report);
    Some(ErrorPage { statuses, content: content?, content_type, replace_origin: fields.replace_origin })
}

/// The page of maintenance, which is one for 503.
pub(super) fn maintenance_page(
    fields: &MaintenancePageFields,
    place: &Place<'_>,
    report: &mut Report,
) -> Option<ErrorPage> {
    let source = PageSource {
        file: fields.file.as_deref(),
        content: fields.content.as_deref(),
        content_type: fields.content_type.as_deref(),
    };
    let (content, content_type) = page(&source, place, report);
    let statuses = vec![StatusCode::SERVICE_UNAVAILABLE];
    Some(ErrorPage { statuses, content: content?, content_type, replace_origin: false })
}

fn page(source: &PageSource<'_>, place: &Place<'_>, report: &mut Report) -> (Option<Arc<str>>, String) {
    let content = match (source.file, source.content) {
        (Some(path), None) => page_file(path, &place.field("file"), report),
        (None, Some(content)) => {
            if content.len() as u64 > MAX_PAGE_BYTES {
                let expected = format!("at most {} KiB", MAX_PAGE_BYTES / 1024);
                report.found(&place.field("content"), "a larger page", expected);
            }
            Some(Arc::from(content))
        }
        (Some(_), Some(_)) => {
            report.at(&place.field("content"), "nothing, as there is a file");
            None
        }
        (None, None) => {
            report.at(&place.field("file"), "a file or content");
            None
        }
    };
    let content_type = source.content_type.unwrap_or(DEFAULT_CONTENT_TYPE);
    if !is_media_type(content_type) {
        report.at(&place.field("content_type"), "a content type, such as text/html; charset=utf-8");
    }
    (content, content_type.to_owned())
}

/// RFC 9110 section 8.3.1, the parameters by their bytes alone.
fn is_media_type(text: &str) -> bool {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let (kind, subtype) = essence.trim_end().split_once('/').unwrap_or_default();
    is_token(kind.as_bytes()) && is_token(subtype.as_bytes()) && is_field_text(parameters) && text.len() <= 256
}

fn page_file(path: &Path, place: &Place<'_>, report: &mut Report) -> Option<Arc<str>> {
    let path = file(path, place, report);
    if path.as_os_str().is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_PAGE_BYTES + 1).read_to_end(&mut bytes));
    let (found, expected) = match (read, String::from_utf8(bytes)) {
        (Err(error), _) => (error.to_string(), "a file that can be read".to_owned()),
        (Ok(length), _) if length as u64 > MAX_PAGE_BYTES => {
            ("a larger file".to_owned(), format!("at most {} KiB", MAX_PAGE_BYTES / 1024))
        }
        (Ok(_), Err(_)) => ("bytes that are not UTF-8".to_owned(), "a text in UTF-8".to_owned()),
        (Ok(_), Ok(text)) => return Some(Arc::from(text)),
    };
    report.found(place, format!("{} ({found})", path.display()), expected);
    None
}

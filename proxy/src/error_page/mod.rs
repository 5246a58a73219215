//! Bodies of answers that this node makes itself for failures and refusals: a page, JSON or plain text, whichever the
//! client prefers, each with the request's id; and operators' own pages in their place.
//!
//! Owns the choice and the bytes. When one is due, and what else such an answer carries, is for the phases to say.

mod accept;
mod body;
mod replaced;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tidegate_config::model::{ErrorPage, Route, Site};

pub use replaced::OF_THE_BODY;

/// The body of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorBody {
    /// Its content type.
    pub content_type: HeaderValue,
    /// Its bytes.
    pub content: Bytes,
}

/// What a body is about.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The status.
    pub status: StatusCode,
    /// The request's id.
    pub request_id: &'a str,
}

/// What can be answered with, in the order of our own preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form<'p> {
    Page(&'p ErrorPage),
    Text,
    Json,
    Html,
}

/// The body that a client with these fields gets.
#[must_use]
pub fn error_body(failure: Failure<'_>, request: &HeaderMap, page: Option<&ErrorPage>) -> ErrorBody {
    let accept = accept::Accept::of(request);
    let forms = page.map(Form::Page).into_iter().chain([Form::Text, Form::Json, Form::Html]);
    // Nothing that is accepted: better something than nothing (RFC 9110 section 12.4.1).
    match accept.best(forms, |form| form.media_type()).unwrap_or(Form::Text) {
        Form::Page(page) => body::page(failure, page),
        Form::Text => body::text(failure),
        Form::Json => body::json(failure),
        Form::Html => body::html(failure),
    }
}

impl<'p> Form<'p> {
    fn media_type(&self) -> &'p str {
        match self {
            Self::Page(page) => &page.content_type,
            Self::Text => "text/plain",
            Self::Json => "application/json",
            Self::Html => "text/html",
        }
    }
}

/// The page for a status: the first of the route that names it, else the first of the site.
#[must_use]
pub fn page_for<'p>(status: StatusCode, route: Option<&'p Route>, site: Option<&'p Site>) -> Option<&'p ErrorPage> {
    let of_route = route.into_iter().flat_map(|route| &route.error_pages);
    let of_site = site.into_iter().flat_map(|site| &site.error_pages);
    of_route.chain(of_site).find(|page| page.statuses.contains(&status))
}

/// The body in place of an origin's own, when the operator wants that and the client accepts the page.
#[must_use]
pub fn replacement(failure: Failure<'_>, request: &HeaderMap, page: Option<&ErrorPage>) -> Option<ErrorBody> {
    let page = page.filter(|page| page.replace_origin)?;
    let accept = accept::Accept::of(request);
    accept.takes(&page.content_type).then(|| body::page(failure, page))
}

#[cfg(test)]
mod tests;

//! What the operator's listener tells of all that is stored: summed up, and object by object in pages.
//!
//! Owns the question; who knows what is stored is behind [`ShowsContents`]. URLs are shown as they are stored, with their
//! queries, in which clients' tokens may stand: this listener is for operators alone.

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answer::{self, Answer};
use super::routes::Call;
use super::server::AdminState;

/// Objects of a page: some 2 MiB of JSON.
const LARGEST_PAGE: usize = 4096;

/// Objects of a page where nobody says how many.
const USUAL_PAGE: usize = 1000;

/// Which objects are to be listed, and from where on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListingQuestion {
    /// Of this tier alone: `memory` or `disk`.
    pub tier: Option<ListedTier>,
    /// Of this site alone.
    pub site: Option<String>,
    /// With this tag alone.
    pub tag: Option<String>,
    /// Whose URL begins so alone.
    pub prefix: Option<String>,
    /// What the page before said; the first page has none.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// A tier that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedTier {
    /// What is in memory.
    Memory,
    /// What is on disk.
    Disk,
}

/// Whoever knows what is stored.
pub trait ShowsContents: Send + Sync {
    /// All that is stored, summed up.
    fn stats(&self) -> BoxFuture<'static, Value>;
    /// A page of what is stored, or what is wrong with the question.
    fn list(&self, question: &ListingQuestion) -> BoxFuture<'static, Result<Value, String>>;
}

/// `GET /cache/stats`.
pub(super) fn stats(state: &AdminState, _: &Call<'_>) -> BoxFuture<'static, Answer> {
    match state.contents.get() {
        Some(contents) => contents.stats().map(|value| answer::json_value(StatusCode::OK, &value)).boxed(),
        None => ready(not_started()).boxed(),
    }
}

/// `GET /cache/entries`, with `site=`, `tag=`, `prefix=`, `tier=`, `limit=` and `cursor=`, percent-encoded.
pub(super) fn list(state: &AdminState, call: &Call<'_>) -> BoxFuture<'static, Answer> {
    let Some(contents) = state.contents.get() else { return ready(not_started()).boxed() };
    let refused = |message: String| answer::error(StatusCode::BAD_REQUEST, "invalid_query", &message);
    match question(call.query.unwrap_or_default()) {
        Ok(question) => {
            let told = move |page: Result<Value, String>| match page {
                Ok(value) => answer::json_value(StatusCode::OK, &value),
                Err(message) => refused(message),
            };
            contents.list(&question).map(told).boxed()
        }
        Err(message) => ready(refused(message)).boxed(),
    }
}

fn not_started() -> Answer {
    answer::error(StatusCode::SERVICE_UNAVAILABLE, "not_started", "no configuration is in force yet")
}

fn question(query: &str) -> Result<ListingQuestion, String> {
    let mut question =
        ListingQuestion { tier: None, site: None, tag: None, prefix: None, cursor: None, limit: USUAL_PAGE };
    for argument in query.split('&').filter(|argument| !argument.is_empty()) {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        let value = percent_decode_str(value).decode_utf8().map_err(|_| format!("{name} is not UTF-8"))?.into_owned();
        match name {
            "site" => question.site = Some(value),
            "tag" => question.tag = Some(value),
            "prefix" => question.prefix = Some(value),
            "cursor" => question.cursor = Some(value),
            "tier" => question.tier = Some(tier(&value)?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                question.limit = limit.ok_or_else(|| format!("limit is a number from 1 to {LARGEST_PAGE}"))?;
            }
            _ => return Err("the query of /cache/entries has site, tag, prefix, tier, limit and cursor".to_owned()),
        }
    }
    Ok(question)
}

fn tier(name: &str) -> Result<ListedTier, String> {
    match name {
        "memory" => Ok(ListedTier::Memory),
        "disk" => Ok(ListedTier::Disk),
        _ => Err(format!("{name:?} is no tier: memory or disk")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_from_queries() {
        let none = question("").unwrap();
        assert_eq!((none.limit, &none.cursor, none.tier), (USUAL_PAGE, &None, None));
        let all = question("site=media&tag=a%20b&prefix=https%3A%2F%2Fa.test%2F&tier=disk&limit=7&cursor=d.1").unwrap();
        let expected = ListingQuestion {
            tier: Some(ListedTier::Disk),
            site: Some("media".to_owned()),
            tag: Some("a b".to_owned()),
            prefix: Some("https://a.test/".to_owned()),
            cursor: Some("d.1".to_owned()),
            limit: 7,
        };
        assert_eq!(all, expected);
        for wrong in ["limit=0", "limit=4097", "limit=x", "tier=tape", "what=1", "tag=%ff"] {
            assert!(question(wrong).is_err(), "{wrong}");
        }
    }
}

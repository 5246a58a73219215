//! Purges on the operator's listener: ordered, carried out, and listed.
//!
//! Owns the order; who knows what it means for sites and what is stored is behind [`PurgesCache`].

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{self, Answer};
use super::routes::Call;
use super::server::AdminState;

/// What is to be purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurgeTarget {
    /// These URLs, all variants of each; with any query, or with just their own.
    Urls {
        /// As clients would ask for them.
        names: Vec<String>,
        /// Whether queries do not count.
        any_query: bool,
    },
    /// All whose URL begins so.
    Prefixes(Vec<String>),
    /// All of these hosts.
    Hosts(Vec<String>),
    /// All that has one of these tags.
    Tags(Vec<String>),
    /// All.
    Everything,
}

/// An order of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeOrder {
    /// What.
    pub target: PurgeTarget,
    /// Whether it is to be stale instead of gone.
    pub soft: bool,
}

/// What is wrong with an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderError {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// Whoever purges.
pub trait PurgesCache: Send + Sync {
    /// Carries out an order; the answer comes when it is durable. Nothing is purged when anything is wrong with it.
    fn purge(&self, order: &PurgeOrder) -> Result<BoxFuture<'static, (StatusCode, Value)>, OrderError>;
    /// The latest orders.
    fn list(&self) -> Value;
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(alias = "urls")]
    url: Option<Names>,
    #[serde(alias = "prefixes")]
    prefix: Option<Names>,
    #[serde(alias = "hosts")]
    host: Option<Names>,
    #[serde(alias = "tags")]
    tag: Option<Names>,
    everything: Option<bool>,
    #[serde(default)]
    any_query: bool,
    #[serde(default)]
    soft: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        match names {
            Names::One(name) => vec![name],
            Names::Many(names) => names,
        }
    }
}

const EXPECTED: &str = "a purge is a JSON object with one of url, prefix, host, tag (a text or a list of them) or \
    everything: true, and maybe soft and, beside url, any_query";

impl PurgeOrder {
    fn parse(body: &[u8]) -> Result<Self, OrderError> {
        let invalid =
            |why: &dyn std::fmt::Display| OrderError { code: "invalid_purge", message: format!("{why}; {EXPECTED}") };
        let written: Written = serde_json::from_slice(body).map_err(|error| invalid(&error))?;
        let Written { url, prefix, host, tag, everything, any_query, soft } = written;
        if any_query && url.is_none() {
            return Err(invalid(&"any_query stands beside url alone"));
        }
        let everything = match everything {
            Some(false) => return Err(invalid(&"everything is true or absent")),
            everything => everything.map(|_| PurgeTarget::Everything),
        };
        let targets = [
            url.map(|names| PurgeTarget::Urls { names: names.into(), any_query }),
            prefix.map(|names| PurgeTarget::Prefixes(names.into())),
            host.map(|names| PurgeTarget::Hosts(names.into())),
            tag.map(|names| PurgeTarget::Tags(names.into())),
            everything,
        ];
        let mut targets = targets.into_iter().flatten();
        let (Some(target), None) = (targets.next(), targets.next()) else {
            return Err(invalid(&"not exactly one thing is named"));
        };
        match &target {
            PurgeTarget::Urls { names, .. }
            | PurgeTarget::Prefixes(names)
            | PurgeTarget::Hosts(names)
            | PurgeTarget::Tags(names)
                if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) =>
            {
                Err(invalid(&"a name is empty"))
            }
            _ => Ok(Self { target, soft }),
        }
    }
}

/// `POST /cache/purge`.
pub(super) fn purge(state: &AdminState, call: &Call<'_>) -> BoxFuture<'static, Answer> {
    let Some(purger) = state.purger.get() else { return ready(not_started()).boxed() };
    match PurgeOrder::parse(&call.body).and_then(|order| purger.purge(&order)) {
        Ok(done) => done.map(|(status, value)| answer::json_value(status, &value)).boxed(),
        Err(OrderError { code, message }) => ready(answer::error(StatusCode::BAD_REQUEST, code, &message)).boxed(),
    }
}

/// `GET /cache/purges`.
pub(super) fn list(state: &AdminState, _: &Call<'_>) -> Answer {
    match state.purger.get() {
        Some(purger) => answer::json_value(StatusCode::OK, &purger.list()),
        None => not_started(),
    }
}

fn not_started() -> Answer {
    answer::error(StatusCode::SERVICE_UNAVAILABLE, "not_started", "no configuration is in force yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_name_exactly_one_thing() {
        let check = |body: &str, target: PurgeTarget, soft: bool| {
            assert_eq!(PurgeOrder::parse(body.as_bytes()), Ok(PurgeOrder { target, soft }), "{body}");
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (one, two) = (names(&["a"]), names(&["a", "b"]));
        check(r#"{"url": "a"}"#, PurgeTarget::Urls { names: one.clone(), any_query: false }, false);
        check(
            r#"{"urls": ["a", "b"], "any_query": true}"#,
            PurgeTarget::Urls { names: two.clone(), any_query: true },
            false,
        );
        check(r#"{"tags": ["a", "b"], "soft": true}"#, PurgeTarget::Tags(two), true);
        check(r#"{"prefix": "a"}"#, PurgeTarget::Prefixes(one.clone()), false);
        check(r#"{"host": ["a"]}"#, PurgeTarget::Hosts(one), false);
        check(r#"{"everything": true}"#, PurgeTarget::Everything, false);
        for wrong in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"everything": false}"#,
            r#"{"everything": "yes"}"#,
            r#"{"url": []}"#,
            r#"{"url": [" "]}"#,
            r#"{"url": 7}"#,
            r#"{"url": "a", "tag": "b"}"#,
            r#"{"url": "a", "urls": ["b"]}"#,
            r#"{"tag": "a", "any_query": true}"#,
            r#"{"tag": "a", "sofd": true}"#,
        ] {
            let error = PurgeOrder::parse(wrong.as_bytes()).unwrap_err();
            assert_eq!(error.code, "invalid_purge", "{wrong}");
        }
    }
}

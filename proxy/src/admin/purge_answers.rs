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
    url: Option<Value>,
    #[serde(alias = "prefixes")]
    prefix: Option<Value>,
    #[serde(alias = "hosts")]
    host: Option<Value>,
    #[serde(alias = "tags")]
    tag: Option<Value>,
    everything: Option<Value>,
    any_query: Option<Value>,
    soft: Option<Value>,
}

/// Names in one order: while they are noted all others wait, a few milliseconds for so many.
const MOST_NAMES: usize = 4096;

const EXPECTED: &str = "a purge is a JSON object with one of url, prefix, host, tag (a text or a list of them) or \
    everything: true, and maybe soft and, beside url, any_query";

impl PurgeOrder {
    fn parse(body: &[u8]) -> Result<Self, OrderError> {
        let written: Written =
            serde_json::from_slice(body).map_err(|error| invalid(&format!("{error}; {EXPECTED}")))?;
        let Written { url, prefix, host, tag, everything, any_query, soft } = written;
        if any_query.is_some() && url.is_none() {
            return Err(invalid("any_query stands beside url alone"));
        }
        let (any_query, soft) = (flag("any_query", any_query)?, flag("soft", soft)?);
        let is_there = everything.is_some();
        let everything = flag("everything", everything)?;
        if is_there && !everything {
            return Err(invalid("everything is true or absent"));
        }
        let targets = [
            names("url", url)?.map(|names| PurgeTarget::Urls { names, any_query }),
            names("prefix", prefix)?.map(PurgeTarget::Prefixes),
            names("host", host)?.map(PurgeTarget::Hosts),
            names("tag", tag)?.map(PurgeTarget::Tags),
            everything.then_some(PurgeTarget::Everything),
        ];
        let mut targets = targets.into_iter().flatten();
        match (targets.next(), targets.next()) {
            (Some(target), None) => Ok(Self { target, soft }),
            (None, _) => Err(invalid(&format!("nothing is named; {EXPECTED}"))),
            (Some(_), Some(_)) => Err(invalid(&format!("more than one kind of thing is named; {EXPECTED}"))),
        }
    }
}

fn names(field: &str, written: Option<Value>) -> Result<Option<Vec<String>>, OrderError> {
    let list = match written {
        None => return Ok(None),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    if list.is_empty() || list.len() > MOST_NAMES {
        return Err(invalid(&format!("{field} has {} names; an order has 1 to {MOST_NAMES}", list.len())));
    }
    let name = |(number, value)| match value {
        Value::String(name) if name.trim().is_empty() => Err(invalid(&format!("{field}[{number}] is empty"))),
        Value::String(name) => Ok(name),
        _ => Err(invalid(&format!("{field}[{number}] is no text"))),
    };
    list.into_iter().enumerate().map(name).collect::<Result<_, _>>().map(Some)
}

fn flag(field: &str, written: Option<Value>) -> Result<bool, OrderError> {
    match written {
        None => Ok(false),
        Some(Value::Bool(is_set)) => Ok(is_set),
        Some(_) => Err(invalid(&format!("{field} is neither true nor false"))),
    }
}

fn invalid(message: &str) -> OrderError {
    OrderError { code: "invalid_purge", message: message.to_owned() }
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
    use serde_json::json;

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
        let too_many = json!({ "tag": vec!["t"; MOST_NAMES + 1] }).to_string();
        for (wrong, told) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("[]", "a purge is a JSON object"),
            ("{}", "nothing is named"),
            (r#"{"everything": false}"#, "everything is true or absent"),
            (r#"{"everything": "yes"}"#, "everything is neither"),
            (r#"{"tag": "a", "soft": 1}"#, "soft is neither"),
            (r#"{"url": []}"#, "url has 0 names"),
            (r#"{"url": ["a", " "]}"#, "url[1] is empty"),
            (r#"{"prefix": ""}"#, "prefix[0] is empty"),
            (r#"{"host": ["a", 7]}"#, "host[1] is no text"),
            (r#"{"url": {"a": 1}}"#, "url[0] is no text"),
            (r#"{"url": "a", "tag": "b"}"#, "more than one"),
            (r#"{"url": "a", "urls": ["b"]}"#, "duplicate field `url`"),
            (r#"{"tag": "a", "any_query": true}"#, "any_query stands beside url"),
            (r#"{"tag": "a", "sofd": true}"#, "unknown field `sofd`"),
            (too_many.as_str(), "tag has 4097 names"),
        ] {
            let error = PurgeOrder::parse(wrong.as_bytes()).unwrap_err();
            assert_eq!(error.code, "invalid_purge", "{wrong}");
            assert!(error.message.contains(told), "{wrong}: {}", error.message);
        }
    }
}

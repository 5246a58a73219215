//! The table of the operator's routes and what each does. A new one is one line in [`ROUTES`] and one function.
//!
//! Handlers answer at once: what takes long is started here and shown in `/status`. A purge waits until it is durable, and
//! what is stored is looked at on other threads.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::{self, Answer};
use super::cache_answers;
use super::content_answers;
use super::geo_answers;
use super::kill_switch_answers;
use super::lifecycle::{DrainPhase, LifecycleState};
use super::pin_answers;
use super::purge_answers;
use super::server::AdminState;
use super::warm_answers;

/// A request that passed the access check.
pub(super) struct Call<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) method: &'a Method,
    pub(super) body: Bytes,
}

struct Route {
    method: Method,
    /// The path, or with `/*` at its end all below it.
    path: &'static str,
    handler: Handler,
}

/// What comes of a call.
pub(super) enum Reply {
    Now(Answer),
    Later(BoxFuture<'static, Answer>),
}

enum Handler {
    /// It answers at once.
    Now(fn(&AdminState, &Call<'_>) -> Answer),
    /// It answers when something is done that others do not wait for.
    Later(fn(&AdminState, &Call<'_>) -> BoxFuture<'static, Answer>),
}
use Handler::{Later, Now};

const ROUTES: [Route; 23] = [
    Route { method: Method::GET, path: "/metrics", handler: Now(metrics) },
    Route { method: Method::GET, path: "/live", handler: Now(live) },
    Route { method: Method::GET, path: "/ready", handler: Now(ready) },
    Route { method: Method::GET, path: "/status", handler: Now(status) },
    Route { method: Method::GET, path: "/origins", handler: Now(origins) },
    Route { method: Method::GET, path: "/geo", handler: Now(geo_answers::geo) },
    Route { method: Method::GET, path: "/cache/explain", handler: Later(cache_answers::explain) },
    Route { method: Method::GET, path: "/cache/stats", handler: Later(content_answers::stats) },
    Route { method: Method::GET, path: "/cache/entries", handler: Later(content_answers::list) },
    Route { method: Method::GET, path: "/cache/pins", handler: Now(pin_answers::list) },
    Route { method: Method::POST, path: "/cache/pins", handler: Later(pin_answers::pin) },
    Route { method: Method::DELETE, path: "/cache/pins", handler: Later(pin_answers::unpin) },
    Route { method: Method::POST, path: "/drain", handler: Now(drain) },
    Route { method: Method::POST, path: "/undrain", handler: Now(undrain) },
    Route { method: Method::GET, path: "/kill-switches", handler: Now(kill_switch_answers::list) },
    Route { method: Method::POST, path: "/kill-switches", handler: Now(kill_switch_answers::switch_on) },
    Route { method: Method::DELETE, path: "/kill-switches/*", handler: Now(kill_switch_answers::switch_off) },
    Route { method: Method::POST, path: "/cache/warm", handler: Now(warm_answers::begin) },
    Route { method: Method::GET, path: "/cache/warm/*", handler: Now(warm_answers::show) },
    Route { method: Method::DELETE, path: "/cache/warm/*", handler: Now(warm_answers::cancel) },
    Route { method: Method::POST, path: "/cache/purge", handler: Later(purge_answers::purge) },
    Route { method: Method::GET, path: "/cache/purges", handler: Now(purge_answers::list) },
    Route { method: Method::GET, path: "/", handler: Now(index) },
];

impl Route {
    fn takes(&self, path: &str) -> bool {
        match self.path.strip_suffix('*') {
            Some(prefix) => path.strip_prefix(prefix).is_some_and(|below| !below.is_empty()),
            None => path == self.path,
        }
    }
}

/// Answers a call. HEAD is answered as GET; the server leaves the body out.
pub(super) fn dispatch(state: &AdminState, call: &Call<'_>) -> Reply {
    let method = if call.method == Method::HEAD { &Method::GET } else { call.method };
    let mut on_path = ROUTES.iter().filter(|route| route.takes(call.path)).peekable();
    if on_path.peek().is_none() {
        let message = "no such path; GET / lists those there are";
        return Reply::Now(answer::error(StatusCode::NOT_FOUND, "not_found", message));
    }
    let allowed: Vec<&str> = on_path.clone().map(|route| route.method.as_str()).collect();
    match on_path.find(|route| route.method == *method) {
        Some(Route { handler: Now(handler), .. }) => Reply::Now(handler(state, call)),
        Some(Route { handler: Later(handler), .. }) => Reply::Later(handler(state, call)),
        None => Reply::Now(answer::method_not_allowed(&allowed.join(", "))),
    }
}

fn index(_: &AdminState, _: &Call<'_>) -> Answer {
    let routes: Vec<_> = ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    answer::json_value(StatusCode::OK, &json!({ "routes": routes }))
}

fn metrics(state: &AdminState, _: &Call<'_>) -> Answer {
    answer::body(StatusCode::OK, answer::METRICS_TYPE, state.metrics.render())
}

fn live(state: &AdminState, _: &Call<'_>) -> Answer {
    answer::json_bytes(StatusCode::OK, state.lifecycle.live_json(&state.node))
}

fn ready(state: &AdminState, _: &Call<'_>) -> Answer {
    let ready = state.lifecycle.verdict().ready;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json_bytes(status, state.lifecycle.verdict_json(&state.node))
}

fn status(state: &AdminState, _: &Call<'_>) -> Answer {
    let verdict = state.lifecycle.verdict();
    let usage = state.metrics.cache().usage();
    let open = state.metrics.open_connections();
    let connections: Map<String, Value> = open.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let status = json!({
        "node": state.node.as_str(),
        "region": state.region.as_str(),
        "pop": state.pop.as_str(),
        "version": state.version,
        "uptime_seconds": state.started.elapsed().as_secs(),
        "generation": state.metrics.generation().0,
        "state": verdict.state.label(),
        "ready": verdict.ready,
        "reason": verdict.reason,
        "connections": connections,
        "fills_in_flight": state.metrics.fills().in_flight(),
        "cache": { "bytes": usage.bytes, "entries": usage.entries, "capacity_bytes": usage.capacity },
    });
    answer::json_value(StatusCode::OK, &status)
}

/// Pools and origins; `?pool=NAME` for one of them.
fn origins(state: &AdminState, call: &Call<'_>) -> Answer {
    let only = match call.query {
        None | Some("") => None,
        Some(query) => match query.strip_prefix("pool=") {
            Some(name) if !name.contains('&') => Some(name),
            _ => {
                let message = "the query of /origins is empty or pool=NAME";
                return answer::error(StatusCode::BAD_REQUEST, "invalid_query", message);
            }
        },
    };
    let overview = state.origins.load();
    match overview.as_ref().and_then(|overview| overview.report(only)) {
        Some(report) => answer::json_value(StatusCode::OK, &report),
        None => answer::error(StatusCode::NOT_FOUND, "not_found", "there is no such pool; GET /origins lists all"),
    }
}

fn drain(state: &AdminState, call: &Call<'_>) -> Answer {
    let phase = match call.query {
        None | Some("" | "phase=dns") => DrainPhase::Dns,
        Some("phase=connections") => DrainPhase::Connections,
        Some(_) => {
            let message = "the query of /drain is empty, phase=dns or phase=connections";
            return answer::error(StatusCode::BAD_REQUEST, "invalid_query", message);
        }
    };
    changed(state, state.lifecycle.drain(phase))
}

fn undrain(state: &AdminState, _: &Call<'_>) -> Answer {
    changed(state, state.lifecycle.undrain())
}

/// Shows the state after a change; a node that stops takes no more orders.
fn changed(state: &AdminState, now: LifecycleState) -> Answer {
    let status = if now == LifecycleState::Stopping { StatusCode::CONFLICT } else { StatusCode::OK };
    answer::json_bytes(status, state.lifecycle.verdict_json(&state.node))
}

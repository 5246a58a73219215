//! What is known of a key, as JSON for operators. Times are in seconds, sizes in bytes.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde_json::{Value, json};

use crate::cache::engine::{Explanation, NotStoredNote, Object};
use crate::cache::key::CacheKey;
use crate::cache::purge::{Mode, Purged, Tags};
use crate::cache::rules::decide::{Decision, FetchReason, Freshness, OriginFailure, PassReason};
use crate::cache::rules::vary::{VaryRule, normalised};

pub(super) fn key(key: &CacheKey, found: &Explanation) -> Value {
    let parts: Vec<&str> = key.parts().lines().filter(|part| !part.is_empty()).collect();
    let shared = (found.key != key.as_str()).then(|| found.key.replace('\n', " "));
    json!({ "resource": key.resource(), "parts": parts, "shared_as": shared })
}

pub(super) fn stored(object: &Object, found: &Explanation, fields: &HeaderMap, now: SystemTime) -> Value {
    let meta = &object.meta;
    let times = &meta.times;
    let field = |name: &str| meta.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    json!({
        "tier": found.tier.as_str(),
        "status": meta.status.as_u16(),
        "content_type": field("content-type"),
        "origin": object.origin.as_ref().map(ToString::to_string),
        "age": times.current_age(now).as_secs(),
        "fresh_for": times.ttl(now),
        "freshness": { "lifetime": times.lifetime.as_secs_f64(), "source": times.source.label() },
        "stale": {
            "while_revalidate": times.stale_while_revalidate.as_secs_f64(),
            "if_error": times.stale_if_error.map(|time| time.as_secs_f64()),
            "must_revalidate": times.must_revalidate,
        },
        "no_cache": times.no_cache,
        "immutable": times.immutable,
        "vary": found.vary.as_ref().map_or_else(Vec::new, |rule| variant(rule, fields)),
        "etag": field("etag"),
        "last_modified": field("last-modified"),
        "length": object.body.length().or(meta.body_length),
        "weight": object.weight(),
        "generation": object.provenance.born.0,
        "tags": match &object.provenance.tags {
            Tags::Listed(tags) => json!(tags.len()),
            Tags::All => json!("all"),
        },
        "pinned": found.pinned,
        "slices": found.slices.map(|slices| json!({ "stored": slices.stored, "all": slices.all })),
    })
}

/// The fields that select the variant, with the values of this request as they count.
fn variant(rule: &VaryRule, fields: &HeaderMap) -> Vec<Value> {
    let VaryRule::Names(names) = rule else { return Vec::new() };
    let value = |name| {
        let present = fields.contains_key(name);
        present.then(|| String::from_utf8_lossy(&normalised(name, fields)).into_owned())
    };
    names.iter().map(|name| json!({ "field": name.as_str(), "value": value(name) })).collect()
}

/// What a request would come to, and why.
pub(super) fn decision(decision: Decision, found: &Explanation) -> Value {
    let missing = found.wanted.filter(|slices| slices.stored < slices.all);
    let missing = missing.map(|slices| format!("{} of {} slices are missing", slices.all - slices.stored, slices.all));
    let (action, why) = match decision {
        // It is begun with what is stored, if that is what comes first, and is a fetch all the same.
        Decision::Serve(_) | Decision::ServeAndRefresh if let Some(missing) = &missing => ("fetch", missing.as_str()),
        Decision::Pass(reason) => ("pass", pass_reason(reason)),
        Decision::GatewayTimeout => ("gateway_timeout", "the client wants only what is stored"),
        Decision::Serve(Freshness::Fresh) => ("serve", "it is fresh"),
        Decision::Serve(Freshness::StaleAccepted) => ("serve", "it is stale, and the client accepts that"),
        Decision::Serve(Freshness::StaleMeanwhile) => {
            ("serve", "it is stale, and may be served until it is revalidated")
        }
        Decision::ServeAndRefresh => ("serve_and_refresh", "it is stale, and may be served while it is revalidated"),
        Decision::Fetch(_) if found.unshareable => ("pass", "the last response could not be shared"),
        Decision::Fetch(_) if found.fill_in_flight => ("join", "it is being fetched"),
        Decision::Fetch(FetchReason::Miss) => ("fetch", "nothing is stored"),
        Decision::Fetch(FetchReason::OtherVariant) => ("fetch", "nothing is stored for these fields"),
        Decision::Fetch(FetchReason::Stale) => ("revalidate", "what is stored is stale or needs validation"),
        Decision::Fetch(FetchReason::Request) => ("revalidate", "the client wants a fresher one"),
        Decision::Fetch(FetchReason::Partial) => ("fetch", "a part of it is not stored"),
    };
    let failure = found.failure.map(|failure| match failure {
        OriginFailure::Unreachable => "unreachable".to_owned(),
        OriginFailure::Status(status) => status.as_u16().to_string(),
    });
    json!({ "action": action, "why": why, "origin_failed_lately": failure, "too_large_to_store": found.oversize })
}

fn pass_reason(reason: PassReason) -> &'static str {
    match reason {
        PassReason::Disabled => "the policy stores nothing",
        PassReason::Method => "neither GET nor HEAD",
        PassReason::Content => "the request carries content",
        PassReason::Upgrade => "the request asks for another protocol",
        PassReason::RequestNoStore => "the client said no-store",
        PassReason::Authorization => "the request carries Authorization, and what is stored may not answer such a one",
        PassReason::OtherVersion => "the request is about another version",
    }
}

pub(super) fn purged(purged: Purged, mode: Mode) -> Value {
    json!({ "generation": purged.generation.0, "scope": purged.by.as_str(), "mode": mode.as_str() })
}

pub(super) fn not_stored(note: &NotStoredNote, now: SystemTime) -> Value {
    let ago = now.duration_since(note.at).unwrap_or(Duration::ZERO);
    json!({ "why": note.why.label(), "status": note.status.as_u16(), "ago": ago.as_secs() })
}

//! What the rules, and the table for media, say of a response that answers a GET.
//!
//! Owns bringing together what they need: the policy, the path, the first bytes. The same for a fill, for a validation
//! and for what a HEAD tells.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tidegate_config::model::CachePolicy;

use super::object::Object;
use crate::cache::rules::freshness::{FreshnessSource, StoredTimes, finalize_playlist};
use crate::cache::rules::request_facts::RequestFacts;
use crate::cache::rules::storability::{Assessment, NotStored, assess};
use crate::media::{MediaClass, Presentation, inspect, recognise, recognise_error};

/// What a response is appraised by.
pub(super) struct Appraisal<'a> {
    /// Facts of the request that was sent.
    pub(super) facts: &'a RequestFacts,
    /// Policy of the route.
    pub(super) policy: &'a CachePolicy,
    /// Canonical path.
    pub(super) path: &'a str,
}

/// A response's head and when it came.
pub(super) struct Told<'a> {
    /// Status.
    pub(super) status: StatusCode,
    /// Fields, Age included.
    pub(super) fields: &'a HeaderMap,
    /// When the request was sent.
    pub(super) request_time: SystemTime,
    /// When the head arrived.
    pub(super) response_time: SystemTime,
}

impl Appraisal<'_> {
    /// Whether it may be stored, and with which times; `first` are the first bytes of its body, where they are there.
    pub(super) fn assess(&self, told: &Told<'_>, first: Option<&Bytes>) -> Result<StoredTimes, NotStored> {
        let media = if told.status.is_success() {
            recognise(told.fields.get(header::CONTENT_TYPE), self.path, first.map(|bytes| &bytes[..]))
        } else {
            recognise_error(self.path)
        };
        assess(&Assessment {
            request: self.facts,
            status: told.status,
            headers: told.fields,
            request_time: told.request_time,
            response_time: told.response_time,
            policy: self.policy,
            media,
            presentation: Presentation::Unknown,
        })
    }

    /// Looks into a complete playlist for how long it stays fresh.
    pub(super) fn finalized(&self, mut object: Object) -> Object {
        let silent = matches!(object.meta.times.source, FreshnessSource::Media) && object.meta.status == StatusCode::OK;
        let first = object.body.blocks().first().filter(|_| silent);
        if let (Some(defaults), Some(first)) = (&self.policy.media, first) {
            let class = recognise(object.meta.headers.get(header::CONTENT_TYPE), self.path, Some(first));
            let playlist = class.filter(|class| matches!(class, MediaClass::Playlist(_)));
            if let Some(facts) = playlist.and_then(|class| inspect(class, first)) {
                object.meta.times = finalize_playlist(object.meta.times, &facts, defaults);
            }
        }
        object
    }
}

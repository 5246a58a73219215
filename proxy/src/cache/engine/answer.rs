//! What a request asks of the engine, and what it is answered.

use std::sync::Arc;

use http::HeaderMap;
use tidegate_config::model::CachePolicy;

use super::body::Reader;
use super::fetch::FetchError;
use super::object::Object;
use super::recollection::Audience;
use crate::cache::key::CacheKey;
use crate::cache::rules::decide::{FetchReason, PassReason, WhyStale};
use crate::cache::rules::request_facts::RequestFacts;
use crate::cache::rules::storability::NotStored;
use crate::telemetry::MissReason;

/// One request, as far as the cache cares.
pub struct Lookup<'a> {
    /// Its key.
    pub key: &'a CacheKey,
    /// What its fields say about caching.
    pub facts: &'a RequestFacts,
    /// Its fields, which `Vary` selects from.
    pub fields: &'a HeaderMap,
    /// The route's policy.
    pub policy: &'a Arc<CachePolicy>,
    /// Canonical path, for recognising media.
    pub path: &'a str,
    /// Whether a fill may be started. Not for a request whose target is another spelling of the key's: the origin
    /// gets what the client wrote and may answer that spelling otherwise, with a 404 or a redirect, which must not
    /// be stored for everyone.
    pub may_fill: bool,
}

impl Lookup<'_> {
    /// Whose answers say something of what this request is answered.
    pub(super) fn audience(&self) -> Audience {
        Audience::of(self.facts, self.fields, self.policy)
    }
}

/// How a response came about, for `Cache-Status`, metrics and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored and fresh.
    Hit,
    /// The same, and read from disk for this request, or for others that asked at the time.
    HitOnDisk,
    /// Stored and stale, and served all the same.
    Stale(WhyStale),
    /// Fetched for this request.
    Miss {
        /// Why what was stored, if anything, could not be used.
        reason: FetchReason,
        /// Whether it joined a fill that was there.
        collapsed: bool,
        /// Whether it will be stored, as far as can be told at its head, and else why not.
        stored: Result<(), NotStored>,
    },
    /// The origin confirmed what was stored.
    Revalidated {
        /// Whether it joined a fill that was there.
        collapsed: bool,
    },
    /// Fetched for this request alone: the rules forbid storing it.
    Unshared(NotStored),
}

/// Why a request goes to the origin by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// The rules say so.
    Rule(PassReason),
    /// A HEAD of something that is not stored.
    Head,
    /// The target is another spelling of the key's and nothing is stored.
    OtherSpelling,
    /// The last response for this key, or the one it waited for, could not be shared with it.
    Unshareable,
    /// The object is too large to be stored, and this request wants a part of it.
    Oversize,
    /// It came too late to read the fill it found from the start, or that fill has broken off meanwhile.
    Late,
}

/// The engine's answer to a request.
pub enum Answer {
    /// Read this, from the reader's position zero on.
    Object {
        /// The response.
        object: Arc<Object>,
        /// Positioned at the first byte.
        reader: Reader,
        /// How it came about.
        outcome: Outcome,
    },
    /// The request goes to the origin by itself.
    Pass(Passage),
    /// `only-if-cached` and nothing usable is stored (RFC 9111 section 5.2.1.7).
    GatewayTimeout,
    /// No response could be had.
    Failed(FetchError),
}

impl Answer {
    /// Why it is not from store, where it is not.
    #[must_use]
    pub fn miss_reason(&self) -> Option<MissReason> {
        match self {
            Self::Object { outcome, .. } => match outcome {
                Outcome::Hit | Outcome::HitOnDisk | Outcome::Stale(_) => None,
                Outcome::Miss { stored: Err(NotStored::TooLarge), .. } => Some(MissReason::Oversize),
                Outcome::Miss { reason, .. } => Some(reason_of_fetch(*reason)),
                Outcome::Revalidated { .. } => Some(MissReason::Stale),
                Outcome::Unshared(_) => Some(MissReason::Unshareable),
            },
            Self::Pass(passage) => Some(reason_of_passage(*passage)),
            Self::GatewayTimeout => Some(MissReason::OnlyIfCached),
            Self::Failed(_) => Some(MissReason::Failed),
        }
    }

    /// Whether a fill that another request had started answers it.
    pub(super) fn is_collapsed(&self) -> bool {
        let Self::Object { outcome, .. } = self else { return false };
        matches!(outcome, Outcome::Miss { collapsed: true, .. } | Outcome::Revalidated { collapsed: true })
    }

    pub(super) fn served(object: Arc<Object>, outcome: Outcome) -> Self {
        match object.body.reader(0) {
            Some(reader) => Self::Object { object, reader, outcome },
            None => Self::Pass(Passage::Late),
        }
    }
}

fn reason_of_fetch(reason: FetchReason) -> MissReason {
    match reason {
        FetchReason::Miss => MissReason::UriMiss,
        FetchReason::OtherVariant => MissReason::VaryMiss,
        FetchReason::Stale => MissReason::Stale,
        FetchReason::Request => MissReason::Request,
        FetchReason::Partial => MissReason::Partial,
    }
}

fn reason_of_passage(passage: Passage) -> MissReason {
    match passage {
        Passage::Rule(PassReason::Disabled) => MissReason::Disabled,
        Passage::Rule(PassReason::Method | PassReason::Content | PassReason::Upgrade) => MissReason::Method,
        Passage::Rule(PassReason::RequestNoStore) => MissReason::RequestNoStore,
        Passage::Rule(PassReason::Authorization) => MissReason::Authorization,
        Passage::Rule(PassReason::OtherVersion) => MissReason::Request,
        Passage::Head => MissReason::Head,
        Passage::OtherSpelling => MissReason::OtherSpelling,
        Passage::Unshareable => MissReason::Unshareable,
        Passage::Oversize => MissReason::Oversize,
        Passage::Late => MissReason::Late,
    }
}

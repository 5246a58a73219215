//! One file as HTTP sees it: its validators, its length and where its bytes come from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::content_type::ContentType;

/// A file that was found and can be sent.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) content_type: ContentType,
    pub(crate) cache_control: &'static str,
    pub(crate) validators: Validators,
    /// In bytes.
    pub(crate) length: u64,
    pub(crate) source: Source,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub(crate) enum Source {
    Memory(Bytes),
    File(tokio::fs::File),
}

/// What tells one version of a file from another (RFC 9110, section 8.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Validators {
    /// A strong entity tag with its quotes.
    pub(crate) entity_tag: String,
    /// Cut to whole seconds, as HTTP dates are, so that a date sent back compares as equal.
    pub(crate) modified: SystemTime,
}

impl Validators {
    pub(crate) fn new(entity_tag: String, modified: SystemTime) -> Self {
        let since_epoch = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { entity_tag, modified: UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs()) }
    }
}

/// What a path led to.
#[derive(Debug)]
pub(crate) enum Lookup {
    Found(Resource),
    /// A directory was named without the slash that its relative links need.
    MissingSlash,
    NotFound,
    /// The file exists, but may not be read, or lies outside the directory that is served.
    Forbidden,
}

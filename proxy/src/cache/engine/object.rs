//! A response as it is stored: immutable metadata beside a body that may still grow.

use std::sync::Arc;

use http::HeaderMap;
use tidegate_config::ids::OriginName;

use super::body::Body;
use crate::cache::purge::Provenance;
use crate::cache::rules::decide::StoredMeta;
use crate::cache::rules::storability::NotStored;

/// One stored or arriving response.
pub struct Object {
    /// Status, fields, times and validators. A 304 makes a new object with new metadata and the same body.
    pub meta: StoredMeta,
    /// The body; growing while its fill runs.
    pub body: Arc<Body>,
    /// Why it is not stored, when the rules forbid it: then its fields are as the origin sent them, Age included.
    pub not_stored: Option<NotStored>,
    /// Which origin it came from, or confirmed it last.
    pub origin: Option<OriginName>,
    /// What purges look at.
    pub provenance: Provenance,
}

/// What an entry costs beside its body and fields: the allocations of index, metadata and body bookkeeping, and what the
/// allocator keeps for itself; measured as resident memory over entries of a few bytes.
const OVERHEAD: usize = 1536;

/// What a field's place in a `HeaderMap` takes, used or kept free: name, value, links and index.
const FIELD_PLACE: usize = 112;

/// What a field's line has beside name and value: a colon, a space and the line end. HTTP/2 takes no more.
const LINE_OVERHEAD: usize = 4;

impl Object {
    /// How many of its slices are stored, and how many there are, where it is stored in slices.
    #[must_use]
    pub fn slices(&self) -> Option<(u64, u64)> {
        self.body.in_slices().map(|sliced| sliced.present()).map(|slices| (slices.stored, slices.all))
    }

    /// Bytes that this object is accounted for in the memory tier, coded forms included; slices are entries of their own.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let headers = &self.meta.headers;
        let texts: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        // Twice more as they are written, see `StoredMeta::written` and `StoredMeta::compressed`.
        let written = 2 * (texts + headers.len() * LINE_OVERHEAD);
        let others = [self.body.trailers(), self.body.in_slices().map(|sliced| sliced.request_fields())];
        let others: usize = others.into_iter().flatten().map(section_weight).sum();
        let fields = texts + written + headers.capacity() * FIELD_PLACE + others;
        self.body.length().unwrap_or(0)
            + self.body.forms.weight()
            + (fields + self.provenance.tags.weight() + OVERHEAD) as u64
    }
}

fn section_weight(fields: &HeaderMap) -> usize {
    let texts: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    texts + fields.capacity() * FIELD_PLACE
}

//! Under what variants of an object are stored: its key, and the request's fields that select one (RFC 9111 section 4.1).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::cache::key::CacheKey;
use crate::cache::rules::vary::VaryRule;

/// A key together with the request fields that select one of its variants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::cache::engine) struct FullKey {
    /// Key of the resource.
    pub(in crate::cache::engine) primary: CacheKey,
    /// Selecting fields (RFC 9111 section 4.1); empty when the response does not vary.
    pub(in crate::cache::engine) variant: Arc<[u8]>,
}

impl FullKey {
    pub(super) fn plain(primary: CacheKey) -> Self {
        Self { primary, variant: Arc::default() }
    }

    /// Bytes that the key itself takes.
    pub(in crate::cache::engine) fn weight(&self) -> usize {
        self.primary.as_str().len() + self.variant.len()
    }
}

/// How a key varies.
#[derive(Clone)]
pub(in crate::cache::engine) struct Variation {
    pub(super) rule: VaryRule,
    /// Part of every variant's key: once the rule is forgotten, variants stored under it are out of reach for good,
    /// also when the same rule is learnt again.
    pub(super) generation: u64,
    /// Until when it is written on disk; zero where it is not.
    pub(super) written_until: Arc<AtomicU64>,
}

/// Selecting fields up to this many bytes stand in the key themselves, longer ones (a `Vary` on Cookie) as a digest.
pub(super) const MAX_VARIANT_TEXT: usize = 96;

/// Stands before a digest. No field name begins with it, so that a digest never equals a text.
const DIGEST_MARK: u8 = 0xff;

impl Variation {
    pub(super) fn new(rule: &VaryRule, generation: u64) -> Self {
        Self { rule: rule.clone(), generation, written_until: Arc::default() }
    }

    /// One that is written on disk, until when it is of use.
    pub(in crate::cache::engine) fn known(rule: VaryRule, generation: u64, expires: u64) -> Self {
        Self { rule, generation, written_until: Arc::new(AtomicU64::new(expires)) }
    }

    pub(in crate::cache::engine) fn key(&self, primary: CacheKey, fields: &HeaderMap) -> FullKey {
        let mut variant = self.generation.to_be_bytes().to_vec();
        let prefix = variant.len();
        self.rule.write_variant_key(fields, &mut variant);
        if variant.len() > MAX_VARIANT_TEXT {
            let digest = Sha256::digest(&variant[prefix..]);
            variant.truncate(prefix);
            variant.push(DIGEST_MARK);
            variant.extend_from_slice(&digest);
        }
        FullKey { primary, variant: variant.into() }
    }
}

//! Compression: which responses gain by it, which coding a client gets, and how bytes are coded.
//!
//! Pure but for the time that coding takes. Where coded bodies are kept, and who codes them, is the engine's; how a
//! coded response is described is here, so that both ways of a request describe it alike.

mod describe;
mod eligible;
mod encode;
mod negotiate;

pub use describe::Representation;
pub use eligible::{Content, is_compressible, is_eligible};
pub use encode::encode;
pub use negotiate::negotiate;

use http::HeaderMap;
use tidegate_config::model::{CachePolicy, Coding};

/// What a request gets of something stored, as far as coding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Nobody gets it coded.
    Never,
    /// Others may get it coded; this one gets it as it is.
    Plain,
    /// In this coding, if it gains by that.
    Coded(Coding),
}

/// Chooses.
#[must_use]
pub fn choose(policy: &CachePolicy, request: &HeaderMap, content: &Content<'_>) -> Choice {
    let Some(rules) = &policy.compression else { return Choice::Never };
    if !is_eligible(rules, &policy.targeted_fields, content) {
        return Choice::Never;
    }
    // A range is one of the bytes as they are stored (RFC 9110 section 14.2); of coded ones nobody asks for ranges,
    // as they are not offered.
    if request.contains_key(http::header::RANGE)
        || eligible::forbids_transformation(request, http::header::CACHE_CONTROL)
    {
        return Choice::Plain;
    }
    negotiate(request, &rules.codings).map_or(Choice::Plain, Choice::Coded)
}

/// Its name in fields (RFC 9110 section 8.4.1, RFC 7932, RFC 8878).
#[must_use]
pub fn name(coding: Coding) -> &'static str {
    match coding {
        Coding::Zstd => "zstd",
        Coding::Brotli => "br",
        Coding::Gzip => "gzip",
    }
}

#[cfg(test)]
mod tests;

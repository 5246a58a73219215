//! The rules of HTTP caching, as pure functions over header fields and times.
//!
//! Owns what RFC 9110, 9111, 9211, 9213 and 5861 say about storing, reusing, validating and slicing responses.
//! It owns no store, no clock and no connection: the engine brings headers and times in and acts on the verdicts.
//! Nothing in here panics, whatever bytes a header field holds.

pub mod arrival;
pub mod cache_status;
pub mod conditional;
pub mod decide;
pub mod derived;
pub mod directives;
pub mod entity_tag;
pub mod freshness;
pub(crate) mod fuzzing;
pub mod hop_by_hop;
pub mod interim;
pub mod invalidation;
pub mod live;
pub mod no_vary_search;
pub mod range;
pub mod request_facts;
pub mod slicing;
pub mod storability;
pub mod stored_fields;
pub mod trailers;
pub mod vary;

mod http_date;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;

//! Behaviour of the memory tier.

mod floods;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode};
use tidegate_config::model::Coding;
use tokio::runtime::Handle;

use super::super::body::Body;
use super::super::coded::Workshop;
use super::keys::MAX_VARIANT_TEXT;
use super::*;
use crate::cache::key::Scheme;
use crate::cache::purge::{Generation, Provenance, Tags};
use crate::cache::rules::decide::StoredMeta;
use crate::cache::rules::freshness::{FreshnessSource, StoredTimes};

fn key(path: &str) -> CacheKey {
    CacheKey::new(Scheme::Http, "a.test", path, None)
}

fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line =
        |(name, value): &(&'static str, &str)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    lines.iter().map(line).collect()
}

fn object(vary: &str, length: usize) -> Arc<Object> {
    let body = Body::growing();
    body.write(Bytes::from(vec![7; length])).now_or_never().unwrap().unwrap();
    body.finish();
    let times = StoredTimes {
        response_time: SystemTime::UNIX_EPOCH,
        corrected_initial_age: Duration::ZERO,
        lifetime: Duration::from_secs(60),
        source: FreshnessSource::MaxAge,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: None,
        must_revalidate: false,
        no_cache: false,
        immutable: false,
        authorized_reuse: false,
    };
    let headers = if vary.is_empty() { HeaderMap::new() } else { fields(&[("vary", vary)]) };
    let meta = StoredMeta::new(StatusCode::OK, headers, times, Some(length as u64));
    let provenance = Provenance::new(key("/"), Generation::default(), Tags::default());
    Arc::new(Object { meta, body, not_stored: None, origin: None, provenance })
}

fn tier(capacity: u64) -> MemoryTier {
    MemoryTier::new(capacity, Metrics::new("test"))
}

fn holds(tier: &MemoryTier, path: &str, request: &HeaderMap, expected: &Arc<Object>) -> bool {
    tier.find(&key(path), request).object.is_some_and(|found| Arc::ptr_eq(&found, expected))
}

#[test]
fn variants_are_kept_apart_and_found_by_their_fields() {
    let tier = tier(1 << 20);
    let (gzip, plain) = (fields(&[("accept-encoding", "gzip")]), fields(&[]));
    let (small, large) = (object("accept-encoding", 1), object("accept-encoding", 2));
    tier.store(&key("/"), &gzip, Arc::clone(&small));
    assert!(tier.find(&key("/"), &plain).object.is_none());
    tier.store(&key("/"), &plain, Arc::clone(&large));
    assert!(holds(&tier, "/", &gzip, &small) && holds(&tier, "/", &plain, &large));
    assert!(holds(&tier, "/", &fields(&[("accept-encoding", "GZIP"), ("cookie", "a=b")]), &small));
}

#[test]
fn long_selecting_fields_make_short_keys_that_differ() {
    let tier = tier(1 << 20);
    let session = |last: char| fields(&[("cookie", &format!("{}{last}", "x".repeat(8000)))]);
    let (one, two) = (object("cookie", 1), object("cookie", 2));
    tier.store(&key("/"), &session('1'), Arc::clone(&one));
    tier.store(&key("/"), &session('2'), Arc::clone(&two));
    assert!(holds(&tier, "/", &session('1'), &one) && holds(&tier, "/", &session('2'), &two));
    assert!(tier.find(&key("/"), &session('3')).object.is_none());
    assert!(tier.find(&key("/"), &session('3')).key.variant.len() <= MAX_VARIANT_TEXT);
}

#[test]
fn variants_stay_gone_after_an_invalidation_when_their_rule_is_learnt_again() {
    let tier = tier(1 << 20);
    let (gzip, plain) = (fields(&[("accept-encoding", "gzip")]), fields(&[]));
    for request in [&gzip, &plain] {
        tier.store(&key("/"), request, object("accept-encoding", 1));
    }
    tier.invalidate(&key("/"));
    let renewed = object("accept-encoding", 2);
    tier.store(&key("/"), &gzip, Arc::clone(&renewed));
    assert!(holds(&tier, "/", &gzip, &renewed));
    assert!(tier.find(&key("/"), &plain).object.is_none(), "stored before the invalidation");
}

#[test]
fn rule_is_learnt_before_the_object_and_kept_when_learnt_twice() {
    let tier = tier(1 << 20);
    let gzip = fields(&[("accept-encoding", "gzip")]);
    let rule = object("accept-encoding", 1).meta.vary.clone();
    let place = tier.place(&key("/"), &rule, &gzip);
    tier.learn(&place);
    assert_eq!(tier.find(&key("/"), &gzip).key, place.key);
    assert_eq!(tier.place(&key("/"), &rule, &gzip).key, place.key);
    assert_ne!(tier.find(&key("/"), &fields(&[])).key, place.key);
}

#[test]
fn removing_one_variant_leaves_the_others() {
    let tier = tier(1 << 20);
    let (gzip, plain) = (fields(&[("accept-encoding", "gzip")]), fields(&[]));
    let kept = object("accept-encoding", 1);
    tier.store(&key("/"), &gzip, Arc::clone(&kept));
    tier.store(&key("/"), &plain, object("accept-encoding", 2));
    tier.remove(&tier.find(&key("/"), &plain).key);
    assert!(tier.find(&key("/"), &plain).object.is_none());
    assert!(holds(&tier, "/", &gzip, &kept));
}

#[test]
fn objects_are_weighed_with_body_fields_and_key_and_evicted_by_weight() {
    let tier = tier(100_000);
    tier.store(&key("/one"), &fields(&[]), object("", 10_000));
    let one = tier.figures();
    assert!(one.entries == 1 && one.bytes > 10_000 && one.bytes < 14_000, "{one:?}");
    for number in 0..100 {
        tier.store(&key(&format!("/{number}")), &fields(&[]), object("", 10_000));
    }
    let full = tier.figures();
    assert!(full.bytes <= 100_000 && full.entries < 10, "{full:?}");
}

#[tokio::test]
async fn coded_forms_are_weighed_with_what_they_are_forms_of() {
    let metrics = Metrics::new("test");
    let tier = MemoryTier::new(1 << 20, Arc::clone(&metrics));
    let workshop = Workshop::new(1 << 20, tier.scale(), Handle::current(), Arc::clone(&metrics));
    let check = async |object: &Arc<Object>, stored: bool| {
        let before = tier.figures().bytes;
        let form = workshop.form(&object.body, Coding::Gzip).await.unwrap();
        let grown = tier.figures().bytes - before;
        assert_eq!(grown >= form.length().unwrap() && grown > 0, stored, "{grown} bytes more");
    };
    let plain = object("", 50_000);
    tier.store(&key("/a"), &HeaderMap::new(), Arc::clone(&plain));
    check(&plain, true).await;
    let variant = object("accept", 50_000);
    tier.store(&key("/b"), &fields(&[("accept", "x")]), Arc::clone(&variant));
    check(&variant, true).await;
    // What is gone or has been replaced does not come back.
    let (gone, replaced) = (object("", 50_000), object("", 50_000));
    tier.store(&key("/c"), &HeaderMap::new(), Arc::clone(&gone));
    tier.invalidate(&key("/c"));
    check(&gone, false).await;
    tier.store(&key("/d"), &HeaderMap::new(), Arc::clone(&replaced));
    tier.store(&key("/d"), &HeaderMap::new(), object("", 10));
    check(&replaced, false).await;
    assert!(tier.find(&key("/c"), &HeaderMap::new()).object.is_none());
    assert_eq!(tier.find(&key("/d"), &HeaderMap::new()).object.unwrap().body.length(), Some(10));
    // Of a body that is stored after it was coded.
    let early = object("", 50_000);
    workshop.form(&early.body, Coding::Gzip).await.unwrap();
    let without = object("", 50_000);
    assert!(early.weight() > without.weight());
    let evictions = metrics.render().lines().filter(|line| line.contains("evict") && line.ends_with(" 1")).count();
    assert_eq!(evictions, 2, "one invalidated, one replaced: {}", metrics.render());
}

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use tidegate_config::ids::OriginName;

use super::*;
use crate::cache::key::{CacheKey, Scheme};
use crate::cache::purge::{Generation, Lineage, Provenance, Tags};
use crate::cache::rules::decide::StoredMeta;
use crate::cache::rules::freshness::{FreshnessSource, StoredTimes};
use crate::cache::rules::vary::VaryRule;

const LINEAGE: Lineage = Lineage(7);

fn key() -> CacheKey {
    CacheKey::new(Scheme::Https, "a.test", "/a", Some(b"v=1"))
}

prop_compose! {
    fn some_duration()(seconds in 0..u64::from(u32::MAX), nanoseconds in 0..1_000_000_000_u32) -> Duration {
        Duration::new(seconds, nanoseconds)
    }
}

prop_compose! {
    fn some_fields()(
        fields in prop::collection::vec(("[a-z][a-z0-9-]{0,12}", prop::collection::vec(0x20..0x7f_u8, 0..40), any::<bool>()), 0..20)
    ) -> HeaderMap {
        let mut section = HeaderMap::new();
        for (name, value, is_sensitive) in fields {
            let mut value = HeaderValue::from_bytes(&value).unwrap();
            value.set_sensitive(is_sensitive);
            section.append(name.parse::<HeaderName>().unwrap(), value);
        }
        section
    }
}

prop_compose! {
    fn some_times()(
        durations in (some_duration(), some_duration(), some_duration(), some_duration()),
        stale_if_error in prop::option::of(some_duration()),
        flags in any::<[bool; 4]>(),
        which in 0..7_usize,
    ) -> StoredTimes {
        let sources = [
            FreshnessSource::SMaxAge, FreshnessSource::MaxAge, FreshnessSource::Expires, FreshnessSource::Heuristic,
            FreshnessSource::Negative, FreshnessSource::Media, FreshnessSource::Absent,
        ];
        StoredTimes {
            response_time: UNIX_EPOCH + durations.0,
            corrected_initial_age: durations.1,
            lifetime: durations.2,
            source: sources[which],
            stale_while_revalidate: durations.3,
            stale_if_error,
            must_revalidate: flags[0],
            no_cache: flags[1],
            immutable: flags[2],
            authorized_reuse: flags[3],
        }
    }
}

fn some_laid() -> impl Strategy<Value = Laid> {
    prop_oneof![
        Just(Laid::Inline),
        any::<u64>().prop_map(Laid::Parts),
        (any::<u64>(), any::<u64>(), some_fields()).prop_map(|(version, size, request)| Laid::Slices {
            version,
            size,
            request
        }),
    ]
}

prop_compose! {
    fn some_head()(
        status in 100..600_u16,
        times in some_times(),
        sections in (some_fields(), prop::option::of(some_fields())),
        length in prop::option::of(any::<u64>()),
        origin in prop::option::of("[a-z][a-z0-9]{0,10}"),
        laid in some_laid(),
        tags in prop::collection::vec(any::<u64>(), 0..20),
        at_live_edge in any::<bool>(),
    ) -> HeadRecord {
        let mut meta = StoredMeta::new(StatusCode::from_u16(status).unwrap(), sections.0, times, length);
        meta.at_live_edge = at_live_edge;
        let trailers = sections.1.filter(|fields| !fields.is_empty());
        let origin = origin.map(|name| OriginName::parse(&name).unwrap());
        let provenance = Provenance::new(key(), Generation(9), Tags::Listed(tags.into()));
        HeadRecord { meta, trailers, origin, provenance, laid }
    }
}

fn same(left: &HeadRecord, right: &HeadRecord) {
    let facts = |record: &HeadRecord| {
        let StoredMeta { status, headers, times, vary, body_length, at_live_edge, .. } = record.meta.clone();
        let sensitive: Vec<bool> = headers.values().map(HeaderValue::is_sensitive).collect();
        (status, headers, times, vary, body_length, at_live_edge, sensitive)
    };
    assert_eq!(facts(left), facts(right));
    assert_eq!((&left.trailers, &left.origin, &left.laid), (&right.trailers, &right.origin, &right.laid));
    assert_eq!((left.provenance.born, &left.provenance.tags), (right.provenance.born, &right.provenance.tags));
}

proptest! {
    #[test]
    fn head_comes_back_as_it_was_written_and_no_beginning_of_it_is_one(head in some_head()) {
        let bytes = head.encode(LINEAGE).unwrap();
        let read = HeadRecord::decode(&bytes, &key(), LINEAGE).expect("what was written");
        same(&head, &read);
        prop_assert_eq!(&read.encode(LINEAGE).unwrap(), &bytes);
        for end in 0..bytes.len() {
            prop_assert!(HeadRecord::decode(&bytes[..end], &key(), LINEAGE).is_none(), "cut at {}", end);
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        prop_assert!(HeadRecord::decode(&longer, &key(), LINEAGE).is_none());
    }

    #[test]
    fn what_a_flipped_bit_makes_of_a_head_is_none_or_another_one(head in some_head(), at in any::<prop::sample::Index>()) {
        let mut bytes = head.encode(LINEAGE).unwrap();
        let index = at.index(bytes.len() * 8);
        bytes[index / 8] ^= 1 << (index % 8);
        if let Some(other) = HeadRecord::decode(&bytes, &key(), LINEAGE) {
            let again = other.encode(LINEAGE).unwrap();
            same(&other, &HeadRecord::decode(&again, &key(), LINEAGE).unwrap());
        }
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::cache::engine::fuzz_stored_head(&bytes);
    }
}

#[test]
fn head_of_another_format_or_history_of_purges_is_none() {
    let meta = StoredMeta::new(StatusCode::OK, HeaderMap::new(), times(), Some(1));
    let provenance = Provenance::new(key(), Generation(1), Tags::default());
    let head = HeadRecord { meta, trailers: None, origin: None, provenance, laid: Laid::Inline };
    let mut bytes = head.encode(LINEAGE).unwrap();
    assert!(HeadRecord::decode(&bytes, &key(), LINEAGE).is_some());
    assert!(HeadRecord::decode(&bytes, &key(), Lineage(8)).is_none());
    bytes[0] = FORMAT + 1;
    assert!(HeadRecord::decode(&bytes, &key(), LINEAGE).is_none());
}

#[test]
fn head_with_more_than_a_record_takes_is_not_written() {
    let mut headers = HeaderMap::new();
    headers.insert("x-long", HeaderValue::from_bytes(&vec![b'a'; LARGEST]).unwrap());
    let meta = StoredMeta::new(StatusCode::OK, headers, times(), Some(1));
    let provenance = Provenance::new(key(), Generation(1), Tags::default());
    let head = HeadRecord { meta, trailers: None, origin: None, provenance, laid: Laid::Inline };
    assert!(head.encode(LINEAGE).is_none());
}

#[test]
fn rules_come_back_as_they_were_written() {
    let fields = |name: &'static str, value: &'static str| {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    };
    let rule = VaryRule::from_headers(&fields("vary", "accept-encoding, x-kind"));
    let bytes = encode_rule(&rule, u64::MAX >> 8).unwrap();
    assert_eq!(decode_rule(&bytes), Some((rule, u64::MAX >> 8)));
    assert_eq!(decode_rule(&bytes[..bytes.len() - 1]), None);
    assert_eq!(encode_rule(&VaryRule::None, 1), None, "there is nothing to say of it");
    let search = fields("no-vary-search", "params");
    let mut more = search.clone();
    more.insert("x-other", HeaderValue::from_static("1"));
    assert_eq!(decode_search(&encode_search(&more).unwrap()), Some(search));
}

fn times() -> StoredTimes {
    StoredTimes {
        response_time: UNIX_EPOCH,
        corrected_initial_age: Duration::ZERO,
        lifetime: Duration::from_secs(60),
        source: FreshnessSource::MaxAge,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: None,
        must_revalidate: false,
        no_cache: false,
        immutable: false,
        authorized_reuse: false,
    }
}

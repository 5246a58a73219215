//! Both ways of writing say the same, whatever is stored and asked for.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use tidegate_config::ids::CachePolicyName;
use tidegate_config::model::{CachePolicy, Coding, CorsRules};

use super::*;
use crate::cache::rules::freshness::{FreshnessSource, StoredTimes};
use crate::cache::rules::stored_fields;
use crate::routing::{Grant, Sharing};

/// Names that one of the two ways treats apart from others, and some that none does.
const NAMES: [&str; 22] = [
    "alt-svc",
    "accept-ranges",
    "access-control-allow-origin",
    "access-control-max-age",
    "age",
    "cache-control",
    "cache-status",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "digest",
    "etag",
    "server-timing",
    "set-cookie",
    "vary",
    "via",
    "x-a",
    "x-request-id",
    "x-tidegate-edge",
    "x-zz",
];

fn any_fields() -> impl Strategy<Value = HeaderMap> {
    let value = prop_oneof![
        Just(b"\"tag\"".to_vec()),
        Just(b"Accept-Encoding, X-A".to_vec()),
        Just(b"12".to_vec()),
        Just(Vec::new()),
        // Field values as RFC 9110 section 5.5 has them, obs-text included; no white space around.
        "[!-~][ -~\\t]{0,20}[!-~]".prop_map(String::into_bytes),
        proptest::collection::vec(0x80_u8.., 1..8),
    ];
    let line = (proptest::sample::select(&NAMES[..]), value);
    proptest::collection::vec(line, 0..24).prop_map(|lines| {
        let line = |(name, value): (&'static str, Vec<u8>)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(&value).unwrap())
        };
        let mut fields = HeaderMap::new();
        for (name, value) in lines.into_iter().map(line) {
            fields.append(name, value);
        }
        fields
    })
}

/// Fields as they are stored, also without the Date that they have then: a 304 or a later rule may take it away.
fn meta(mut fields: HeaderMap, dated: bool, lifetime: u64, age: u64) -> StoredMeta {
    let policy = CachePolicy::plain(CachePolicyName::parse("plain").unwrap());
    drop(stored_fields::prepare(&mut fields, UNIX_EPOCH, &policy));
    if !dated {
        fields.remove(header::DATE);
    }
    let times = StoredTimes {
        response_time: UNIX_EPOCH,
        corrected_initial_age: Duration::from_secs(age),
        lifetime: Duration::from_secs(lifetime),
        source: FreshnessSource::MaxAge,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: None,
        must_revalidate: false,
        no_cache: false,
        immutable: false,
        authorized_reuse: false,
    };
    StoredMeta::new(StatusCode::OK, fields, times, None)
}

/// A header section of HTTP/1.1, read by a parser that is not ours.
fn parsed(text: &[u8]) -> HeaderMap {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut lines);
    assert_eq!(response.parse(text).unwrap(), httparse::Status::Complete(text.len()));
    assert_eq!((response.version, response.code), (Some(1), Some(200)));
    let mut fields = HeaderMap::new();
    for line in response.headers {
        let value = HeaderValue::from_bytes(line.value).unwrap();
        fields.append(HeaderName::from_bytes(line.name.as_bytes()).unwrap(), value);
    }
    fields
}

proptest! {
    #[test]
    fn bytes_and_fields_of_a_hit_say_the_same(
        (stored, dated) in (any_fields(), any::<bool>()),
        (lifetime, age, seconds) in (0_u64..1 << 33, 0_u64..1 << 33, 0_u64..1 << 33),
        length in 1_u64..,
        alt_svc in proptest::option::of(Just(HeaderValue::from_static("h3=\":443\"; ma=86400"))),
        representation in proptest::sample::select(&[
            Representation::Only,
            Representation::Plain,
            Representation::Coded(Coding::Gzip),
        ][..]),
        grant in proptest::option::of(proptest::sample::select(&[Grant::Everyone, Grant::Nobody][..])),
        priority in proptest::option::of(Just(HeaderValue::from_static("u=1"))),
        cmsd in proptest::option::of(Just(HeaderValue::from_static("n=\"tidegate-edge-1\""))),
        id in "[0-9a-f]{32}",
    ) {
        let meta = meta(stored, dated, lifetime, age);
        let now = UNIX_EPOCH + Duration::from_secs(seconds);
        let sharing = Sharing::new(&CorsRules::default());
        let edge = HeaderValue::from_static("edge-1");
        let server_timing = HeaderValue::from_static("edge;desc=\"edge-1\"");
        let hit = HitHead {
            meta: &meta,
            representation,
            length,
            now,
            member: Member::hit(meta.times.ttl(now)),
            node: NodeFields {
                edge: &edge,
                server_timing: &server_timing,
                request_id: id.as_bytes().try_into().unwrap(),
                alt_svc: alt_svc.as_ref(),
                sharing: grant.as_ref().map(|grant| (&sharing, grant)),
                priority: priority.clone(),
                cmsd: cmsd.clone(),
            },
        };
        let fields = hit.fields().unwrap();
        // The first time the stored lines are written, the second time they are there.
        for time in ["first", "second"] {
            let mut text = Vec::new();
            hit.write_http1(0, &mut text).unwrap();
            let mut bytes = parsed(&text);
            // Of the connection, not of the response. What is stored never has one.
            let of_connection = bytes.get_all(header::CONNECTION).iter().next_back().cloned();
            prop_assert_eq!(of_connection, Some(HeaderValue::from_static("keep-alive")));
            let mut fields = fields.clone();
            bytes.remove(header::CONNECTION);
            fields.remove(header::CONNECTION);
            prop_assert_eq!(&bytes, &fields, "{}", time);
        }
    }
}

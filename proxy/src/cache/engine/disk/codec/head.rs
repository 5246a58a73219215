//! The head of a stored response.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode};
use tidegate_config::ids::OriginName;

use super::bytes::{Source, put_bytes, put_duration, put_number, put_section};
use super::{FORMAT, LARGEST};
use crate::cache::key::CacheKey;
use crate::cache::purge::{Lineage, Provenance};
use crate::cache::rules::decide::StoredMeta;
use crate::cache::rules::freshness::{FreshnessSource, StoredTimes};

/// Where a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache::engine) enum Laid {
    /// Behind the head.
    Inline,
    /// In records of its own, which have this number in their keys.
    Parts(u64),
    /// In slices: the number in their keys, the length of each, and what the object was asked for with.
    Slices {
        /// The number.
        version: u64,
        /// The length.
        size: u64,
        /// The fields of that request.
        request: HeaderMap,
    },
}

/// All of a stored response but its body.
#[derive(Debug, Clone)]
pub(in crate::cache::engine) struct HeadRecord {
    /// Status, fields, times.
    pub(in crate::cache::engine) meta: StoredMeta,
    /// Behind the body.
    pub(in crate::cache::engine) trailers: Option<HeaderMap>,
    /// Which origin it is of.
    pub(in crate::cache::engine) origin: Option<OriginName>,
    /// What purges look at.
    pub(in crate::cache::engine) provenance: Provenance,
    /// Where its body is.
    pub(in crate::cache::engine) laid: Laid,
}

const MUST_REVALIDATE: u8 = 1;
const NO_CACHE: u8 = 1 << 1;
const IMMUTABLE: u8 = 1 << 2;
const AUTHORIZED_REUSE: u8 = 1 << 3;
const AT_LIVE_EDGE: u8 = 1 << 4;
const STALE_IF_ERROR: u8 = 1 << 5;
const BODY_LENGTH: u8 = 1 << 6;
const ORIGIN: u8 = 1 << 7;

impl HeadRecord {
    /// As it is written; nothing where it is longer than a record's head may be.
    pub(in super::super) fn encode(&self, lineage: Lineage) -> Option<Vec<u8>> {
        let Self { meta, trailers, origin, provenance, laid } = self;
        let times = &meta.times;
        let mut bytes = vec![FORMAT];
        put_number(&mut bytes, u64::from(meta.status.as_u16()));
        let flags = [
            (MUST_REVALIDATE, times.must_revalidate),
            (NO_CACHE, times.no_cache),
            (IMMUTABLE, times.immutable),
            (AUTHORIZED_REUSE, times.authorized_reuse),
            (AT_LIVE_EDGE, meta.at_live_edge),
            (STALE_IF_ERROR, times.stale_if_error.is_some()),
            (BODY_LENGTH, meta.body_length.is_some()),
            (ORIGIN, origin.is_some()),
        ];
        bytes.push(flags.into_iter().filter(|(_, is_set)| *is_set).fold(0, |all, (flag, _)| all | flag));
        bytes.push(number_of(times.source));
        put_duration(&mut bytes, times.response_time.duration_since(UNIX_EPOCH).ok()?);
        put_duration(&mut bytes, times.corrected_initial_age);
        put_duration(&mut bytes, times.lifetime);
        put_duration(&mut bytes, times.stale_while_revalidate);
        if let Some(stale_if_error) = times.stale_if_error {
            put_duration(&mut bytes, stale_if_error);
        }
        if let Some(length) = meta.body_length {
            put_number(&mut bytes, length);
        }
        if let Some(origin) = origin {
            put_bytes(&mut bytes, origin.as_str().as_bytes());
        }
        provenance.encode(lineage, &mut bytes);
        put_section(&mut bytes, &meta.headers);
        put_section(&mut bytes, trailers.as_ref().unwrap_or(&HeaderMap::new()));
        put_laid(&mut bytes, laid);
        (bytes.len() <= LARGEST).then_some(bytes)
    }

    /// Reads what [`Self::encode`] wrote of what is stored under this key; `None` for anything else, and for what nobody
    /// knows the purges of.
    pub(in crate::cache::engine) fn decode(bytes: &[u8], key: &CacheKey, lineage: Lineage) -> Option<Self> {
        let mut source = Source::new(bytes);
        if source.byte()? != FORMAT {
            return None;
        }
        let status = StatusCode::from_u16(u16::try_from(source.number()?).ok()?).ok()?;
        let flags = source.byte()?;
        let is_set = |flag: u8| flags & flag != 0;
        let times = times(&mut source, flags)?;
        let body_length = if is_set(BODY_LENGTH) { Some(source.number()?) } else { None };
        let origin = if is_set(ORIGIN) { Some(OriginName::parse(source.text()?).ok()?) } else { None };
        let provenance = Provenance::decode(&mut source.rest, key.clone(), lineage)?;
        let headers = source.section()?;
        let trailers = Some(source.section()?).filter(|fields| !fields.is_empty());
        let laid = laid(&mut source)?;
        let mut meta = StoredMeta::new(status, headers, times, body_length);
        meta.at_live_edge = is_set(AT_LIVE_EDGE);
        source.at_end().then_some(Self { meta, trailers, origin, provenance, laid })
    }
}

fn times(source: &mut Source<'_>, flags: u8) -> Option<StoredTimes> {
    let is_set = |flag: u8| flags & flag != 0;
    let named = source_of(source.byte()?)?;
    let response_time = time(source.duration()?)?;
    Some(StoredTimes {
        response_time,
        source: named,
        corrected_initial_age: source.duration()?,
        lifetime: source.duration()?,
        stale_while_revalidate: source.duration()?,
        stale_if_error: if is_set(STALE_IF_ERROR) { Some(source.duration()?) } else { None },
        must_revalidate: is_set(MUST_REVALIDATE),
        no_cache: is_set(NO_CACHE),
        immutable: is_set(IMMUTABLE),
        authorized_reuse: is_set(AUTHORIZED_REUSE),
    })
}

fn time(since: Duration) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(since)
}

fn put_laid(bytes: &mut Vec<u8>, laid: &Laid) {
    match laid {
        Laid::Inline => bytes.push(0),
        Laid::Parts(version) => {
            bytes.push(1);
            put_number(bytes, *version);
        }
        Laid::Slices { version, size, request } => {
            bytes.push(2);
            put_number(bytes, *version);
            put_number(bytes, *size);
            put_section(bytes, request);
        }
    }
}

fn laid(source: &mut Source<'_>) -> Option<Laid> {
    Some(match source.byte()? {
        0 => Laid::Inline,
        1 => Laid::Parts(source.number()?),
        2 => Laid::Slices { version: source.number()?, size: source.number()?, request: source.section()? },
        _ => return None,
    })
}

const SOURCES: [FreshnessSource; 7] = [
    FreshnessSource::SMaxAge,
    FreshnessSource::MaxAge,
    FreshnessSource::Expires,
    FreshnessSource::Heuristic,
    FreshnessSource::Negative,
    FreshnessSource::Media,
    FreshnessSource::Absent,
];

/// Each has a number of its own for good; written out, so that the compiler finds one that is new.
fn number_of(source: FreshnessSource) -> u8 {
    match source {
        FreshnessSource::SMaxAge => 0,
        FreshnessSource::MaxAge => 1,
        FreshnessSource::Expires => 2,
        FreshnessSource::Heuristic => 3,
        FreshnessSource::Negative => 4,
        FreshnessSource::Media => 5,
        FreshnessSource::Absent => 6,
    }
}

fn source_of(number: u8) -> Option<FreshnessSource> {
    SOURCES.into_iter().find(|source| number_of(*source) == number)
}

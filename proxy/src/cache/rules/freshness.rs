//! How old a response is and how long it stays fresh (RFC 9111 section 4.2).
//!
//! Owns the arithmetic of age, lifetime and staleness. Whether a response may be stored is `storability`'s, and what
//! to do with a stale one `decide`'s.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use tidegate_config::model::{CachePolicy, MediaDefaults, StaleRules};

use super::directives::{DirectiveSource, MAX_DELTA_SECONDS, ResponseDirectives, Seconds, delta_seconds};
use super::http_date;
use crate::media::{MediaClass, PlaylistFacts, Presentation};

/// Where a freshness lifetime came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreshnessSource {
    /// `s-maxage`; it also forbids stale answers that nothing else allows (RFC 9111 section 5.2.2.10).
    SMaxAge,
    /// `max-age`.
    MaxAge,
    /// Expires.
    Expires,
    /// A tenth of the time since Last-Modified (RFC 9111 section 4.2.2).
    Heuristic,
    /// The policy's word on this status (`negative`).
    Negative,
    /// The table for recognised media.
    Media,
    /// Nothing: stale from the start, usable after validation only.
    Absent,
}

impl FreshnessSource {
    /// Whether the origin itself stated it.
    #[must_use]
    pub fn is_explicit(self) -> bool {
        matches!(self, Self::SMaxAge | Self::MaxAge | Self::Expires)
    }

    /// Whether it is this node's own word, which counts from arrival.
    fn is_ours(self) -> bool {
        matches!(self, Self::Negative | Self::Media)
    }

    /// A short, stable label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::SMaxAge => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "expires",
            Self::Negative => "negative",
            Self::Media => "media",
            Self::Heuristic => "heuristic",
            Self::Absent => "none",
        }
    }
}

/// The times of a stored response: all that `decide` needs to know of its freshness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTimes {
    /// When its header section arrived.
    pub response_time: SystemTime,
    /// Its age at that time (RFC 9111 section 4.2.3).
    pub corrected_initial_age: Duration,
    /// For how long it is fresh, counted from when it was generated.
    pub lifetime: Duration,
    /// Who said so.
    pub source: FreshnessSource,
    /// For how long after that it may be served while it is revalidated (RFC 5861 section 3).
    pub stale_while_revalidate: Duration,
    /// For how long after that it may be served when the origin fails (RFC 5861 section 4); absent when unstated.
    pub stale_if_error: Option<Duration>,
    /// `must-revalidate` or `proxy-revalidate`: never served stale, whatever else says so.
    pub must_revalidate: bool,
    /// `no-cache`: never served without validation.
    pub no_cache: bool,
    /// `immutable`: while fresh it need not be validated for a client that merely reloads (RFC 8246 section 2).
    pub immutable: bool,
    /// Whether it may answer requests with Authorization (RFC 9111 section 3.5).
    pub authorized_reuse: bool,
}

impl StoredTimes {
    /// The same, but stale since a time; what was stale before that stays so.
    #[must_use]
    pub fn stale_since(self, since: SystemTime, now: SystemTime) -> Self {
        Self { lifetime: self.lifetime.min(self.current_age(since.min(now))), ..self }
    }

    /// Its age (RFC 9111 section 4.2.3); a clock that ran backwards counts as no time passed.
    #[must_use]
    pub fn current_age(&self, now: SystemTime) -> Duration {
        let resident = now.duration_since(self.response_time).unwrap_or_default();
        self.corrected_initial_age.saturating_add(resident)
    }

    /// The value of the Age field.
    #[must_use]
    pub fn age_seconds(&self, now: SystemTime) -> u64 {
        self.current_age(now).as_secs().min(MAX_DELTA_SECONDS)
    }

    /// Whether it is fresh. `no_cache` is not looked at: such a response may be fresh and yet need validation.
    #[must_use]
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        self.lifetime > self.current_age(now)
    }

    /// For how long it has been stale; zero while fresh.
    #[must_use]
    pub fn staleness(&self, now: SystemTime) -> Duration {
        self.current_age(now).saturating_sub(self.lifetime)
    }

    /// Seconds that it stays fresh, negative once stale (the `ttl` of RFC 9211 section 2.5).
    #[must_use]
    pub fn ttl(&self, now: SystemTime) -> i64 {
        let (lifetime, age) = (self.lifetime.as_secs(), self.age_seconds(now));
        i64::try_from(lifetime).unwrap_or(i64::MAX).saturating_sub(i64::try_from(age).unwrap_or(i64::MAX))
    }
}

/// What the freshness of a response is computed from.
#[derive(Debug, Clone, Copy)]
pub struct FreshnessInput<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Its directives, parsed from these fields.
    pub directives: &'a ResponseDirectives,
    /// When the request was sent.
    pub request_time: SystemTime,
    /// When the header section arrived.
    pub response_time: SystemTime,
    /// The policy of the route.
    pub policy: &'a CachePolicy,
    /// What it was recognised as.
    pub media: Option<MediaClass>,
    /// Whether that is live or on demand, where known.
    pub presentation: Presentation,
}

/// How long segments and playlists on demand may be served when the origin fails and has not said so itself. They do
/// not change, so that a day bridges an outage at no risk; the store evicts what nobody asks for anyway.
const MEDIA_STALE_IF_ERROR: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a server error stands for a piece of media: enough to spare a failing origin a burst, too short to notice.
const MEDIA_ERROR_LIFETIME: Duration = Duration::from_secs(1);

/// Heuristic freshness is this part of the time since Last-Modified (RFC 9111 section 4.2.2 suggests a tenth).
const HEURISTIC_DIVISOR: u32 = 10;

/// Computes the times of a response.
#[must_use]
pub fn compute(input: &FreshnessInput<'_>) -> StoredTimes {
    let directives = input.directives;
    let (source, lifetime) = lifetime(input);
    let grace = |stated: Option<Seconds>| stated.and_then(Seconds::valid);
    let policy_grace = policy_grace(input, source);
    StoredTimes {
        response_time: input.response_time,
        corrected_initial_age: corrected_initial_age(input, source),
        lifetime,
        source,
        stale_while_revalidate: grace(directives.stale_while_revalidate)
            .or_else(|| policy_grace.map(|stale| stale.while_revalidate))
            .unwrap_or_default(),
        stale_if_error: grace(directives.stale_if_error)
            .or_else(|| policy_grace.and_then(|stale| stale.if_error))
            .or_else(|| media_stale_if_error(input, source)),
        must_revalidate: directives.must_revalidate || directives.proxy_revalidate,
        no_cache: directives.no_cache.binds(input.headers),
        immutable: directives.immutable,
        authorized_reuse: directives.permit_authorized_reuse(),
    }
}

/// What the policy says of stale answers, where it has a say: not on errors, which should end soon; not against
/// `s-maxage`, which forbids what the origin itself does not allow (RFC 9111 section 5.2.2.10); and not on playlists of
/// the media table, which has its own word on them, as players of a stale live playlist stand still.
fn policy_grace<'a>(input: &FreshnessInput<'a>, source: FreshnessSource) -> Option<&'a StaleRules> {
    let is_error = input.status.is_client_error() || input.status.is_server_error();
    let is_playlist = source == FreshnessSource::Media && matches!(input.media, Some(MediaClass::Playlist(_)));
    let applies = !is_error && !is_playlist && input.directives.s_maxage.is_none();
    applies.then_some(&input.policy.stale)
}

/// The freshness lifetime, by the order of RFC 9111 section 4.2.1; what the origin states always wins, then what the
/// operator says of this status, then what is usual for media.
fn lifetime(input: &FreshnessInput<'_>) -> (FreshnessSource, Duration) {
    let directives = input.directives;
    if let Some(seconds) = directives.s_maxage {
        return (FreshnessSource::SMaxAge, seconds.or_stale());
    }
    if let Some(seconds) = directives.max_age {
        return (FreshnessSource::MaxAge, seconds.or_stale());
    }
    if directives.source != DirectiveSource::Targeted && input.headers.contains_key(header::EXPIRES) {
        return (FreshnessSource::Expires, expires_lifetime(input));
    }
    if let Some((_, lifetime)) = input.policy.negative.iter().find(|(status, _)| *status == input.status) {
        return (FreshnessSource::Negative, *lifetime);
    }
    if let Some(lifetime) = media_lifetime(input) {
        return (FreshnessSource::Media, lifetime);
    }
    heuristic_lifetime(input)
        .map_or((FreshnessSource::Absent, Duration::ZERO), |lifetime| (FreshnessSource::Heuristic, lifetime))
}

/// Expires minus Date. An Expires that is no date, such as `0`, lies in the past (RFC 9111 section 5.3).
fn expires_lifetime(input: &FreshnessInput<'_>) -> Duration {
    let expires = http_date::first(input.headers, &header::EXPIRES);
    let longest = Duration::from_secs(MAX_DELTA_SECONDS);
    expires.and_then(|expires| expires.duration_since(date(input)).ok()).unwrap_or_default().min(longest)
}

/// Date, or the time of arrival where there is none (RFC 9110 section 6.6.1).
fn date(input: &FreshnessInput<'_>) -> SystemTime {
    let stated = http_date::first(input.headers, &header::DATE);
    stated.unwrap_or_else(|| http_date::whole_seconds(input.response_time))
}

/// The table for recognised media; files that are neither segment nor playlist are left to RFC 9111.
fn media_lifetime(input: &FreshnessInput<'_>) -> Option<Duration> {
    let defaults = input.policy.media.as_ref()?;
    let media = input.media?;
    let on_demand = input.presentation == Presentation::OnDemand;
    match (input.status.as_u16(), media) {
        (200, MediaClass::Segment | MediaClass::Init) => Some(defaults.segment),
        (200, MediaClass::Playlist(_)) if on_demand => Some(defaults.vod_playlist),
        (200, MediaClass::Playlist(_)) => Some(defaults.live_playlist.0),
        (404, MediaClass::Playlist(_) | MediaClass::Segment | MediaClass::Init) if !on_demand => {
            Some(defaults.missing_live)
        }
        (404 | 410, _) => Some(defaults.missing),
        (500 | 502 | 503 | 504, _) => Some(MEDIA_ERROR_LIFETIME),
        _ => None,
    }
}

/// A playlist gets its own in [`finalize_playlist`], as it depends on the target duration.
fn media_stale_if_error(input: &FreshnessInput<'_>, source: FreshnessSource) -> Option<Duration> {
    let is_segment = matches!(input.media, Some(MediaClass::Segment | MediaClass::Init));
    let applies = source == FreshnessSource::Media && input.status == StatusCode::OK && is_segment;
    applies.then_some(MEDIA_STALE_IF_ERROR)
}

fn heuristic_lifetime(input: &FreshnessInput<'_>) -> Option<Duration> {
    if !input.policy.heuristic || !is_heuristically_cacheable(input.status) {
        return None;
    }
    let modified = http_date::only(input.headers, &header::LAST_MODIFIED)?;
    let unchanged_for = date(input).duration_since(modified).ok()?;
    Some((unchanged_for / HEURISTIC_DIVISOR).min(input.policy.heuristic_max))
}

/// Statuses whose responses may be stored without explicit freshness (RFC 9110 section 15.1), less 206, which is never
/// stored here, and 501, since no server error is kept without the origin's word.
#[must_use]
pub fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414)
}

/// RFC 9111 section 4.2.3. The apparent age is reckoned in whole seconds, as Date has no fraction: otherwise a response
/// could arrive almost a second old. It is left out for what is our own word and counts from arrival: an origin
/// whose clock is slow would else lose its live playlists' second or two of freshness.
fn corrected_initial_age(input: &FreshnessInput<'_>, source: FreshnessSource) -> Duration {
    let arrived = http_date::whole_seconds(input.response_time);
    let apparent = match source {
        ours if ours.is_ours() => Duration::ZERO,
        _ => arrived.duration_since(date(input)).unwrap_or_default(),
    };
    let delay = input.response_time.duration_since(input.request_time).unwrap_or_default();
    let longest = Duration::from_secs(MAX_DELTA_SECONDS);
    apparent.max(stated_age(input.headers).saturating_add(delay)).min(longest)
}

/// The upstream's Age: the first member of the first line, ignored when it is no number (RFC 9111 section 5.1).
fn stated_age(headers: &HeaderMap) -> Duration {
    let Some(line) = headers.get(header::AGE) else {
        return Duration::ZERO;
    };
    let first = line.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default();
    delta_seconds(first.trim_ascii()).unwrap_or_default()
}

/// Sets the lifetime of a playlist once its body is known; explicit freshness of the origin, and what the operator says,
/// stay as they are.
#[must_use]
pub fn finalize_playlist(times: StoredTimes, facts: &PlaylistFacts, defaults: &MediaDefaults) -> StoredTimes {
    if times.source != FreshnessSource::Media {
        return times;
    }
    let (floor, ceiling) = defaults.live_playlist;
    let (lifetime, grace) = match facts.presentation {
        Presentation::OnDemand => (defaults.vod_playlist, MEDIA_STALE_IF_ERROR),
        Presentation::Live | Presentation::Unknown => {
            let half = facts.target_duration.map_or(floor, |target| target / 2);
            (half.min(ceiling).max(floor), facts.target_duration.unwrap_or(ceiling))
        }
    };
    StoredTimes { lifetime, stale_if_error: times.stale_if_error.or(Some(grace)), ..times }
}

#[cfg(test)]
mod tests;

//! What a response says and does for what its player said: urgency, pace, and what this hop knows of the way.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tidegate_config::model::CachePolicy;

use crate::cache::rules::decide::ToldToPlayers;
use crate::cache::rules::derived::Derived;
use crate::cmcd::{Cmcd, Content, ObjectType, Pace, urgency};
use crate::media::{MediaClass, recognise};
use crate::request_context::{MatchedRoute, RequestContext};

/// RFC 9218 section 5.
pub(super) const PRIORITY: HeaderName = HeaderName::from_static("priority");
/// CTA-5006: what each hop on the way knows of it.
pub(super) const CMSD_DYNAMIC: HeaderName = HeaderName::from_static("cmsd-dynamic");

/// What a response says to players by its own fields, worked out when it is asked for, and once where that is kept.
pub(super) struct ForPlayers<'a> {
    pub(super) fields: &'a HeaderMap,
    pub(super) told: &'a Derived<ToldToPlayers>,
    pub(super) media: &'a Derived<(Option<MediaClass>, bool)>,
    /// Whether it is a part that players ask for as soon as it is there.
    pub(super) at_live_edge: bool,
}

impl ForPlayers<'_> {
    fn told(&self) -> ToldToPlayers {
        let has = |name| self.fields.contains_key(name);
        *self.told.get_or(|| ToldToPlayers { priority: has(PRIORITY), way: has(CMSD_DYNAMIC) })
    }

    /// The path is part of every key, so that it is the same whoever asks for what is stored.
    fn media(&self, matched: &MatchedRoute) -> (Option<MediaClass>, bool) {
        *self.media.get_or(|| class_of(self.fields, matched))
    }
}

/// How urgent a response of these fields is, where that is not the rule and neither origin nor client says so: they
/// know better. Listeners act on it where their protocol lets them.
pub(super) fn priority(status: StatusCode, player: &ForPlayers<'_>, context: &RequestContext) -> Option<HeaderValue> {
    let matched = context.route.as_ref().filter(|matched| matched.route.cache_policy.cmcd.priority)?;
    let is_content = matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    let cmcd = matched.cmcd.as_deref();
    let wished = matched.names_priority && !cmcd.is_some_and(Cmcd::is_urgent);
    if !is_content || wished || player.told().priority {
        return None;
    }
    let (class, audio) = player.media(matched);
    urgency(cmcd, Content { class, audio, at_live_edge: player.at_live_edge }).to_field().map(HeaderValue::from_static)
}

fn class_of(fields: &HeaderMap, matched: &MatchedRoute) -> (Option<MediaClass>, bool) {
    let Some(declared) = fields.get(header::CONTENT_TYPE) else { return (None, false) };
    let audio = declared.as_bytes().get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"audio/"));
    (recognise(Some(declared), &matched.path, None), audio)
}

/// The member of `CMSD-Dynamic` of this hop, for players that say something of themselves, and behind what hops before
/// say. What a connection knows of its way is in it (CTA-5006): estimated throughput in kbit/s, round trip in ms.
pub(super) fn cmsd(player: &ForPlayers<'_>, context: &RequestContext) -> Option<HeaderValue> {
    let speaks = context.route.as_ref().is_some_and(|matched| matched.cmcd.is_some());
    if !speaks && !player.told().way {
        return None;
    }
    let mut member = format!("n=\"tidegate-{}\"", context.snapshot.model().node.name);
    if let Some(way) = context.connection.as_ref().and_then(|connection| connection.way()) {
        member.push_str(&format!(";etp={};rtt={}", way.kilobits_per_second, way.round_trip.as_millis()));
    }
    HeaderValue::try_from(member).ok()
}

/// The pace that this request's player asks for, where the policy grants it.
pub(super) fn requested_pace(matched: &MatchedRoute) -> Option<Pace> {
    let cmcd = matched.cmcd.as_deref().filter(|_| grants_pace(&matched.route.cache_policy))?;
    cmcd.requested_throughput.map(Pace::new)
}

fn grants_pace(policy: &CachePolicy) -> bool {
    policy.cmcd.pacing
}

/// The pace of a response of these fields: of media segments alone. What a player waits for goes as fast as it can.
pub(super) fn pace(status: StatusCode, fields: &HeaderMap, context: &RequestContext) -> Option<Pace> {
    let matched = context.route.as_ref()?;
    let pace = requested_pace(matched)?;
    let cmcd = matched.cmcd.as_deref()?;
    let is_content = matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
    let is_segment = match cmcd.object_type {
        Some(ObjectType::Audio | ObjectType::Video | ObjectType::Muxed) => true,
        Some(_) => false,
        None => matches!(class_of(fields, matched).0, Some(MediaClass::Segment)),
    };
    (is_content && is_segment && !cmcd.is_urgent()).then_some(pace)
}

/// How long the next piece of a body that passes is to wait.
pub(crate) fn keep_pace_of_passed(piece: Option<&Bytes>, context: &mut RequestContext) -> Option<Duration> {
    let wait = context.response.pace.as_mut()?.wait(Instant::now(), piece?.len());
    (!wait.is_zero()).then_some(wait)
}

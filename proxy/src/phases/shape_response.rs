//! What every response gets from this node, whoever wrote it.

use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use pingora_error::{Error, ErrorType, OrErr, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::admit_response_head::{Parts, admit_response_head};
use super::debug_field::DEBUG;
use super::note_response::take_note;
use super::player_fields::{CMSD_DYNAMIC, ForPlayers, PRIORITY, cmsd, pace, priority};
use super::relay_interim::shape_interim;
use super::route_facts::change_response;
use crate::cache::rules::cache_status::{CACHE_STATUS, Member};
use crate::cache::rules::decide::StoredMeta;
use crate::cache::rules::derived::Derived;
use crate::cache::rules::hop_by_hop;
use crate::edge_proxy::EdgeProxy;
use crate::request_context::RequestContext;
use crate::route_actions::withhold;
use crate::routing::{Grant, Sharing};

/// Names the node that answered, for players and for operators.
const EDGE: HeaderName = HeaderName::from_static("x-tidegate-edge");
/// Server Timing, W3C: the node again, where scripts see no other field.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Ties a response to its line in the access log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What only the answer to a preflight says stays where this node has written it.
static WITHHELD: [HeaderName; 3] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
];

/// A header section in the making.
pub(super) trait HeadFields {
    /// Sets a field in place of what is there under this name.
    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()>;
    /// Adds a line after those that are there.
    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()>;
    /// Sets a field to what many responses share.
    fn set_shared(&mut self, name: HeaderName, value: &HeaderValue) -> Result<()> {
        self.set(name, value.clone())
    }
    /// Adds a line that many responses share.
    fn add_shared(&mut self, name: HeaderName, value: &HeaderValue) -> Result<()> {
        self.add(name, value.clone())
    }
    /// Sets a field to a number.
    fn set_number(&mut self, name: HeaderName, number: u64) -> Result<()> {
        self.set(name, number.into())
    }
    /// Sets a field to an id that never comes again: in the table of HTTP/2's compression (RFC 7541 section 7.1.3) it
    /// would only drive out what does, so it is marked as never to be entered there.
    fn set_unique(&mut self, name: HeaderName, id: &[u8]) -> Result<()> {
        let mut value = HeaderValue::from_bytes(id).or_err(ErrorType::InvalidHTTPHeader, "request id")?;
        value.set_sensitive(true);
        self.set(name, value)
    }
    /// Adds our member of `Cache-Status`, on a line of its own.
    fn add_cache_status(&mut self, member: &Member) -> Result<()> {
        self.add(CACHE_STATUS, member.to_value())
    }
    /// Takes a field away. What is written line by line has left it out before.
    fn take(&mut self, name: &HeaderName);
    /// Whether it has a Date.
    fn has_date(&self) -> bool;
}

impl HeadFields for ResponseHeader {
    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.insert_header(name, value)
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.append_header(name, value).map(drop)
    }

    fn take(&mut self, name: &HeaderName) {
        self.remove_header(name);
    }

    fn has_date(&self) -> bool {
        self.headers.contains_key(header::DATE)
    }
}

impl HeadFields for HeaderMap {
    fn set(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.insert(name, value);
        Ok(())
    }

    fn add(&mut self, name: HeaderName, value: HeaderValue) -> Result<()> {
        self.append(name, value);
        Ok(())
    }

    fn take(&mut self, name: &HeaderName) {
        self.remove(name);
    }

    fn has_date(&self) -> bool {
        self.contains_key(header::DATE)
    }
}

/// Adds the fields that every response carries, and makes the route's changes. Whatever is done to the head afterwards, its
/// Date stays as it is now.
pub(super) fn finish_head(head: &mut ResponseHeader, context: &RequestContext) -> Result<()> {
    NodeFields::of(head.status, &head.headers, context).add_to(head, SystemTime::now())?;
    if let Some(told) = &context.cache.told {
        head.insert_header(DEBUG.clone(), told.clone())?;
    }
    change_response(head, context)?;
    if let Some(date) = context.connection.as_ref().and_then(|connection| connection.response_date.as_ref()) {
        date.tell(head.headers.get(header::DATE));
    }
    Ok(())
}

/// What every response gets from this node, before the route changes anything.
pub(super) struct NodeFields<'a> {
    pub(super) edge: &'a HeaderValue,
    pub(super) server_timing: &'a HeaderValue,
    pub(super) request_id: [u8; 32],
    /// Where HTTP/3 is offered.
    pub(super) alt_svc: Option<&'a HeaderValue>,
    /// Where the route says with whom it is shared: that, and whether with this client.
    pub(super) sharing: Option<(&'a Sharing, &'a Grant)>,
    /// Where it is not the usual one, and nobody else says so.
    pub(super) priority: Option<HeaderValue>,
    /// For players that listen.
    pub(super) cmsd: Option<HeaderValue>,
}

impl<'a> NodeFields<'a> {
    /// Those of a response of this status and these fields.
    pub(super) fn of(status: StatusCode, fields: &HeaderMap, context: &'a RequestContext) -> Self {
        let (told, media) = (Derived::default(), Derived::default());
        let at_live_edge = context.cache.at_live_edge;
        Self::beside(status, &ForPlayers { fields, told: &told, media: &media, at_live_edge }, context)
    }

    /// Those of a hit.
    pub(super) fn of_stored(meta: &StoredMeta, context: &'a RequestContext) -> Self {
        let StoredMeta { headers: fields, told, media, at_live_edge, .. } = meta;
        let player = ForPlayers { fields, told, media, at_live_edge: *at_live_edge };
        Self::beside(meta.status, &player, context)
    }

    fn beside(status: StatusCode, player: &ForPlayers<'_>, context: &'a RequestContext) -> Self {
        Self {
            edge: &context.snapshot.edge,
            server_timing: &context.snapshot.server_timing,
            request_id: context.arrival.request_id.to_hex(),
            alt_svc: own_alt_svc(context),
            sharing: context.route.as_ref().and_then(|it| Some((it.route.sharing.as_ref()?, &it.grant))),
            priority: priority(status, player, context),
            cmsd: cmsd(player, context),
        }
    }

    /// Adds them, and a Date where none is.
    pub(super) fn add_to(&self, head: &mut impl HeadFields, now: SystemTime) -> Result<()> {
        head.set_shared(EDGE, self.edge)?;
        head.add_shared(SERVER_TIMING, self.server_timing)?;
        head.set_unique(REQUEST_ID, &self.request_id)?;
        if !head.has_date() {
            let now = httpdate::fmt_http_date(now);
            head.set(header::DATE, HeaderValue::try_from(now).or_err(ErrorType::InvalidHTTPHeader, "date")?)?;
        }
        if let Some(alt_svc) = self.alt_svc {
            head.set_shared(header::ALT_SVC, alt_svc)?;
        }
        if let Some(priority) = &self.priority {
            head.set_shared(PRIORITY, priority)?;
        }
        if let Some(cmsd) = &self.cmsd {
            head.add_shared(CMSD_DYNAMIC, cmsd)?;
        }
        let Some((sharing, grant)) = self.sharing else { return Ok(()) };
        WITHHELD.iter().for_each(|name| head.take(name));
        sharing.fields(grant).try_for_each(|(name, value)| head.add(name, value))
    }

    /// Whether they take the place of something stored by which an origin shares: seldom, as that is left out when it
    /// comes.
    pub(super) fn withholds(&self, stored: &HeaderMap) -> bool {
        self.sharing.is_some() && WITHHELD.iter().any(|name| stored.contains_key(name))
    }

    /// Whether they take the place of a stored field of this name.
    pub(super) fn replaces(&self, name: &HeaderName) -> bool {
        match replaced(name) {
            Replaced::Never => false,
            Replaced::Sometimes => self.alt_svc.is_some(),
            Replaced::WhereShared => self.sharing.is_some(),
            Replaced::Always => true,
        }
    }
}

/// When [`NodeFields`] replace a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    Never,
    /// Where this node has one of its own.
    Sometimes,
    /// On routes that this node shares.
    WhereShared,
    Always,
}

/// Whether they replace a field of this name, in general.
pub(super) fn replaced(name: &HeaderName) -> Replaced {
    match name {
        name if *name == EDGE || *name == REQUEST_ID => Replaced::Always,
        name if *name == header::ALT_SVC => Replaced::Sometimes,
        name if WITHHELD.contains(name) => Replaced::WhereShared,
        _ => Replaced::Never,
    }
}

/// HTTP/3 is offered over TLS only: its certificate must be the one of the same origin (RFC 7838 section 2.1).
fn own_alt_svc(context: &RequestContext) -> Option<&HeaderValue> {
    let over_tls = context.connection.as_ref().is_some_and(|connection| connection.tls.is_some());
    context.snapshot.alt_svc.as_ref().filter(|_| over_tls)
}

/// Without a length, HTTP/1.1 frames the body in chunks; HTTP/1.0 knows none and ends with the connection.
pub(super) fn frame_body(session: &mut Session, head: &mut ResponseHeader) -> Result<()> {
    if head.headers.contains_key(header::CONTENT_LENGTH) {
        return Ok(());
    }
    match session.req_header().version {
        Version::HTTP_11 if !session.is_http2() && !session.is_custom() => {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        Version::HTTP_10 | Version::HTTP_09 => {
            head.remove_header(&header::TRANSFER_ENCODING); // RFC 9112 section 6.1
            session.set_keepalive(None);
        }
        _ => {}
    }
    Ok(())
}

/// Interim responses (RFC 9110 section 15.2) that one response of an origin may have before it. A `103` or two are
/// usual; an origin that sends them without end would never answer.
const MAX_INTERIM_RESPONSES: usize = 16;

/// Refuses heads from which no response can follow.
pub(crate) fn admit_origin_response(
    session: &Session,
    head: &mut ResponseHeader,
    context: &mut RequestContext,
) -> Result<()> {
    let websocket = context.route.as_ref().is_some_and(|matched| matched.websocket);
    if head.status == StatusCode::SWITCHING_PROTOCOLS && !(websocket && switches_to_websocket(head)) {
        // Taken at its word, the rest of the connection would be in a protocol that nobody asked for.
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, "101 that answers no handshake").into_up());
    }
    if head.status.is_informational() {
        context.origin.interim_responses += 1;
        if context.origin.interim_responses > MAX_INTERIM_RESPONSES {
            let why = format!("more than {MAX_INTERIM_RESPONSES} interim responses");
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up());
        }
    }
    let parts = if context.is_fill() { Parts::JudgedByCache } else { Parts::JudgedHere };
    admit_response_head(session.req_header(), head, parts)?;
    if context.route.as_ref().is_some_and(|matched| matched.route.sharing.is_some()) {
        let vary: Vec<HeaderValue> = head.headers.get_all(header::VARY).iter().cloned().collect();
        withhold(head, &vary)?;
    }
    note_origin_response(head, context);
    note_way(head, context)
}

/// Whether a 101 says what was asked for (RFC 6455 section 4.2.2).
fn switches_to_websocket(head: &ResponseHeader) -> bool {
    head.headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Notes in `Via` that the response has come through here (RFC 9110 section 7.6.3). Done as it arrives, so that what is
/// stored carries it once, however often it is served.
fn note_way(head: &mut ResponseHeader, context: &RequestContext) -> Result<()> {
    let via = context.snapshot.identity.via(head.version);
    head.append_header(header::VIA, via).map(drop)
}

/// What only the connection to the origin tells about a response.
fn note_origin_response(head: &ResponseHeader, context: &RequestContext) {
    let Some(fill) = &context.fill else { return };
    *fill.notes.origin.lock() = context.origin_name();
    let framed = head.headers.contains_key(header::CONTENT_LENGTH)
        || head.headers.contains_key(header::TRANSFER_ENCODING)
        || head.version == Version::HTTP_2;
    let bodiless = head.status.is_informational() || matches!(head.status.as_u16(), 204 | 304);
    fill.notes.close_delimited.store(!framed && !bodiless, Ordering::Relaxed);
}

/// Tags are for caches; a response that passes one says nothing to clients that a stored one does not.
fn withhold_tags(head: &mut ResponseHeader, context: &RequestContext) {
    let Some(matched) = &context.route else { return };
    let rules = &matched.route.cache_policy.tags;
    if !rules.expose {
        rules.fields.iter().for_each(|name| head.take(name));
    }
}

/// Shapes a response that passes from an origin to a client.
pub(crate) fn shape_passed_response(
    proxy: &EdgeProxy,
    session: &mut Session,
    head: &mut ResponseHeader,
    context: &mut RequestContext,
) -> Result<()> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        context.response.first_byte = Some(Instant::now());
    }
    if context.is_fill() {
        return Ok(());
    }
    if head.status.is_informational() {
        shape_interim(head);
        return Ok(());
    }
    if session.req_header().version == Version::HTTP_10 {
        frame_body(session, head)?;
    }
    if context.route.as_ref().is_some_and(|matched| matched.websocket) {
        // Refused: a client that sent frames without waiting must not have them read as requests.
        session.set_keepalive(None);
    }
    context.response.first_byte = Some(Instant::now());
    take_note(proxy, session.req_header(), head, context);
    withhold_tags(head, context);
    if let Some(member) = &context.cache.passage {
        head.append_header(CACHE_STATUS, member.to_value())?;
    }
    for name in hop_by_hop::response_fields(&head.headers) {
        head.remove_header(&name);
    }
    context.response.pace = pace(head.status, &head.headers, context);
    finish_head(head, context)
}

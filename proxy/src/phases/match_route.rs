//! From target and Host to a route: canonical form first, and everything after sees only that.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use tidegate_config::model::{Destination, PlaintextMode};

use super::Flow;
use super::answer_options::answer_preflight;
use super::enforce_kill_switches::enforce_kill_switches;
use super::player_fields::PRIORITY;
use super::respond_error::{Audience, answer, answer_maintenance, redirect};
use super::route_facts::{changes_responses, websocket_idle, with_facts};
use crate::cache::key::Scheme;
use crate::cmcd::{self, Cmcd};
use crate::edge_proxy::EdgeProxy;
use crate::origin::origin_form;
use crate::request_context::{MatchedRoute, RequestContext};
use crate::route_actions::{Upgrade, choose_part, is_personal, location, preflight, upgrade};
use crate::routing::{
    CanonicalHost, CanonicalPath, ClientPlace, Grant, PoolChoice, RouteEntry, RouteMatch, SiteEntry, Tie,
};

/// Finds the route, or answers why there is none.
pub(super) async fn match_route(
    proxy: &EdgeProxy,
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<Flow> {
    match find(&Asked::of(session.req_header()), context) {
        Verdict::Route(route) => {
            let entry = Arc::clone(&route.route);
            context.route = Some(route);
            if enforce_kill_switches(proxy, session, context).await? == Flow::Answered {
                return Ok(Flow::Answered);
            }
            answer_by_route(session, context, &entry.route.destination).await
        }
        Verdict::Preflight(route) => {
            // Before any kill switch: a page is to see its request refused, and not only that it may not send it.
            context.route = Some(route);
            answer_preflight(session, context).await
        }
        Verdict::Refuse(status) => answer(session, context, status).await,
        Verdict::Redirect(location) => {
            let location = HeaderValue::from_str(&location).or_err(ErrorType::InternalError, "location")?;
            redirect(session, context, StatusCode::PERMANENT_REDIRECT, location, Audience::Everyone).await
        }
    }
}

/// Answers what the route has this node answer by itself, and what it does not let through.
async fn answer_by_route(
    session: &mut Session,
    context: &mut RequestContext,
    destination: &Destination,
) -> Result<Flow> {
    let request = session.req_header();
    match destination {
        Destination::Redirect(to) => {
            let location = with_facts(context, origin_form(request), |facts| location(&to.location, facts));
            let conditional = context.route.as_ref().is_some_and(|matched| matched.route.is_conditional());
            let audience = if conditional || is_personal(&to.location) { Audience::Some } else { Audience::Everyone };
            redirect(session, context, to.status, location, audience).await
        }
        Destination::Maintenance => answer_maintenance(session, context, None).await,
        Destination::Pool { .. } => match upgrade(&request.method, request.version, &request.headers) {
            Upgrade::None => Ok(Flow::Continue),
            Upgrade::WebSocket if take_websocket(session, context) => Ok(Flow::Continue),
            Upgrade::WebSocket | Upgrade::Malformed => {
                // What follows may be frames already.
                session.set_keepalive(None);
                answer(session, context, StatusCode::BAD_REQUEST).await
            }
        },
    }
}

/// Notes the handshake where the route lets it through. From then on silence, and not a body, is what is bounded.
fn take_websocket(session: &mut Session, context: &mut RequestContext) -> bool {
    let Some(matched) = context.route.as_mut().filter(|matched| matched.route.route.actions.websocket) else {
        return false;
    };
    matched.websocket = true;
    session.set_read_timeout(Some(websocket_idle(matched)));
    true
}

/// A request as far as routes, keys and the log care, whoever parsed it.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    /// As sent.
    pub(super) raw_target: &'a [u8],
    /// In origin form.
    pub(super) target: &'a [u8],
    /// Host of the request: the Host field, or the authority of an absolute target.
    pub(super) authority: Option<&'a [u8]>,
    /// Scheme of an absolute target, or `:scheme`.
    pub(super) scheme: Option<&'a str>,
    pub(super) fields: &'a HeaderMap,
}

impl<'a> Asked<'a> {
    pub(super) fn of(request: &'a RequestHeader) -> Self {
        Self {
            method: &request.method,
            raw_target: request.raw_path(),
            target: origin_form(request),
            authority: authority(request),
            scheme: scheme(request),
            fields: &request.headers,
        }
    }
}

pub(super) enum Verdict {
    Route(MatchedRoute),
    Refuse(StatusCode),
    Redirect(String),
    /// A page asks whether it may send a request of this route, and this node answers.
    Preflight(MatchedRoute),
}

pub(super) fn find(request: &Asked<'_>, context: &mut RequestContext) -> Verdict {
    if let Some(verdict) = beyond_target_limit(request, context) {
        return verdict;
    }
    match find_site(request, context) {
        Ok(site) => find_in(&site, request, context),
        Err(status) => Verdict::Refuse(status),
    }
}

/// The site that a request is for, by its fields and method alone.
pub(super) fn find_site(request: &Asked<'_>, context: &mut RequestContext) -> Result<Arc<SiteEntry>, StatusCode> {
    if let Some(status) = beyond_limits(request, context) {
        return Err(status);
    }
    let authority = request.authority.ok_or(StatusCode::BAD_REQUEST)?;
    let (host, _port) = CanonicalHost::parse(authority).map_err(|_| StatusCode::BAD_REQUEST)?;
    context.arrival.host = Some(host.as_str().into());
    if matches!(*request.method, Method::CONNECT | Method::TRACE) {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    context.snapshot.routes.find_site(&host).map(Arc::clone).ok_or(StatusCode::MISDIRECTED_REQUEST)
}

/// The route of a request whose site has been found.
pub(super) fn find_in(site: &Arc<SiteEntry>, request: &Asked<'_>, context: &mut RequestContext) -> Verdict {
    if let Some(verdict) = beyond_target_limit(request, context) {
        return verdict;
    }
    let target = request.target;
    // A trusted proxy in front may have been asked over TLS although it asks in plaintext.
    if let Some(PlaintextMode::Redirect { https_port }) = context.connection.as_ref().and_then(|it| it.plaintext)
        && context.client.scheme == Scheme::Http
    {
        let host = context.arrival.host.as_deref().unwrap_or_default();
        return Verdict::Redirect(https_url(host, https_port, target));
    }
    let raw_path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let Ok(path) = CanonicalPath::parse(raw_path) else { return Verdict::Refuse(StatusCode::BAD_REQUEST) };
    let place = if site.asks_for_place { place_of(context) } else { ClientPlace::default() };
    if let Some(method) = preflight(request.method, request.fields)
        && let RouteMatch::Found(route) = site.find_route(path.as_str(), &method, &place)
        && route.sharing.is_some()
    {
        return Verdict::Preflight(matched(request, site, route, path, context));
    }
    match site.find_route(path.as_str(), request.method, &place) {
        RouteMatch::Found(route) if exceeds_route(request.fields, route) => {
            Verdict::Refuse(StatusCode::PAYLOAD_TOO_LARGE)
        }
        RouteMatch::Found(route) => Verdict::Route(matched(request, site, route, path, context)),
        RouteMatch::MethodNotAllowed(methods) => {
            let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
            if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
                context.response.fields.insert(header::ALLOW, value);
            }
            Verdict::Refuse(StatusCode::METHOD_NOT_ALLOWED)
        }
        RouteMatch::NotFound => Verdict::Refuse(StatusCode::NOT_FOUND),
    }
}

fn matched(
    request: &Asked<'_>,
    site: &Arc<SiteEntry>,
    route: &Arc<RouteEntry>,
    path: CanonicalPath<'_>,
    context: &RequestContext,
) -> MatchedRoute {
    let mut matched = MatchedRoute {
        site: Arc::clone(site),
        route: Arc::clone(route),
        path_as_sent: path.is_as_sent(),
        path: path.into_string(),
        pool: PoolChoice::Own,
        websocket: false,
        target: None,
        grant: route.sharing.as_ref().map_or(Grant::Nobody, |sharing| sharing.grant(request.fields)),
        // A look at the names there are costs less than hashing one that most requests have not.
        names_priority: request.fields.keys().any(|name| *name == PRIORITY),
        cmcd: None,
    };
    if cmcd::is_used(&route.cache_policy) {
        matched.cmcd = Cmcd::of(query(request.target), request.fields).map(Box::new);
    }
    if let Destination::Pool { split: Some(split), .. } = &route.route.destination {
        let host = context.arrival.host.as_deref().unwrap_or_default();
        let tie = Tie { host, path: &matched.path, fields: request.fields, client: context.client.address };
        let shares = route.parts.iter().map(|part| part.share);
        matched.pool = choose_part(&split.by, shares, &tie).map_or(PoolChoice::Own, PoolChoice::Part);
    }
    if changes_responses(&matched) {
        matched.target = Some(request.target.into());
    }
    matched
}

fn place_of(context: &RequestContext) -> ClientPlace {
    let location = context.location();
    ClientPlace { country: location.country, continent: location.continent, asn: location.asn }
}

/// A bound that a listener may not have been able to answer with a status.
fn beyond_target_limit(request: &Asked<'_>, context: &RequestContext) -> Option<Verdict> {
    let most = context.snapshot.limits().target_bytes.as_usize();
    (request.raw_target.len() > most).then_some(Verdict::Refuse(StatusCode::URI_TOO_LONG))
}

/// Such bounds of the fields.
fn beyond_limits(request: &Asked<'_>, context: &RequestContext) -> Option<StatusCode> {
    let limits = context.snapshot.limits();
    let fields = request.fields;
    let bytes: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if fields.len() > limits.header_count || bytes > limits.header_bytes.as_usize() {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    (content_length(fields)? > limits.body_bytes.0).then_some(StatusCode::PAYLOAD_TOO_LARGE)
}

fn exceeds_route(fields: &HeaderMap, route: &RouteEntry) -> bool {
    let bound = route.route.actions.body_bytes;
    bound.is_some_and(|bound| content_length(fields).is_some_and(|length| length > bound.0))
}

fn content_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Host of the request: the Host field, or the authority of an absolute target. HTTP/1.0 may have neither.
fn authority(request: &RequestHeader) -> Option<&[u8]> {
    if let Some(host) = request.headers.get(header::HOST) {
        return Some(host.as_bytes());
    }
    if let Some(authority) = request.uri.authority() {
        return Some(authority.as_str().as_bytes());
    }
    (request.version == Version::HTTP_10).then_some(b"localhost")
}

/// Scheme of the target: of HTTP/2 it is part of the URI, and of HTTP/1 of an absolute form, which is kept as it came.
fn scheme(request: &RequestHeader) -> Option<&str> {
    let absolute = || {
        let raw = request.raw_path();
        let end = raw.windows(3).position(|bytes| bytes == b"://").filter(|_| !raw.starts_with(b"/"))?;
        std::str::from_utf8(&raw[..end]).ok()
    };
    request.uri.scheme_str().or_else(absolute)
}

/// The query of a target in origin form, as sent.
pub(super) fn query(target: &[u8]) -> Option<&[u8]> {
    target.iter().position(|byte| *byte == b'?').and_then(|mark| target.get(mark + 1..))
}

/// The same target over TLS. What is not ASCII becomes escapes: no URL has it (RFC 3986 section 2), nor can `Location`.
fn https_url(host: &str, port: u16, target: &[u8]) -> String {
    let mut escaped = String::with_capacity(target.len());
    for byte in target {
        match byte.is_ascii_graphic() {
            true => escaped.push(char::from(*byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    let target = escaped;
    match port {
        443 => format!("https://{host}{target}"),
        _ => format!("https://{host}:{port}{target}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_is_that_of_the_target() {
        let check = |sent: &[u8], expected: Option<&str>| {
            let request = RequestHeader::build("GET", sent, None).unwrap();
            assert_eq!(scheme(&request), expected, "{}", String::from_utf8_lossy(sent));
        };
        check(b"http://a.test/a", Some("http"));
        check(b"HTTPS://a.test/\xff?http://b.test/", Some("HTTPS"));
        check(b"/http://a.test/", None);
        check(b"*", None);
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.set_uri("https://a.test/a?http://".parse().unwrap());
        assert_eq!(scheme(&request), Some("https"));
    }

    #[test]
    fn redirect_to_https_is_a_url_whatever_was_asked() {
        let check = |port, target: &[u8], expected: &str| {
            let url = https_url("a.test", port, target);
            assert_eq!(url, expected);
            assert!(HeaderValue::from_str(&url).unwrap().to_str().is_ok());
        };
        check(443, b"/a?b=c|d", "https://a.test/a?b=c|d");
        check(8443, b"/caf\xc3\xa9?u=\xff", "https://a.test:8443/caf%C3%A9?u=%FF");
    }
}

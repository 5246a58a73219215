//! The last phase, always: metrics and one line of the access log.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::header;
use pingora_error::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;
use tidegate_config::ids::OriginName;

use super::handle_origin_failure::{count_answer, response_ended};
use super::match_route::Asked;
use super::prefetch_next::prefetch_next;
use super::respond_error::{is_answered, is_replacement};
use crate::edge_proxy::EdgeProxy;
use crate::listener::Protocol;
use crate::origin::{AttemptOutcome, plainly};
use crate::request_context::RequestContext;
use crate::telemetry::{AccessRecord, AttemptWord, BoundedText, RequestFigures};

/// nginx's status for a client that left before the answer: known to every dashboard, never sent.
const CLIENT_LEFT: u16 = 499;

/// What the exchange with a client came to.
pub(super) struct Exchange<'a> {
    pub(super) asked: Asked<'a>,
    /// Status sent, if any was.
    pub(super) status: Option<StatusCode>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// When it was over.
    pub(super) ended: Instant,
}

/// Records a finished request.
pub(crate) fn record_outcome(
    proxy: &EdgeProxy,
    session: &Session,
    error: Option<&Error>,
    context: &mut RequestContext,
) {
    if error.is_none() {
        response_ended(context);
    }
    count_answer(context);
    // The origin's response is read to its end; what is left to do for the client is none of its matter.
    context.origin.permit = None;
    if context.is_fill() {
        return;
    }
    let error = error.filter(|error| !is_replacement(error));
    let exchange = Exchange {
        asked: Asked::of(session.req_header()),
        // Behind an interim response a client that has left has left without an answer.
        status: session.response_written().map(|head| head.status).filter(|_| {
            is_answered(session) && is_answer(session.body_bytes_sent() as u64, error.is_some_and(has_left))
        }),
        request_bytes: session.body_bytes_read() as u64,
        response_bytes: session.body_bytes_sent() as u64,
        ended: Instant::now(),
    };
    let error = error.map(plainly);
    record(proxy, &exchange, error.as_ref().map(|error| error as &dyn Display), context);
}

/// Records what came of a client's request.
pub(super) fn record(
    proxy: &EdgeProxy,
    exchange: &Exchange<'_>,
    error: Option<&dyn Display>,
    context: &RequestContext,
) {
    let duration = exchange.ended.duration_since(context.arrival.instant);
    let figures = RequestFigures {
        protocol: context.connection.as_ref().map_or(Protocol::Http1, |connection| connection.protocol),
        status: exchange.status.or(context.response.status).unwrap_or_else(client_left),
        cache: context.cache.outcome,
        duration,
        time_to_first_byte: context.response.first_byte.map(|at| match at == exchange.ended {
            true => duration, // what is short leaves in one piece
            false => at.duration_since(context.arrival.instant),
        }),
        request_bytes: exchange.request_bytes,
        response_bytes: exchange.response_bytes,
    };
    let site = context.route.as_ref().and_then(|matched| context.snapshot.site_metrics(&matched.site));
    let site = site.unwrap_or_else(|| proxy.metrics.no_site());
    site.record(&figures);
    if let Some(matched) = &context.route
        && let Some(cmcd) = &matched.cmcd
        && matched.route.cache_policy.cmcd.figures
    {
        site.record_player(cmcd);
    }
    prefetch_next(proxy, exchange, context);
    let access_log = proxy.access_log.load();
    if access_log.is_on() {
        access_log.record(access_record(&exchange.asked, error, context, &figures));
    }
}

/// Whether a client was answered that got so many bytes of a body. One that has left before the first is none, whether or not
/// a head was on its way to it: nobody can tell. (nginx has 499 where it has sent nothing at all.)
pub(super) fn is_answer(body_bytes: u64, client_has_left: bool) -> bool {
    body_bytes > 0 || !client_has_left
}

/// Whether a request ended because its client was gone; one that takes nothing is still there.
pub(super) fn has_left(error: &Error) -> bool {
    let is_gone = matches!(error.etype(), ErrorType::WriteError | ErrorType::ConnectionClosed);
    is_gone && *error.esource() != ErrorSource::Upstream
}

fn client_left() -> StatusCode {
    StatusCode::from_u16(CLIENT_LEFT).unwrap_or(StatusCode::BAD_REQUEST)
}

fn access_record(
    request: &Asked<'_>,
    error: Option<&dyn Display>,
    context: &RequestContext,
    figures: &RequestFigures,
) -> AccessRecord {
    let mut parts = request.raw_target.splitn(2, |byte| *byte == b'?');
    let path = parts.next().unwrap_or_default();
    let field = |name: header::HeaderName| request.fields.get(name).map(|value| value.as_bytes());
    let problem = context.response.error.clone().or_else(|| error.map(ToString::to_string));
    let peer = context.connection.as_ref().map(|it| it.via.unwrap_or(it.peer).ip().to_canonical());
    let client = context.client.address.or(peer).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let location = context.location();
    AccessRecord {
        time: context.arrival.time,
        request_id: context.arrival.request_id,
        trace_id: context
            .arrival
            .trace
            .as_ref()
            .map_or(context.arrival.request_id.as_u128(), |trace| trace.parent.trace_id),
        client,
        connection_peer: peer.filter(|peer| *peer != client),
        country: location.country,
        continent: location.continent,
        asn: location.asn,
        client_region: location.region.clone(),
        protocol: figures.protocol,
        tls_version: context.connection.as_ref().and_then(|it| it.tls.as_ref()).map(|tls| tls.version),
        method: request.method.clone(),
        host: context.arrival.host.as_deref().map(BoundedText::new),
        path: BoundedText::new(path),
        has_query: parts.next().is_some(),
        status: figures.status,
        bytes_sent: figures.response_bytes,
        bytes_received: figures.request_bytes,
        duration: figures.duration,
        time_to_first_byte: figures.time_to_first_byte,
        cache: figures.cache,
        site: context.route.as_ref().map(|matched| matched.site.site.name.clone()),
        route: context.route.as_ref().map(|matched| matched.route.route.name.clone()),
        origin: context.origin_name(),
        attempts: attempts(context),
        error: problem.map(|problem| BoundedText::new(&problem)),
        user_agent: field(header::USER_AGENT).map(BoundedText::new),
        referer: field(header::REFERER).map(|value| BoundedText::new(without_query(value))),
        generation: context.snapshot.snapshot.generation,
    }
}

/// Every attempt, in the log's words.
fn attempts(context: &RequestContext) -> Box<[(OriginName, AttemptWord)]> {
    let Some(journal) = context.origin.journal.get() else { return Box::default() };
    journal.attempts().into_iter().map(|attempt| (attempt.origin, word(attempt.outcome))).collect()
}

fn word(outcome: Option<AttemptOutcome>) -> AttemptWord {
    match outcome {
        Some(AttemptOutcome::Answered(status)) => AttemptWord::Status(status.as_u16()),
        Some(AttemptOutcome::Refused) => AttemptWord::Word("refused"),
        Some(AttemptOutcome::NoConnection) => AttemptWord::Word("no_connection"),
        Some(AttemptOutcome::Broken) => AttemptWord::Word("broken"),
        Some(AttemptOutcome::TimedOut) => AttemptWord::Word("timed_out"),
        Some(AttemptOutcome::Raced) => AttemptWord::Word("raced"),
        // A hedge that lost ends without a word.
        Some(AttemptOutcome::Abandoned) | None => AttemptWord::Word("abandoned"),
    }
}

/// A page's URL as far as it may be logged: its query may carry secrets, as that of the target may.
fn without_query(url: &[u8]) -> &[u8] {
    url.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// The process-wide access log; replaced as a whole when the configuration names another target.
pub(crate) type SharedAccessLog = Arc<arc_swap::ArcSwap<crate::telemetry::AccessLog>>;

//! Asks the cache engine, and writes what it answers.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pingora_error::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use tidegate_config::model::{CachePolicy, Coding};
use tokio::time::timeout_at;

use super::Flow;
use super::cache_key::{cache_key, reduce_to_key, selecting_fields, sent_fields};
use super::debug_field;
use super::hold_back::{held, held_deadline, hold_of};
use super::match_route::{Asked, query};
use super::relay_interim::{hearing_of, relay_interim};
use super::respond_error::answer;
use super::route_facts::response_deadline;
use super::serve_object::{Served, length_of, serve_object};
use crate::cache::compression::{Choice, Content, Representation, choose, is_compressible};
use crate::cache::engine::{Answer, Coded, FetchError, Hearing, Hold, InterimHead, Lookup, Object, Passage, Reader};
use crate::cache::key::{CacheKey, Scheme};
use crate::cache::rules::cache_status::{ForwardReason, Member, Outcome as StatusOutcome};
use crate::cache::rules::conditional::{Verdict, evaluate};
use crate::cache::rules::decide::PassReason;
use crate::cache::rules::request_facts::RequestFacts;
use crate::edge_proxy::EdgeProxy;
use crate::media::USEFUL_FIRST_BYTES;
use crate::origin::{FetchNotes, FillContext, FillRequest, origin_form};
use crate::request_context::{MatchedRoute, RequestContext};
use crate::routing::PoolChoice;
use crate::telemetry::CacheOutcome;

/// What `Cache-Status` says of a request whose like could not share a response.
pub(super) const NOT_SHAREABLE: &str = "not-shareable";

/// Fields that make a request about a part or a version; a fill fetches the whole of whatever is there.
const SELECTING: [header::HeaderName; 6] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
];

/// Answers from the cache, or lets the request pass.
pub(super) async fn consult_cache(
    proxy: &EdgeProxy,
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<Flow> {
    let Some(matched) = &context.route else { return Ok(Flow::Continue) };
    let request = session.req_header();
    let key = cache_key(&Asked::of(request), context, matched);
    if context.cache.passage.is_some() {
        // Kept from the cache by a kill switch; what it changes at the origin still makes stored responses invalid.
        context.cache.key = Some(key);
        context.cache.outcome = CacheOutcome::Pass;
        return Ok(Flow::Continue);
    }
    let facts = RequestFacts::new(&request.method, &request.headers);
    let Ok(hold) = hold_of(proxy, matched, &key, query(origin_form(request))) else {
        context.cache.key = Some(key);
        return answer(session, context, StatusCode::BAD_REQUEST).await;
    };
    let mut hearing = hearing_of(session);
    let (answered, told) = loop {
        match ask(proxy, session, context, matched, &Asking { key: &key, facts: &facts, hold }, &mut hearing).await {
            ControlFlow::Break(answered) => break answered,
            // Not while it is asked: what is half written when time is up would spoil what follows.
            ControlFlow::Continue(heads) => {
                if let Err(gone) = relay_interim(session, heads).await {
                    // It goes on for whoever else waits.
                    context.cache.key = Some(key);
                    context.cache.outcome = CacheOutcome::Miss;
                    return Err(gone);
                }
            }
        }
    };
    context.cache.told = told;
    answered.miss_reason().into_iter().for_each(|reason| proxy.metrics.cache().missed(reason));
    context.cache.key = Some(key);
    match answered {
        Answer::Object { object, reader, outcome } => {
            let (reader, representation) = represent(proxy, session.req_header(), matched, &object, reader).await;
            let served = Served { object, reader, outcome, representation };
            serve_object(session, context, served).await.map(|()| Flow::Answered)
        }
        Answer::Pass(passage) => {
            context.cache.outcome = CacheOutcome::Pass;
            context.cache.passage = Some(passage_member(passage));
            context.cache.hold = hold;
            Ok(Flow::Continue)
        }
        Answer::GatewayTimeout => {
            context.cache.outcome = CacheOutcome::None;
            Member::own("only-if-cached").append_to(&mut context.response.fields);
            answer(session, context, StatusCode::GATEWAY_TIMEOUT).await
        }
        Answer::Failed(error) => answer_failed(session, context, error).await,
    }
}

/// What the cache is asked.
struct Asking<'a> {
    key: &'a CacheKey,
    facts: &'a RequestFacts,
    hold: Option<Hold>,
}

/// The cache's answer, and what callers who may see that are told of it; or interim responses that come before.
async fn ask(
    proxy: &EdgeProxy,
    session: &Session,
    context: &RequestContext,
    matched: &MatchedRoute,
    asking: &Asking<'_>,
    hearing: &mut Hearing,
) -> ControlFlow<(Answer, Option<HeaderValue>), Vec<InterimHead>> {
    let request = session.req_header();
    let selecting = selecting_fields(&matched.route.cache_policy.key, &request.headers);
    let lookup = Lookup {
        key: asking.key,
        facts: asking.facts,
        fields: &selecting,
        policy: &matched.route.cache_policy,
        path: &matched.path,
        may_fill: matched.path_as_sent,
    };
    let make = || held(fill_request(request, context, matched), asking.hold);
    let going_on = proxy.cache.go_on(&lookup, &make, hearing);
    let answered = match held_deadline(response_deadline(context), context.arrival.instant, asking.hold) {
        // Nobody else is hurt: a fill belongs to no client and goes on.
        Some(deadline) => timeout_at(deadline.into(), going_on).await.unwrap_or_else(|_| {
            let stale = proxy.cache.stale_in_place(&lookup);
            ControlFlow::Break(stale.unwrap_or_else(|| Answer::Failed(too_late())))
        }),
        None => going_on.await,
    };
    answered.map_break(|answered| {
        let told = debug_field::told_of(proxy, &request.headers, &lookup, &answered);
        (answered, told)
    })
}

async fn answer_failed(session: &mut Session, context: &mut RequestContext, error: FetchError) -> Result<Flow> {
    context.cache.outcome = CacheOutcome::Miss;
    let detail = if error.status == StatusCode::SERVICE_UNAVAILABLE { "no-fill" } else { "fetch-failed" };
    Member::own(detail).append_to(&mut context.response.fields);
    if error.status == StatusCode::SERVICE_UNAVAILABLE {
        let (name, value) = super::retry_after(context.arrival.request_id);
        context.response.fields.insert(name, value);
    }
    context.response.error = Some(error.reason);
    answer(session, context, error.status).await
}

/// The body as this client gets it: coded, where it gains by that and the client accepts it.
async fn represent(
    proxy: &EdgeProxy,
    request: &RequestHeader,
    matched: &MatchedRoute,
    object: &Object,
    reader: Reader,
) -> (Reader, Representation) {
    let choice = chosen(&matched.route.cache_policy, &request.headers, &matched.path, object);
    let coding = match choice {
        Choice::Never => return (reader, Representation::Only),
        Choice::Plain => return (reader, Representation::Plain),
        Choice::Coded(coding) => coding,
    };
    if evaluate(&request.headers, object.meta.status, &object.meta.validators()) == Verdict::NotModified {
        return (reader, unsent(coding, &object.body.coded(coding)));
    }
    if object.body.length().is_none() {
        if !reader.soon_complete().await {
            return (reader, Representation::Plain);
        }
        // Its length may say otherwise now that it is known.
        if chosen(&matched.route.cache_policy, &request.headers, &matched.path, object) != choice {
            return (reader, Representation::Plain);
        }
    }
    match proxy.cache.code(&object.body, coding).await.and_then(|form| form.reader(0)) {
        Some(coded) => (coded, Representation::Coded(coding)),
        None => (reader, Representation::Plain),
    }
}

/// What a 304 is about whose client would get it in this coding. No body is coded for that: the weak entity tag that a
/// coded form has holds for the plain one as well.
fn unsent(coding: Coding, known: &Coded) -> Representation {
    match known {
        Coded::Form(_) | Coded::Unknown => Representation::Coded(coding),
        Coded::Useless | Coded::NoRoom => Representation::Plain,
    }
}

/// Whether this client gets it coded, were there a coded form. What is not stored nobody gets so.
pub(super) fn chosen(policy: &CachePolicy, request: &HeaderMap, path: &str, object: &Object) -> Choice {
    if policy.compression.is_none() || object.not_stored.is_some() {
        return Choice::Never;
    }
    let meta = &object.meta;
    let first_bytes = object.body.blocks().first().map(|block| &block[..block.len().min(USEFUL_FIRST_BYTES)]);
    let content = Content { status: meta.status, fields: &meta.headers, path, length: length_of(object), first_bytes };
    // Media never is, and every hit would have to find that out again. There are first bytes once the body is whole.
    if first_bytes.is_some() && !meta.compressible.get_or(|| is_compressible(&content)) {
        return Choice::Never;
    }
    choose(policy, request, &content)
}

fn too_late() -> FetchError {
    let reason = "the route's timeouts.response is over".to_owned();
    FetchError { status: StatusCode::GATEWAY_TIMEOUT, reason }
}

/// What a fill sends in the name of this request: a GET for the whole, whatever the request itself is.
pub(super) fn fill_request(request: &RequestHeader, context: &RequestContext, matched: &MatchedRoute) -> FillRequest {
    let mut fill = origin_request(request, context, matched);
    for name in SELECTING {
        fill.fields.remove(name);
    }
    reduce_to_key(&mut fill, context, matched);
    FillRequest { method: Method::GET, ..fill }
}

/// A copy of a request without a body, for the route's pool for copies.
pub(super) fn copy_request(request: &RequestHeader, context: &RequestContext, matched: &MatchedRoute) -> FillRequest {
    let mut copy = origin_request(request, context, matched);
    copy.context.pool = PoolChoice::Mirror;
    copy.context.journal = Arc::default();
    copy
}

/// A request of this node's own like a client's.
fn origin_request(request: &RequestHeader, context: &RequestContext, matched: &MatchedRoute) -> FillRequest {
    let mut fields = sent_fields(&request.headers);
    if !fields.contains_key(header::HOST) {
        let authority = request.uri.authority().map_or_else(
            || context.arrival.host.as_deref().unwrap_or_default().to_owned(),
            |authority| authority.as_str().to_owned(),
        );
        if let Ok(value) = HeaderValue::from_str(&authority) {
            fields.insert(header::HOST, value);
        }
    }
    FillRequest {
        method: request.method.clone(),
        target: Bytes::copy_from_slice(origin_form(request)),
        fields,
        resumes: None,
        context: FillContext {
            snapshot: Arc::clone(&context.snapshot),
            site: Arc::clone(&matched.site),
            route: Arc::clone(&matched.route),
            pool: matched.pool,
            request_id: context.arrival.request_id,
            trace: context.arrival.trace.clone(),
            over_tls: context.client.scheme == Scheme::Https,
            notes: Arc::new(FetchNotes::default()),
            journal: Arc::clone(context.journal()),
            hold: None,
            listener: None,
        },
    }
}

/// What `Cache-Status` says of a request that goes to the origin by itself (RFC 9211 section 2.2).
fn passage_member(passage: Passage) -> Member {
    let (reason, detail) = match passage {
        Passage::Rule(reason @ PassReason::OtherVersion) => (ForwardReason::from(reason), Some("precondition")),
        Passage::Rule(reason) => (ForwardReason::from(reason), None),
        Passage::OtherSpelling => (ForwardReason::UriMiss, Some("not-canonical")),
        Passage::Head => (ForwardReason::UriMiss, Some("head")),
        Passage::Unshareable => (ForwardReason::UriMiss, Some(NOT_SHAREABLE)),
        Passage::Oversize => (ForwardReason::UriMiss, Some("too-large")),
        Passage::Late => (ForwardReason::UriMiss, Some("joined-late")),
    };
    let outcome = StatusOutcome::Forward { reason, status: None, stored: false, collapsed: false };
    Member { outcome, ttl: None, detail }
}

//! The short way of the commonest request: a plain GET of something that is stored whole and fresh.
//!
//! It decides nothing by itself: route, key, `decide`, the fields of the response, metrics and log are those of every
//! request. What is not exactly this case, or cannot be read at a glance, takes the long way through the pipeline,
//! which answers the same request the same way, only slower.

mod hit_head;
mod http1;
mod http1_head;
mod http2;
mod http2_head;
mod preamble;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, Method, StatusCode};
use pingora_core::protocols::http::ServerSession;
use pingora_error::Result;
use pingora_http::ResponseHeader;

use self::hit_head::HitHead;
use self::preamble::Preamble;
use super::cache_key::{cache_key, selecting_fields, selecting_fields_of_all};
use super::consult_cache::chosen;
use super::enforce_kill_switches::is_touched;
use super::identify_client::received_trace;
use super::match_route::{Asked, Verdict, find_in};
use super::player_fields::requested_pace;
use super::record_outcome::{Exchange, has_left, is_answer, record};
use super::route_facts::change_response;
use super::serve_object::{PIECE, head_of, length_of, status_member};
use super::shape_response::NodeFields;
use super::{health, serve_object};
use crate::cache::compression::{Choice, Representation};
use crate::cache::engine::{Body, Coded, Lookup, Object, Outcome, Reader};
use crate::edge_proxy::EdgeProxy;
use crate::listener::ConnectionInfo;
use crate::request_context::{MatchedRoute, RequestContext};
use crate::telemetry::CacheOutcome;

pub(crate) use http1::Http1Hits;
pub(crate) use http2::Http2Hit;

/// Something stored that answers a request as it is, whole.
pub(crate) struct FreshHit {
    object: Arc<Object>,
    reader: Reader,
    representation: Representation,
    length: u64,
    now: SystemTime,
    /// In a box, as it is large and a hit is handed on from one to the next.
    context: Box<RequestContext>,
}

impl FreshHit {
    /// The answer to this request, if it is one of the plain ones.
    fn find(proxy: &EdgeProxy, asked: &Asked<'_>, connection: Arc<ConnectionInfo>) -> Option<Self> {
        if *asked.method != Method::GET {
            return None;
        }
        let mut context = Box::new(RequestContext::new(proxy.snapshot.load_full(), proxy.request_ids.next_id()));
        let preamble = Preamble::read(asked, connection, &mut context)?;
        Self::find_in(proxy, asked, &preamble, context)
    }

    /// The answer to this GET, whose fields have been read.
    fn find_in(
        proxy: &EdgeProxy,
        asked: &Asked<'_>,
        preamble: &Preamble,
        mut context: Box<RequestContext>,
    ) -> Option<Self> {
        if health::is_health_check(asked.target) {
            return None;
        }
        let Verdict::Route(matched) = find_in(&preamble.site, asked, &mut context) else { return None };
        // Only the long way writes as slowly as a player asks.
        if is_touched(proxy, &matched, &context) || requested_pace(&matched).is_some() {
            return None;
        }
        matched.route.pool(matched.pool)?; // else this node answers by itself, whatever is stored
        let key = cache_key(asked, &context, &matched);
        let rules = &matched.route.cache_policy.key;
        let selecting = match preamble.takes_away {
            true => selecting_fields(rules, asked.fields),
            false => selecting_fields_of_all(rules, asked.fields),
        };
        let lookup = Lookup {
            key: &key,
            facts: &preamble.facts,
            fields: &selecting,
            policy: &matched.route.cache_policy,
            path: &matched.path,
            may_fill: false,
        };
        let now = context.arrival.time;
        let object = proxy.cache.stored(&lookup, now)?;
        let reader = object.body.reader(0)?;
        // Trailer fields are the long way's business: few responses have any.
        let length = object.body.length().filter(|length| *length > 0 && object.body.trailers().is_none())?;
        if object.meta.status != StatusCode::OK || length_of(&object) != Some(length) {
            return None;
        }
        let represented = coded(&object, &matched, asked.fields)?;
        let (representation, reader, length) = match represented {
            (representation, Some(coded)) => (representation, coded.reader(0)?, coded.length()?),
            (representation, None) => (representation, reader, length),
        };
        if preamble.traced {
            context.arrival.trace = received_trace(asked.fields, context.arrival.request_id);
        }
        context.cache.outcome = CacheOutcome::Hit;
        context.route = Some(matched);
        Some(Self { object, reader, representation, length, now, context })
    }

    fn hit_head(&self) -> HitHead<'_> {
        HitHead {
            meta: &self.object.meta,
            representation: self.representation,
            length: self.length,
            now: self.now,
            member: status_member(&self.object, Outcome::Hit, self.now),
            node: NodeFields::of_stored(&self.object.meta, &self.context),
        }
    }

    fn head(&self) -> Result<ResponseHeader> {
        let mut fields = self.hit_head().fields()?;
        change_response(&mut fields, &self.context)?;
        head_of(self.object.meta.status, fields)
    }

    async fn write(&mut self, session: &mut ServerSession) -> Result<()> {
        let head = self.head()?;
        self.context.response.first_byte = Some(Instant::now());
        session.write_response_header(Box::new(head)).await?;
        while let Some(bytes) = self.reader.next(PIECE).await.map_err(serve_object::truncated)? {
            let last = self.reader.at_end();
            session.write_response_body(bytes, last).await?;
        }
        Ok(())
    }
}

/// The form of the body that this client gets, where it is another one. Nothing where it is still to be made.
fn coded(object: &Object, matched: &MatchedRoute, fields: &HeaderMap) -> Option<(Representation, Option<Arc<Body>>)> {
    match chosen(&matched.route.cache_policy, fields, &matched.path, object) {
        Choice::Never => Some((Representation::Only, None)),
        Choice::Plain => Some((Representation::Plain, None)),
        Choice::Coded(coding) => match object.body.coded(coding) {
            Coded::Form(form) => Some((Representation::Coded(coding), Some(form))),
            Coded::Useless | Coded::NoRoom => Some((Representation::Plain, None)),
            Coded::Unknown => None,
        },
    }
}

/// Answers a request of HTTP/3 if it is a plain one; otherwise the session comes back untouched.
pub(crate) async fn serve_fresh(
    proxy: &EdgeProxy,
    session: ServerSession,
    connection: Arc<ConnectionInfo>,
) -> Option<ServerSession> {
    let Some(hit) = FreshHit::find(proxy, &Asked::of(session.req_header()), connection) else {
        return Some(session);
    };
    write_and_record(proxy, session, hit).await;
    None
}

async fn write_and_record(proxy: &EdgeProxy, mut session: ServerSession, mut hit: FreshHit) {
    let written = hit.write(&mut session).await;
    let left = written.as_ref().is_err_and(|error| has_left(error));
    let is_answer = is_answer(session.body_bytes_sent() as u64, left);
    let exchange = Exchange {
        asked: Asked::of(session.req_header()),
        status: session.response_written().map(|head| head.status).filter(|_| is_answer),
        request_bytes: session.body_bytes_read() as u64,
        response_bytes: session.body_bytes_sent() as u64,
        ended: Instant::now(),
    };
    let error = written.as_ref().err();
    record(proxy, &exchange, error.map(|error| error as &dyn std::fmt::Display), &hit.context);
    if written.is_ok() && session.finish().await.is_err() {
        log::debug!("request {}: the client left at the end", hit.context.arrival.request_id);
    }
    // After an error the session is dropped with its stream open, which resets it: the client sees that it is cut.
}

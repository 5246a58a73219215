//! The phases of a request, in the order they run. Phases translate between the request and the features; the
//! features decide.

mod admit_response_head;
mod answer_options;
mod cache_contents;
mod cache_key;
mod cache_pins;
mod choose_origin;
mod consult_cache;
mod debug_field;
mod enforce_kill_switches;
mod explain;
mod handle_origin_failure;
mod health;
mod hold_back;
mod identify_client;
mod match_route;
mod mirror_request;
mod note_response;
mod own_request;
mod player_fields;
mod prefetch_next;
mod prepare_origin_request;
mod purge_cache;
mod record_outcome;
mod relay_interim;
mod respond_error;
mod retry_after;
mod route_facts;
mod serve_fresh;
mod serve_object;
mod shape_response;
mod warm_cache;

use pingora_error::Result;
use pingora_proxy::Session;

use self::match_route::Asked;
use crate::edge_proxy::EdgeProxy;
use crate::request_context::RequestContext;

pub(crate) use cache_contents::Contents;
pub(crate) use cache_pins::{Pins, PinsOf};
pub(crate) use choose_origin::choose_origin;
pub(crate) use explain::Explainer;
pub(crate) use handle_origin_failure::{connection_failed, exchange_failed, judge_response, response_ended};
pub(crate) use player_fields::keep_pace_of_passed;
pub(crate) use prefetch_next::Seen;
pub(crate) use prepare_origin_request::{await_request_body, count_request_body, prepare_origin_request};
pub(crate) use purge_cache::Purger;
pub(crate) use record_outcome::{SharedAccessLog, record_outcome};
pub(crate) use respond_error::{replace_error, respond_error};
use retry_after::retry_after;
pub(crate) use serve_fresh::{Http1Hits, Http2Hit, serve_fresh};
pub(crate) use shape_response::{admit_origin_response, shape_passed_response};
pub(crate) use warm_cache::Warming;

/// What a phase has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The next phase.
    Continue,
    /// A response has been written.
    Answered,
}

/// Runs all phases before an origin is asked. `true` when the request is answered.
pub(crate) async fn run(proxy: &EdgeProxy, session: &mut Session, context: &mut RequestContext) -> Result<bool> {
    if identify_client::adopt_fill(session, context) {
        mirror_request::mirror_request(proxy, session, context);
        return Ok(false);
    }
    identify_client::identify_client(session, context);
    relay_interim::spare_old_clients(session);
    if health::answer_health_check(proxy, session, context).await? == Flow::Answered {
        return Ok(true);
    }
    if let Some(status) = identify_client::refusal(&Asked::of(session.req_header()), context) {
        return Ok(respond_error::answer(session, context, status).await? == Flow::Answered);
    }
    if answer_options::answer_options(session, context).await? == Flow::Answered {
        return Ok(true);
    }
    if match_route::match_route(proxy, session, context).await? == Flow::Answered {
        return Ok(true);
    }
    let answered = consult_cache::consult_cache(proxy, session, context).await? == Flow::Answered;
    if !answered {
        mirror_request::mirror_request(proxy, session, context);
    }
    Ok(answered)
}

//! `impl ProxyHttp`: each callback of the pipeline delegates to its phase.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use crate::admin::{AdminToken, Lifecycle};
use crate::cache::engine::CacheEngine;
use crate::kill_switch::KillSwitches;
use crate::origin::{FillRequest, Resolver};
use crate::phases;
use crate::phases::{Seen, SharedAccessLog};
use crate::prefetch::Prefetcher;
use crate::request_context::RequestContext;
use crate::route_actions::MirrorSender;
use crate::runtime_snapshot::RuntimeSnapshot;
use crate::telemetry::{Metrics, RequestIdSource};

/// Everything the phases use that outlives a request.
pub(crate) struct EdgeProxy {
    /// The configuration in force.
    pub(crate) snapshot: Arc<ArcSwap<RuntimeSnapshot>>,
    /// The cache.
    pub(crate) cache: Arc<CacheEngine<FillRequest>>,
    /// Copies of requests for other pools.
    pub(crate) mirror: MirrorSender,
    /// Addresses of origins.
    pub(crate) resolver: Resolver,
    /// Metrics.
    pub(crate) metrics: Arc<Metrics>,
    /// Access log.
    pub(crate) access_log: SharedAccessLog,
    /// What operators have switched on by hand.
    pub(crate) kill_switches: Arc<KillSwitches>,
    /// What clients show to be told how the cache came to a response.
    pub(crate) debug_token: Arc<ArcSwapOption<AdminToken>>,
    /// Ids of requests.
    pub(crate) request_ids: RequestIdSource,
    /// Whether this node serves, drains or stops.
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// What players will ask for next.
    pub(crate) prefetcher: Prefetcher<Seen>,
    /// This, for what goes on when a request is over.
    pub(crate) this: Weak<EdgeProxy>,
}

/// The edge as Pingora's pipeline sees it.
pub(crate) struct Pipeline(pub Arc<EdgeProxy>);

#[async_trait]
impl ProxyHttp for Pipeline {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext::new(self.0.snapshot.load_full(), self.0.request_ids.next_id())
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, context: &mut RequestContext) -> Result<bool> {
        phases::run(&self.0, session, context).await
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut RequestContext,
    ) -> Result<()> {
        phases::count_request_body(body.as_ref(), end, context)
    }

    async fn upstream_peer(&self, session: &mut Session, context: &mut RequestContext) -> Result<Box<HttpPeer>> {
        phases::choose_origin(&self.0, session, context).await
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        phases::await_request_body(session, context);
        phases::prepare_origin_request(request, context)
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        phases::judge_response(session, response, context)?;
        phases::admit_origin_response(session, response, context)?;
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            phases::response_ended(context); // what follows may last for hours
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut RequestContext,
    ) -> Result<Option<Duration>> {
        if end {
            phases::response_ended(context);
        }
        Ok(phases::keep_pace_of_passed(body.as_ref(), context))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        phases::shape_passed_response(&self.0, session, response, context)?;
        phases::replace_error(session, response, context)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut RequestContext,
        error: Box<Error>,
    ) -> Box<Error> {
        phases::connection_failed(context, error)
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut RequestContext,
        reused: bool,
    ) -> Box<Error> {
        phases::exchange_failed(session, context, error.more_context(format!("peer {peer}")), reused)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut RequestContext) -> FailToProxy {
        phases::respond_error(session, error, context).await
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut RequestContext) {
        phases::record_outcome(&self.0, session, error, context);
    }

    /// The access log has every failed request with its reason; a second line for each would drown the rest.
    fn suppress_error_log(&self, _session: &Session, _context: &RequestContext, _error: &Error) -> bool {
        true
    }

    /// `attempts` in the access log tells of each attempt; Pingora's line would be written by the worker itself.
    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _context: &RequestContext,
        _error: &Error,
        _about: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    /// Whatever else Pingora logs with it: no query, which may carry secrets.
    fn request_summary(&self, session: &Session, context: &RequestContext) -> String {
        format!("{} request {}", session.req_header().method, context.arrival.request_id)
    }
}

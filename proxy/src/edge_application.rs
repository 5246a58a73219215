//! What listeners hand requests to.
//!
//! Owns the choice between the two ways of a request: what is stored, fresh and plainly asked for is answered at
//! once, everything else goes through Pingora's pipeline and the callbacks of [`EdgeProxy`].

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::HttpSession;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;

use crate::edge_proxy::{EdgeProxy, Pipeline};
use crate::listener::{Application, AtOnce, CONNECTION, ConnectionInfo, ReadyResponses};
use crate::phases::{Http1Hits, answer_at_once, serve_fresh};

/// The edge as an application of listeners.
pub(crate) struct EdgeApplication {
    proxy: Arc<EdgeProxy>,
    pipeline: Arc<HttpProxy<Pipeline>>,
}

impl EdgeApplication {
    pub(crate) fn new(proxy: Arc<EdgeProxy>, pipeline: Arc<HttpProxy<Pipeline>>) -> Self {
        Self { proxy, pipeline }
    }
}

#[async_trait]
impl HttpServerApp for EdgeApplication {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // Over HTTP/1 the request is not even read yet; its plain hits never become a session. Those of HTTP/2 have been
        // answered at once.
        let session = match CONNECTION.try_with(Arc::clone) {
            Ok(connection) if session.is_custom() => serve_fresh(&self.proxy, session, connection).await?,
            _ => session,
        };
        self.pipeline.process_new_http(session, shutdown).await
    }
}

impl Application for EdgeApplication {
    fn ready_responses(self: &Arc<Self>, connection: &Arc<ConnectionInfo>) -> Option<Box<dyn ReadyResponses>> {
        Some(Box::new(Http1Hits::new(Arc::clone(&self.proxy), Arc::clone(connection))))
    }

    fn answer_at_once(self: &Arc<Self>, session: HttpSession, connection: &Arc<ConnectionInfo>) -> AtOnce {
        answer_at_once(&self.proxy, session, connection)
    }
}

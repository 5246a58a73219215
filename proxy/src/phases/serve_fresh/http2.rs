//! Plain hits over HTTP/2, answered while the connection's streams are accepted, without a task for each.
//!
//! What is short is handed to the connection at once; what is longer has to wait for the client's windows and becomes
//! a task, with what was found.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::HttpSession;
use pingora_error::{Error, ErrorType, OrErr, Result};

use super::{Asked, Exchange, FreshHit, PIECE, record, write_and_record};
use crate::edge_proxy::EdgeProxy;
use crate::listener::{AtOnce, ConnectionInfo};

/// A body up to this length is handed over whatever the client's windows are: one frame of the default size (RFC 9113
/// section 4.2). Nothing is copied, so that a client that takes none of them holds no memory but of what is stored.
const SHORT_BODY: u64 = 16 << 10;

/// Answers a request if it is a plain one.
pub(crate) fn answer_at_once(
    proxy: &Arc<EdgeProxy>,
    mut session: HttpSession,
    connection: &Arc<ConnectionInfo>,
) -> AtOnce {
    if !session.is_body_done() {
        return AtOnce::NotReady(session);
    }
    let Some(mut hit) = FreshHit::find(proxy, &Asked::of(session.req_header()), Arc::clone(connection)) else {
        return AtOnce::NotReady(session);
    };
    if hit.length > SHORT_BODY {
        let (proxy, session) = (Arc::clone(proxy), ServerSession::new_http2(session));
        return AtOnce::Ready(Box::pin(async move { write_and_record(&proxy, session, hit).await }));
    }
    let written = hit.hand_over(&mut session);
    let ended = Instant::now();
    hit.context.response.first_byte = Some(ended);
    let exchange = Exchange {
        asked: Asked::of(session.req_header()),
        status: session.response_written().map(|head| head.status),
        request_bytes: 0,
        response_bytes: if written.is_ok() { hit.length } else { 0 },
        ended,
    };
    record(proxy, &exchange, written.as_ref().err().map(|error| error as &dyn Display), &hit.context);
    AtOnce::Answered
}

impl FreshHit {
    /// Hands head and body to the connection, which sends them in its own time.
    fn hand_over(&mut self, session: &mut HttpSession) -> Result<()> {
        session.write_response_header(Box::new(self.head()?), false)?;
        let Some(mut writer) = session.take_response_body_writer() else {
            return Err(Error::explain(ErrorType::InternalError, "a response without a stream"));
        };
        while let Some(piece) = self.reader.next_stored(PIECE) {
            let sent = writer.send_data(piece, self.reader.at_end());
            sent.or_err(ErrorType::WriteError, "handing a stored body to HTTP/2")?;
        }
        Ok(())
    }
}

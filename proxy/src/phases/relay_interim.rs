//! Interim responses (RFC 9110 section 15.2) on their way to clients: of fills, and of what passes.

use http::{StatusCode, Version};
use pingora_error::{Error, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::serve_object::head_of;
use crate::cache::engine::{Hearing, InterimHead};
use crate::cache::rules::interim::ending_fields;

/// Whether the client may get any: HTTP/1.0 has none (RFC 9110 section 15.2).
fn knows_interim(session: &Session) -> bool {
    session.req_header().version > Version::HTTP_10
}

/// Has none written to a client that does not know them, wherever they come from.
pub(super) fn spare_old_clients(session: &mut Session) {
    if !knows_interim(session) {
        session.as_mut().set_ignore_info_resp(true);
    }
}

/// What the client is told while it waits for a fill.
pub(super) fn hearing_of(session: &Session) -> Hearing {
    if knows_interim(session) { Hearing::of_all() } else { Hearing::of_none() }
}

/// Writes those of a fill. An error is the client's, who has left.
pub(super) async fn relay_interim(session: &mut Session, heads: Vec<InterimHead>) -> Result<()> {
    for InterimHead { status, fields } in heads {
        let head = Box::new(head_of(status, fields)?);
        session.write_response_header(head, false).await.map_err(Error::into_down)?;
    }
    Ok(())
}

/// Takes from one that passes what ends at this hop.
pub(super) fn shape_interim(head: &mut ResponseHeader) {
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        for name in ending_fields(&head.headers) {
            head.remove_header(&name);
        }
    }
}

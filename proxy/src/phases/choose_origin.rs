//! Which origin is asked next.

use std::time::Instant;

use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};

use crate::edge_proxy::EdgeProxy;
use crate::origin::{Caller, ClientAddresses, peer};
use crate::request_context::RequestContext;

/// The next origin in the order of this request, as a peer.
pub(crate) async fn choose_origin(proxy: &EdgeProxy, context: &mut RequestContext) -> Result<Box<HttpPeer>> {
    let Some(matched) = &context.route else {
        return Err(Error::explain(ErrorType::InternalError, "no route was matched"));
    };
    let Some(name) = matched.route.origin_pool.as_ref().map(|pool| &pool.name) else {
        return Err(Error::explain(ErrorType::InternalError, "the route has no pool"));
    };
    let Some(pool) = context.snapshot.pool(name).cloned() else {
        return Err(Error::explain(ErrorType::InternalError, format!("pool {name} is not compiled")));
    };
    if context.origin.order.is_empty() {
        let seed = context.arrival.request_id.as_u128() as u64;
        context.origin.order = pool.order(seed, Instant::now());
    }
    let place = context.origin.attempts.checked_rem(context.origin.order.len()).unwrap_or(0);
    let Some(origin) = context.origin.order.get(place).cloned() else {
        return Err(Error::explain(ErrorType::HTTPStatus(503), format!("pool {name} has no origin")));
    };
    context.origin.attempts += 1;
    context.origin.current = Some(origin.clone());
    context.origin.pool = Some(pool.clone());
    match proxy.resolver.resolve(&origin.origin).await {
        Ok(addresses) => peer(&origin, &pool.pool, addresses, caller(context))
            .map_err(|error| Error::because(ErrorType::ConnectError, "connecting to an origin", error).into_up()),
        Err(error) => {
            origin.suspects.failed(Instant::now());
            let mut error = Error::because(ErrorType::ConnectError, "resolving an origin", error).into_up();
            error.set_retry(may_try_again(context));
            Err(error)
        }
    }
}

/// For whom the connection is made.
fn caller(context: &RequestContext) -> Caller<'_> {
    let client = context.connection.as_ref();
    let client = client.map(|client| ClientAddresses { source: client.peer, destination: client.local });
    Caller { host: context.arrival.host.as_deref(), client }
}

/// Whether another attempt is within the pool's bound.
pub(super) fn may_try_again(context: &RequestContext) -> bool {
    let allowed = context.origin.pool.as_ref().map_or(1, |pool| usize::from(pool.pool.attempts));
    context.origin.attempts < allowed
}

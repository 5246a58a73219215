//! Which origin is asked next: the first in the request's order that has room, else the first that gets room in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::handle_origin_failure::{Cost, attempt_ended, pay_for_rest, plan_attempt};
use super::route_facts::{bound_attempt, response_deadline};
use crate::edge_proxy::EdgeProxy;
use crate::origin::{
    Again, AttemptOutcome, BrokenOff, Caller, ClientAddresses, CompiledOrigin, CompiledPool, Demand, Ordered, Permit,
    peer,
};
use crate::request_context::{OriginContext, RequestContext};
use crate::routing::{PoolChoice, Tie, seed};
use crate::telemetry::{Rejection, RetryReason};

/// A connection made for one request alone is not kept for others.
const NOT_KEPT: Duration = Duration::ZERO;

/// How much longer a held request's connection may be silent than its fill waits.
const HOLD_MARGIN: Duration = Duration::from_secs(5);

/// The next origin of this request, as a peer.
pub(crate) async fn choose_origin(
    proxy: &EdgeProxy,
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<Box<HttpPeer>> {
    let pool = match &context.origin.pool {
        Some(pool) => Arc::clone(pool),
        None => begin(proxy, session, context)?,
    };
    loop {
        if deadline(context).is_some_and(|deadline| deadline <= Instant::now()) {
            let why = "the route's timeouts.response is over";
            return Err(Error::explain(ErrorType::ConnectTimedout, why).into_up());
        }
        let again = context.origin.again.take();
        let origin = match (&again, context.origin.current.clone()) {
            (Some(_), Some(current)) => current,
            _ => next(session, &pool, context).await?,
        };
        start_attempt(&origin, context);
        let error = match proxy.resolver.resolve(&origin.origin).await {
            Ok(addresses) => match peer(&origin, &pool.pool, addresses, caller(context)) {
                Ok(peer) => return Ok(adapted(peer, again, session, context)),
                Err(error) => Error::because(ErrorType::ConnectError, "connecting to an origin", error).into_up(),
            },
            Err(error) => Error::because(ErrorType::ConnectError, "resolving an origin", error).into_up(),
        };
        attempt_ended(context, AttemptOutcome::NoConnection);
        if !plan_attempt(context, RetryReason::Connect, Cost::Budget) {
            return Err(error);
        }
    }
}

/// Finds the pool and orders its origins for this request.
fn begin(proxy: &EdgeProxy, session: &Session, context: &mut RequestContext) -> Result<Arc<CompiledPool>> {
    if let Some(pool) = begin_pinned(proxy, context) {
        return Ok(pool);
    }
    let Some(matched) = &context.route else {
        return Err(Error::explain(ErrorType::InternalError, "no route was matched"));
    };
    let Some(name) = matched.route.pool(matched.pool).map(|pool| &pool.name) else {
        return Err(Error::explain(ErrorType::InternalError, "the route has no pool"));
    };
    let Some(pool) = context.snapshot.pool(name).cloned() else {
        return Err(Error::explain(ErrorType::InternalError, format!("pool {name} is not compiled")));
    };
    let now = Instant::now();
    let Ordered { origins: mut order, trial } = pool.order(seed_of(&pool, session, context), now);
    if let Some(hedged) = context.fill.as_ref().and_then(|fill| fill.notes.hedged.as_ref()) {
        order.retain(|origin| origin.origin.name != *hedged);
    }
    match context.fill.as_ref().and_then(|fill| fill.notes.resumes.as_ref()) {
        Some(broken) => begin_resumption(&pool, &mut order, broken)?,
        None => pool.protection.retries.request(now),
    }
    (context.origin.order, context.origin.trial) = (order, trial);
    context.origin.pool = Some(Arc::clone(&pool));
    Ok(pool)
}

/// The rest of a response is asked for like a further attempt: at other origins first, and paid for.
fn begin_resumption(pool: &CompiledPool, order: &mut Vec<Arc<CompiledOrigin>>, broken: &BrokenOff) -> Result<()> {
    let is_broken = |origin: &Arc<CompiledOrigin>| Some(&origin.origin.name) == broken.origin.as_ref();
    let place = order.iter().position(is_broken);
    let failed = place.map(|place| order.remove(place));
    order.extend(failed.clone());
    if order.first().is_none_or(|next| pay_for_rest(pool, failed.as_deref(), next)) {
        return Ok(());
    }
    let why = format!("the budget of pool {} for further attempts is spent", pool.pool.name);
    Err(Error::explain(ErrorType::HTTPStatus(503), why).into_up())
}

/// The one origin that a kill switch names, whatever its health; none, as long as the configuration does not have it.
fn begin_pinned(proxy: &EdgeProxy, context: &mut RequestContext) -> Option<Arc<CompiledPool>> {
    // Copies go where they always went: the operator singled this origin out for clients.
    let matched = context.route.as_ref().filter(|matched| matched.pool != PoolChoice::Mirror)?;
    let (site, route) = (&matched.site.site.name, &matched.route.route.name);
    let pin = proxy.kill_switches.pinned(site, route, SystemTime::now())?;
    let pool = Arc::clone(context.snapshot.pool(&pin.pool)?);
    let origin = Arc::clone(pool.origins.iter().find(|origin| origin.origin.name == pin.origin)?);
    context.origin.order = vec![origin];
    context.origin.pool = Some(Arc::clone(&pool));
    Some(pool)
}

/// By chance for each request, or by what ties requests together.
fn seed_of(pool: &CompiledPool, session: &Session, context: &RequestContext) -> u64 {
    let by_chance = context.arrival.request_id.as_u128() as u64;
    let (Some(key), Some(matched)) = (&pool.pool.sticky, &context.route) else { return by_chance };
    let host = context.arrival.host.as_deref().unwrap_or_default();
    let (path, fields) = (matched.path.as_str(), &session.req_header().headers);
    let client = if context.is_fill() { None } else { context.client.address };
    seed(key, &Tie { host, path, fields, client })
}

/// An origin and leave to ask it.
async fn next(session: &mut Session, pool: &CompiledPool, context: &mut RequestContext) -> Result<Arc<CompiledOrigin>> {
    context.origin.permit = None; // of the attempt before
    let found = match context.origin.reserved.take() {
        Some(reserved) => Some(reserved),
        None => match reserve(pool, context) {
            Some(reserved) => Some(reserved),
            None => wait_unless_client_leaves(session, pool, context).await?,
        },
    };
    let Some((origin, permit)) = found else { return Err(no_room(pool, context)) };
    context.origin.permit = Some(permit);
    Ok(origin)
}

/// The first origin left in the order that has room now. Spilling over to the next one keeps within its bounds too.
pub(super) fn reserve(pool: &CompiledPool, context: &mut RequestContext) -> Option<(Arc<CompiledOrigin>, Permit)> {
    let demand = demand(context);
    let order = &mut context.origin.order;
    let admitted = |(place, origin): (usize, &Arc<CompiledOrigin>)| {
        origin.protection.admit(demand, &pool.pool).ok().map(|permit| (place, permit))
    };
    let (place, permit) = order.iter().enumerate().find_map(admitted)?;
    Some((order.remove(place), permit))
}

/// Waits for room. A client that leaves meanwhile gives up its place in the queue, where its leaving can be seen: once
/// its whole request is read.
async fn wait_unless_client_leaves(
    session: &mut Session,
    pool: &CompiledPool,
    context: &mut RequestContext,
) -> Result<Option<(Arc<CompiledOrigin>, Permit)>> {
    if context.is_fill() || !session.is_body_done() {
        return Ok(wait(pool, context).await);
    }
    tokio::select! {
        biased;
        found = wait(pool, context) => Ok(found),
        left = session.as_mut().read_body_or_idle(true) => {
            let left = left.err().unwrap_or_else(|| Error::new(ErrorType::ConnectionClosed));
            Err(left.into_down())
        }
    }
}

/// Waits at the first origin where waiting may help.
async fn wait(pool: &CompiledPool, context: &mut RequestContext) -> Option<(Arc<CompiledOrigin>, Permit)> {
    let (demand, deadline) = (demand(context), deadline(context));
    let mut place = 0;
    while let Some(origin) = context.origin.order.get(place).cloned() {
        match origin.protection.wait(demand, &pool.pool, deadline).await {
            Ok(permit) => return Some((context.origin.order.remove(place), permit)),
            Err(Rejection::Circuit) => place += 1,
            Err(_) => return None,
        }
    }
    None
}

/// 503: who asks may come again (RFC 9110 section 15.6.4).
fn no_room(pool: &CompiledPool, context: &mut RequestContext) -> Box<Error> {
    let (name, value) = super::retry_after(context.arrival.request_id);
    context.response.fields.insert(name, value);
    let why = format!("every origin of pool {} is at its limits or its circuit is open", pool.pool.name);
    Error::explain(ErrorType::HTTPStatus(503), why).into_up()
}

pub(super) fn demand(context: &RequestContext) -> Demand {
    match &context.fill {
        Some(fill) if fill.hold.is_some() => Demand::HeldBack,
        Some(_) => Demand::Fill,
        None => Demand::Pass,
    }
}

/// When the head of the response must be here. A fill goes on for others when a client's time is over.
pub(super) fn deadline(context: &RequestContext) -> Option<Instant> {
    response_deadline(context)
}

fn start_attempt(origin: &Arc<CompiledOrigin>, context: &mut RequestContext) {
    let now = Instant::now();
    let OriginContext { attempts, first_attempt, order, pool, trial, .. } = &mut context.origin;
    trial.take_if(|trial| !origin.health.is_tried_by(trial)); // it had no room: the trial is another request's
    *attempts += 1;
    first_attempt.get_or_insert(now);
    if let (Some(fill), Some(pool)) = (&context.fill, pool) {
        // What an origin holds back is not late: there is no hedge for it.
        let others = if fill.hold.is_some() { 0 } else { order.len() };
        fill.notes.asks(pool, origin, *attempts, others);
    }
    let number = context.journal().begin(origin.origin.name.clone());
    context.origin.attempt = Some((number, now));
    (context.origin.status, context.origin.unfinished) = (None, false);
    // What is kept of the body is sent, and counted, again.
    (context.origin.request_bytes, context.origin.interim_responses) = (0, 0);
    context.origin.current = Some(Arc::clone(origin));
}

/// Fits the peer to this attempt: what is left of its time, and a fresh connection after a race.
fn adapted(
    mut peer: Box<HttpPeer>,
    again: Option<Again>,
    session: &mut Session,
    context: &RequestContext,
) -> Box<HttpPeer> {
    bound_attempt(&mut peer, session, context);
    // A WebSocket's time-out is that of its silence, head or not.
    if let Some(deadline) = deadline(context)
        && context.route.as_ref().is_none_or(|matched| !matched.websocket)
    {
        let left = deadline.saturating_duration_since(Instant::now());
        let options = &mut peer.options;
        let bounded = |timeout: Option<Duration>| Some(timeout.map_or(left, |timeout| timeout.min(left)));
        options.connection_timeout = bounded(options.connection_timeout);
        options.total_connection_timeout = bounded(options.total_connection_timeout);
        options.read_timeout = bounded(options.read_timeout);
    }
    if let Some(hold) = context.hold() {
        // The fill itself gives up before.
        peer.options.read_timeout = Some(hold.timeout + HOLD_MARGIN);
    }
    if again == Some(Again::Fresh) {
        peer.group_key ^= context.arrival.request_id.as_u128() as u64;
        peer.options.idle_timeout = Some(NOT_KEPT);
    }
    peer
}

/// For whom the connection is made.
fn caller(context: &RequestContext) -> Caller<'_> {
    let client = context.connection.as_ref().map(|connection| {
        // Behind a trusted proxy the client is another than who connected, and its port is not known.
        let told = context.client.address.filter(|address| *address != connection.peer.ip().to_canonical());
        let source = told.map_or(connection.peer, |address| SocketAddr::new(address, 0));
        ClientAddresses { source, destination: connection.local }
    });
    Caller { host: context.arrival.host.as_deref(), client }
}

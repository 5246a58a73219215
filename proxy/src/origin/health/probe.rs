//! One probe: a connection, or a request and its answer, made exactly as a request of a client would be.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use http::{StatusCode, Uri, Version, header};
use pingora_core::connectors::L4Connect as _;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::l4::socket::SocketAddr as PeerAddress;
use pingora_error::{Error, ErrorType};
use pingora_http::RequestHeader;
use tidegate_config::model::{HostPolicy, HttpProbe, OriginPool, Probe};
use tidegate_steering::health::{Depth, ProbeResult};

use super::lasting::LastProbe;
use crate::origin::address::AddressConnector;
use crate::origin::error_words::plainly;
use crate::origin::proxy_header::proxy_header;
use crate::origin::{Addresses, Caller, CompiledOrigin, Resolver, authorise, host_field, peer, prefix_target};
use crate::telemetry::ProbeOutcome;

/// Tells whoever reads the origin's log what these requests are.
const USER_AGENT: &str = concat!("Tidegate-Health/", env!("CARGO_PKG_VERSION"));

/// As much of a body as is searched for the expected text.
const BODY_SEARCHED: usize = 64 * 1024;

/// Interim responses before the answer; a probe that gets more is told nothing.
const MAX_INTERIM_RESPONSES: usize = 16;

/// Why a probe did not pass.
struct Failure {
    outcome: ProbeOutcome,
    error: String,
}

impl Failure {
    fn new(outcome: ProbeOutcome, error: impl ToString) -> Self {
        Self { outcome, error: error.to_string() }
    }
}

/// Probes an origin once, within the time-out of its pool.
pub(super) async fn probe(
    origin: &CompiledOrigin,
    pool: &OriginPool,
    resolver: &Resolver,
    connector: &Connector,
) -> (ProbeResult, LastProbe) {
    let (at, began) = (SystemTime::now(), Instant::now());
    let mut addresses = Vec::new();
    let attempt = attempt(origin, pool, resolver, connector, &mut addresses);
    let ended = tokio::time::timeout(pool.health.timeout, attempt).await.unwrap_or_else(|_| {
        Err(Failure::new(ProbeOutcome::TimedOut, format!("no answer within {:?}", pool.health.timeout)))
    });
    let duration = began.elapsed();
    let last = |outcome, error| LastProbe { at, duration, outcome, error, addresses };
    match ended {
        Ok(depth) => (ProbeResult::Passed(depth), last(ProbeOutcome::Passed, None)),
        Err(Failure { outcome: ProbeOutcome::Refused, error }) => {
            (ProbeResult::Refused, last(ProbeOutcome::Refused, Some(error)))
        }
        Err(Failure { outcome, error }) => (ProbeResult::Failed, last(outcome, Some(error))),
    }
}

async fn attempt(
    origin: &CompiledOrigin,
    pool: &OriginPool,
    resolver: &Resolver,
    connector: &Connector,
    found: &mut Vec<SocketAddr>,
) -> Result<Depth, Failure> {
    let resolved = resolver.resolve(&origin.origin).await;
    let addresses = resolved.map_err(|error| Failure::new(ProbeOutcome::Unresolved, error))?;
    *found = addresses.all().to_vec();
    match &pool.health.probe {
        Probe::Http(http) => {
            exchange(origin, pool, http, addresses, connector).await?;
            Ok(Depth::Exchange)
        }
        Probe::Tcp | Probe::Off => {
            connect(origin, pool, addresses).await?;
            Ok(Depth::Connection)
        }
    }
}

async fn connect(origin: &CompiledOrigin, pool: &OriginPool, addresses: Addresses) -> Result<(), Failure> {
    let first = PeerAddress::Inet(addresses.first());
    let preface = origin.origin.proxy_protocol.map(|version| proxy_header(version, None)).unwrap_or_default();
    let connector = AddressConnector { addresses, timeout: pool.health.timeout, preface };
    connector.connect(&first).await.map(drop).map_err(|error| connection_failure(&error))
}

async fn exchange(
    origin: &CompiledOrigin,
    pool: &OriginPool,
    probe: &HttpProbe,
    addresses: Addresses,
    connector: &Connector,
) -> Result<(), Failure> {
    let host = host(origin, pool, probe);
    let caller = Caller { host: Some(&host), client: None };
    let mut peer = peer(origin, pool, addresses, caller).map_err(|error| Failure::new(ProbeOutcome::Tls, error))?;
    // One stream a connection, and none is ever given back: each probe finds out about a connection of its own.
    peer.options.max_h2_streams = 1;
    let request = request(origin, probe, &host).map_err(|error| Failure::new(ProbeOutcome::Broken, error))?;
    let connected = connector.get_http_session(&*peer).await;
    let (mut session, _) = connected.map_err(|error| connection_failure(&error))?;
    session.set_read_timeout(Some(pool.health.timeout));
    session.set_write_timeout(Some(pool.health.timeout));
    let outcome = ask(&mut session, request, probe, origin.origin.tls.is_some()).await;
    session.shutdown().await;
    outcome
}

async fn ask(
    session: &mut HttpSession,
    mut request: RequestHeader,
    probe: &HttpProbe,
    over_tls: bool,
) -> Result<(), Failure> {
    if session.as_http2().is_some() {
        to_http2(&mut request, over_tls).map_err(|error| Failure::new(ProbeOutcome::Broken, error))?;
    }
    let answered = async {
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        status(session).await
    };
    let status = answered.await.map_err(|error| exchange_failure(&error))?;
    if !probe.statuses.iter().any(|expected| expected.contains(&status.as_u16())) {
        return Err(Failure::new(ProbeOutcome::WrongStatus, format!("answered {}", status.as_u16())));
    }
    match &probe.body_contains {
        Some(text) if !body_contains(session, text.as_bytes()).await? => {
            Err(Failure::new(ProbeOutcome::WrongBody, format!("the body does not contain {text:?}")))
        }
        _ => Ok(()),
    }
}

/// The status of the final response (RFC 9110 section 15.2).
async fn status(session: &mut HttpSession) -> pingora_error::Result<StatusCode> {
    for _ in 0..=MAX_INTERIM_RESPONSES {
        session.read_response_header().await?;
        if let Some(head) = session.response_header()
            && !head.status.is_informational()
        {
            return Ok(head.status);
        }
    }
    Err(Error::explain(ErrorType::InvalidHTTPHeader, "too many interim responses"))
}

async fn body_contains(session: &mut HttpSession, text: &[u8]) -> Result<bool, Failure> {
    let mut body: Vec<u8> = Vec::new();
    let found = |body: &[u8]| memchr::memmem::find(body, text).is_some();
    while body.len() < BODY_SEARCHED {
        let piece = session.read_response_body().await.map_err(|error| exchange_failure(&error))?;
        let Some(piece) = piece else { break };
        let room = BODY_SEARCHED - body.len();
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if found(&body) {
            return Ok(true);
        }
    }
    Ok(found(&body))
}

/// The Host field: the probe's own, the pool's, or, where that is the client's, the origin's.
fn host(origin: &CompiledOrigin, pool: &OriginPool, probe: &HttpProbe) -> String {
    let pools = || host_field(&pool.host, &origin.origin).or_else(|| host_field(&HostPolicy::Origin, &origin.origin));
    probe.host.clone().or_else(|| pools().map(String::from)).unwrap_or_else(|| origin.origin.host.clone())
}

fn request(origin: &CompiledOrigin, probe: &HttpProbe, host: &str) -> Result<RequestHeader, String> {
    let built = || {
        let mut request = RequestHeader::build(probe.method.clone(), probe.path.as_bytes(), Some(5))?;
        prefix_target(origin, &mut request)?;
        request.insert_header(header::HOST, host)?;
        request.insert_header(header::USER_AGENT, USER_AGENT)?;
        request.insert_header(header::ACCEPT, "*/*")?;
        Ok::<_, Box<Error>>(request)
    };
    let mut request = built().map_err(|error| error.to_string())?;
    authorise(origin, &mut request, SystemTime::now()).map_err(|error| error.to_string())?;
    Ok(request)
}

/// HTTP/2 has scheme and authority in the target's place (RFC 9113 section 8.3.1), and no Host field needs to go along.
fn to_http2(request: &mut RequestHeader, over_tls: bool) -> Result<(), String> {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let target = String::from_utf8_lossy(request.raw_path()).into_owned();
    let scheme = if over_tls { "https" } else { "http" };
    let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(target).build();
    request.set_uri(uri.map_err(|error| error.to_string())?);
    request.remove_header(&header::HOST);
    request.set_version(Version::HTTP_2);
    Ok(())
}

fn connection_failure(error: &Error) -> Failure {
    let outcome = match error.etype() {
        ErrorType::ConnectRefused => ProbeOutcome::Refused,
        ErrorType::ConnectTimedout => ProbeOutcome::TimedOut,
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::InvalidCert
        | ErrorType::TLSWantX509Lookup => ProbeOutcome::Tls,
        ErrorType::H2Error | ErrorType::HandshakeError => ProbeOutcome::Broken,
        _ => ProbeOutcome::Unreachable,
    };
    Failure::new(outcome, plainly(error))
}

fn exchange_failure(error: &Error) -> Failure {
    let timed_out = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout);
    Failure::new(if timed_out { ProbeOutcome::TimedOut } else { ProbeOutcome::Broken }, plainly(error))
}

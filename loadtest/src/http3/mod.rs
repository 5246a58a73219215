//! Closed-loop load over HTTP/3: a client with its own framing straight over quinn, because what it costs must stay
//! small beside what the server costs. It speaks as much of RFC 9114 as one repeated GET needs, and checks that much.
//!
//! `response` and `field_section` are pure; `connection` owns QUIC; `closed_loop` decides who sends when.

mod closed_loop;
mod connection;
mod field_section;
mod huffman;
mod request;
mod response;
mod server_stream;
mod static_table;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::arguments::Http3Options;
use crate::report::{Asked, FirstResponse, Report};
use crate::schedule::Schedule;
use crate::target::Target;
use crate::trust;
use closed_loop::{Expectation, Run};
use connection::{Connection, Connector};

/// Makes one run: connects, fetches the first response, then loads until the schedule ends.
pub(crate) async fn run(options: &Http3Options) -> Result<Report> {
    let target = Target::parse(&options.url)?;
    let address = match options.connect {
        Some(address) => address,
        None => target.resolve().await?,
    };
    let tls = trust::client_config(options.ca.as_deref(), &[b"h3"])?;
    let connector = Connector::new(tls, address, target.host())?;
    let connections = connect_all(&connector, options.connections, address).await?;
    let get = request::encode_get(&target);
    let first_response = fetch_first(&connections, &get, options).await?;
    let expectation = Expectation { status: options.expect_status, body_bytes: first_response.body_bytes };
    let schedule = Schedule::new(Instant::now(), options.duration, options.requests);
    let run = Arc::new(Run::new(connector, get, expectation, schedule, options.streams));
    closed_loop::drive(&run, connections, options.grace).await;
    let asked =
        Asked { protocol: "h3", url: options.url.clone(), connections: options.connections, streams: options.streams };
    let tally = run.tally();
    Ok(Report::new(asked, first_response, run.schedule().start(), &tally))
}

/// Handshakes one after another: they are not what is measured, and all at once would only overrun the server.
async fn connect_all(connector: &Connector, count: u32, address: SocketAddr) -> Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let connection = connector.connect().await;
        connections.push(connection.with_context(|| format!("cannot connect to {address} over QUIC"))?);
    }
    Ok(connections)
}

async fn fetch_first(connections: &[Connection], get: &bytes::Bytes, options: &Http3Options) -> Result<FirstResponse> {
    let connection = connections.first().context("a run needs a connection")?;
    let fetch = connection.fetch_once(get);
    let first = tokio::time::timeout(options.duration + options.grace, fetch).await;
    let first = first.context("the first request was not answered")?.context("the first request failed")?;
    let (status, length) = (first.status, first.body_bytes);
    ensure!(status == options.expect_status, "status {status} where {} was expected", options.expect_status);
    if let Some(expected) = options.expect_length {
        ensure!(length == expected, "{length} bytes of body where {expected} were expected");
    }
    let declared = first.fields.iter().find(|field| field.0 == "content-length").map(|field| field.1.as_str());
    let agrees = declared.is_none_or(|declared| declared.parse() == Ok(length));
    ensure!(agrees, "{length} bytes of body where content-length says {}", declared.unwrap_or_default());
    Ok(first)
}

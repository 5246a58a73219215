//! HTTP/2 over TLS, by the h2 crate.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use tokio::sync::watch;

use super::message::{End, Head, Interim, Request, from_map};
use super::{Piece, Target, raw};

/// Window of one stream: small, so that a reader which pauses is soon felt at the other side.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Window of a connection: wide, so that a paused stream does not hold up the others.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Largest header list that is accepted.
const MAX_HEADER_LIST: u32 = 256 * 1024;

pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    closed: watch::Receiver<bool>,
    driver: tokio::task::JoinHandle<()>,
}

impl Connection {
    pub(super) async fn open(target: &Target) -> anyhow::Result<Self> {
        let tls = raw::handshake(raw::connect(target).await?, target, "h2").await?;
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_LIST)
            .enable_push(false)
            .handshake(tls)
            .await?;
        let (ended, closed) = watch::channel(false);
        let driver = tokio::spawn(async move {
            // Its errors reach the streams; here only the end counts.
            let _end = connection.await;
            ended.send_replace(true);
        });
        Ok(Self { sender, closed, driver })
    }

    pub(super) async fn request(&self, request: &Request) -> anyhow::Result<(Head, Body)> {
        let mut sender = self.sender.clone().ready().await?;
        let (mut response, stream) = sender.send_request(request.to_http()?, !request.has_body())?;
        if request.has_body() {
            // Beside the reading: a server may answer before it has read all.
            tokio::spawn(send_body(stream, request.body.clone()));
        }
        let interim = interim(&mut response, request).await?;
        let (parts, stream) = response.await?.into_parts();
        Ok((Head::from_http(&request.method, parts.status, &parts.headers).behind(interim), Body { stream }))
    }

    pub(super) async fn closed(&self) {
        let mut closed = self.closed.clone();
        // An error means that the driver is gone, which is an end too.
        let _end = closed.wait_for(|closed| *closed).await;
    }
}

/// The interim responses (1xx) before a final one.
async fn interim(response: &mut ResponseFuture, request: &Request) -> anyhow::Result<Vec<Interim>> {
    let mut interim = Vec::new();
    while let Some(head) = std::future::poll_fn(|context| response.poll_informational(context)).await {
        let head = head?;
        let head = Head::from_http(&request.method, head.status(), head.headers());
        interim.push(head.into_interim(request));
    }
    Ok(interim)
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Lets go of the socket at once: a driver lives on while bodies are held.
        self.driver.abort();
    }
}

pub(super) struct Body {
    stream: h2::RecvStream,
}

impl Body {
    pub(super) async fn next(&mut self) -> Piece {
        match self.stream.data().await {
            Some(Ok(data)) => match self.stream.flow_control().release_capacity(data.len()) {
                Ok(()) => Piece::Data(data),
                Err(error) => broken(&error),
            },
            Some(Err(error)) => broken(&error),
            None => match self.stream.trailers().await {
                Ok(trailers) => Piece::End(End::Clean, trailers.as_ref().map(from_map).unwrap_or_default()),
                Err(error) => broken(&error),
            },
        }
    }

    /// Dropping the last handle of an unfinished stream resets it with CANCEL.
    pub(super) fn cancel(self) {
        drop(self.stream);
    }
}

fn broken(error: &h2::Error) -> Piece {
    Piece::End(End::Broken(error.to_string()), Vec::new())
}

async fn send_body(mut stream: h2::SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        // The end of capacity is the end of the stream: the server has answered without the rest.
        let Some(Ok(capacity)) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else { return };
        let piece = body.split_to(capacity.min(body.len()));
        if stream.send_data(piece, false).is_err() {
            return;
        }
    }
    let _sent = stream.send_data(Bytes::new(), true);
}

//! Reading a header from a socket, and not a byte more.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Decoder, Progress, ProxyProtocolError, Told};

/// Looked at together: more than headers usually have.
const WINDOW: usize = 256;

/// Waits for the header, at most as long as `patience`.
pub(in crate::listener) async fn receive(
    socket: &mut TcpStream,
    patience: Duration,
) -> Result<Told, ProxyProtocolError> {
    timeout(patience, read(socket)).await.unwrap_or(Err(ProxyProtocolError::TimedOut))
}

/// What has arrived is looked at first and then taken as far as it is header: what follows belongs to TLS or HTTP.
/// Every round takes a byte at least, so that the longest header bounds the rounds.
async fn read(socket: &mut TcpStream) -> Result<Told, ProxyProtocolError> {
    let mut decoder = Decoder::default();
    let mut window = [0; WINDOW];
    loop {
        let seen = socket.peek(&mut window).await.map_err(|_| ProxyProtocolError::Closed)?;
        if seen == 0 {
            return Err(ProxyProtocolError::Closed);
        }
        let progress = decoder.feed(&window[..seen])?;
        let taken = if let Progress::Done(taken, _) = progress { taken } else { seen };
        socket.read_exact(&mut window[..taken]).await.map_err(|_| ProxyProtocolError::Closed)?;
        if let Progress::Done(_, told) = progress {
            return Ok(told);
        }
    }
}

//! Responses that are there, and too long to be handed over at once.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::timeout;

use super::carrier::Http2Carrier;
use super::frame::LARGEST_PAYLOAD;
use super::stream::Gone;
use crate::listener::ready_response::ReadyStream;
use crate::listener::session::{Abandoned, Carrier};

/// A body up to this length leaves with its header section: one frame of the size that every client takes.
pub(super) const SHORT_BODY: usize = LARGEST_PAYLOAD;

/// Why a response is not whole.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    #[error("no header section could be made")]
    NoSection,
    #[error("the stored body is short")]
    Short,
    #[error("the client takes nothing")]
    NotTaken,
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Writes a response as its client takes it, with this patience.
pub(super) async fn write(mut ready: Box<dyn ReadyStream>, mut carrier: Http2Carrier, patience: Duration) {
    let mut pushed = 0;
    let written = write_all(&mut *ready, &mut carrier, patience, &mut pushed).await;
    let sent = pushed - carrier.queued_bytes() as u64;
    match written {
        Ok(()) => ready.sent(sent, None),
        Err(error) => {
            carrier.reset(if matches!(error, Unsent::NotTaken) { Abandoned::NotTaken } else { Abandoned::Broken });
            ready.sent(sent, Some(&error));
        }
    }
}

async fn write_all(
    ready: &mut dyn ReadyStream,
    carrier: &mut Http2Carrier,
    patience: Duration,
    pushed: &mut u64,
) -> Result<(), Unsent> {
    let mut section = Vec::new();
    if !ready.write_section(&mut section) {
        return Err(Unsent::NoSection);
    }
    carrier.push_section(section);
    let length = ready.length();
    while *pushed < length {
        let piece = ready.next_piece().ok_or(Unsent::Short)?;
        *pushed += piece.len() as u64;
        carrier.push_body(piece);
        if *pushed == length {
            carrier.push_end();
        }
        loop {
            match timeout(patience, poll_fn(|context| carrier.poll_write(context))).await {
                Ok(written) if written? => break,
                Ok(_) => {}
                Err(_) if carrier.waited_for_others() => {}
                Err(_) => return Err(Unsent::NotTaken),
            }
        }
    }
    Ok(())
}

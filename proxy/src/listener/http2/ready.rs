//! Responses that are there, and too long to be handed over at once.

use std::time::Duration;

use super::carrier::Http2Carrier;
use super::frame::LARGEST_PAYLOAD;
use super::stream::Gone;
use crate::listener::ready_response::ReadyStream;
use crate::listener::session::{Abandoned, Carrier, write_patiently};
use crate::listener::slow_reader::SlowReader;

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
    let sent = pushed - carrier.unsent_bytes() as u64;
    match written {
        Ok(()) => ready.sent(sent, None),
        Err(error) => {
            carrier.reset(if matches!(error, Unsent::NotTaken) { Abandoned::NotTaken } else { Abandoned::Broken });
            if matches!(error, Unsent::Gone(_)) {
                ready.client_left();
            }
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
    if let Some(signal) = ready.priority() {
        carrier.decide(signal);
    }
    carrier.push_section(section);
    let mut reader = SlowReader::default();
    let length = ready.length();
    while *pushed < length {
        let piece = ready.next_piece().ok_or(Unsent::Short)?;
        *pushed += piece.len() as u64;
        carrier.push_body(piece);
        if *pushed == length {
            carrier.push_end();
        }
        while !write_patiently(carrier, &mut reader, patience).await.ok_or(Unsent::NotTaken)?? {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;
    use std::sync::Arc;

    use bytes::Bytes;
    use parking_lot::Mutex;

    use super::super::frame::Reason;
    use super::super::output::Output;
    use super::super::stream::Prefix;
    use super::super::streams::{Shared, Streams};
    use super::*;

    /// A body in pieces of 1,000 bytes, and how many of them are said to have been sent.
    struct Pieces {
        left: u64,
        sent: Arc<Mutex<Option<u64>>>,
    }

    impl ReadyStream for Pieces {
        fn length(&self) -> u64 {
            self.left
        }

        fn write_section(&mut self, section: &mut Vec<u8>) -> bool {
            section.push(0x88);
            true
        }

        fn next_piece(&mut self) -> Option<Bytes> {
            self.left = self.left.checked_sub(1_000)?;
            Some(Bytes::from_static(&[0; 1_000]))
        }

        fn sent(&mut self, body_bytes: u64, error: Option<&dyn Display>) {
            assert!(error.is_some());
            assert_eq!(self.sent.lock().replace(body_bytes), None);
        }
    }

    /// How an end comes to a response of which so many bytes have left.
    async fn check(window: u32, end: impl FnOnce(&mut Streams), expected: u64) {
        let streams = Arc::new(Shared::new(Streams::new()));
        streams.lock().resize(window).unwrap();
        streams.lock().insert(1, true);
        let sent = Arc::default();
        let ready = Box::new(Pieces { left: 10_000, sent: Arc::clone(&sent) });
        let carrier = Http2Carrier::new(Arc::clone(&streams), 1);
        let writing = tokio::spawn(write(ready, carrier, Duration::from_secs(60)));
        let (mut output, mut prefix) = (Output::default(), Prefix::NO_TABLE);
        for _ in 0..20 {
            tokio::task::yield_now().await;
            streams.lock().fill(&mut output, usize::MAX, &mut prefix);
        }
        end(&mut streams.lock());
        writing.await.unwrap();
        assert_eq!(*sent.lock(), Some(expected), "{window}");
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_never_left_are_not_said_to_be_sent() {
        for window in [0, 700, 1_700] {
            let expected = u64::from(window);
            check(window, |streams| streams.stopped(1, Reason::CANCEL), expected).await;
            check(window, Streams::end_all, expected).await;
            // Nobody does anything, until the time-out.
            check(window, |_| {}, expected).await;
        }
    }
}

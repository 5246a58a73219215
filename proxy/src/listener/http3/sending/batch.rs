//! Datagrams of one destination, kept one behind the other so that the kernel takes them in one call.
//!
//! Owns what may be joined (segmentation offload cuts a send into pieces of one size, of which only the last may be
//! shorter) and how much. Sends nothing itself.

use std::net::{IpAddr, SocketAddr};

use quinn::udp::{EcnCodepoint, Transmit};

/// Longest send: what remains of the 65,535 bytes of an IP packet behind the headers of IPv6 and UDP. To the kernel a
/// send is one packet until it is cut.
const MAX_BYTES: usize = 65_535 - 40 - 8;

/// What all datagrams of one send have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Envelope {
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    source: Option<IpAddr>,
    segment: usize,
}

impl Envelope {
    fn of(transmit: &Transmit<'_>) -> Self {
        Self {
            destination: transmit.destination,
            ecn: transmit.ecn,
            source: transmit.src_ip,
            segment: segment(transmit),
        }
    }
}

/// The length of a transmit's datagrams, the last of which may be shorter.
fn segment(transmit: &Transmit<'_>) -> usize {
    let bytes = transmit.contents.len();
    transmit.segment_size.map_or(bytes, |segment| segment.min(bytes))
}

/// How many datagrams a transmit is.
pub(super) fn datagrams(transmit: &Transmit<'_>) -> usize {
    match segment(transmit) {
        0 => 1,
        segment => transmit.contents.len().div_ceil(segment),
    }
}

/// Datagrams that wait to be sent together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Of the first datagram; none when there is none.
    envelope: Option<Envelope>,
    /// All datagrams. The memory is kept.
    bytes: Vec<u8>,
}

impl Batch {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.envelope.is_none()
    }

    /// Whether as many datagrams more could still be joined, of at most `most` in a send.
    pub(super) fn has_room(&self, datagrams: usize, most: usize) -> bool {
        self.envelope.is_some_and(|envelope| {
            let there = self.bytes.len();
            there.is_multiple_of(envelope.segment)
                && there / envelope.segment + datagrams <= most
                && there + datagrams * envelope.segment <= MAX_BYTES
        })
    }

    /// Takes a transmit's datagrams behind those that are there, if one send of at most `most` datagrams can be made
    /// of all. Says whether it did.
    pub(super) fn join(&mut self, transmit: &Transmit<'_>, most: usize) -> bool {
        let envelope = Envelope::of(transmit);
        let fits = match self.envelope {
            // No datagram is empty; offload could not tell how many there are.
            None => envelope.segment > 0 && datagrams(transmit) <= most && transmit.contents.len() <= MAX_BYTES,
            Some(first) => self.has_room_for(transmit, envelope, first, most),
        };
        if fits {
            self.envelope.get_or_insert(envelope);
            self.bytes.extend_from_slice(transmit.contents);
        }
        fits
    }

    fn has_room_for(&self, transmit: &Transmit<'_>, envelope: Envelope, first: Envelope, most: usize) -> bool {
        let (there, more) = (self.bytes.len(), transmit.contents.len());
        // One datagram may be shorter than the others. Nothing can follow it.
        let is_shorter_end = more > 0 && more < first.segment && datagrams(transmit) == 1;
        let segment = if is_shorter_end { first.segment } else { envelope.segment };
        Envelope { segment, ..envelope } == first
            && there.is_multiple_of(segment)
            && (there + more).div_ceil(segment) <= most
            && there + more <= MAX_BYTES
    }

    /// All that waits, as one send.
    pub(super) fn transmit(&self) -> Option<Transmit<'_>> {
        let Envelope { destination, ecn, source, segment } = self.envelope?;
        let segment_size = (self.bytes.len() > segment).then_some(segment);
        Some(Transmit { destination, ecn, contents: &self.bytes, segment_size, src_ip: source })
    }

    /// Forgets the datagrams, which are sent.
    pub(super) fn clear(&mut self) {
        self.envelope = None;
        self.bytes.clear();
    }
}

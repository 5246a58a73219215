//! From a URL to all that it leads to: playlists, their playlists, their pieces.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use futures::stream::{FuturesUnordered, StreamExt};

use super::job::Job;
use super::keeping::{Done, look_for, look_for_parts};
use super::{Asker, MAX_TARGET_TIME, Reply, Warmed};
use crate::media::{LeftOut, Listing, Location, PlaylistKind, list};

/// Playlists within playlists that are followed: a multivariant playlist names media playlists, and these none.
const MAX_DEPTH: u8 = 3;

struct Walk {
    job: Arc<Job>,
    known: HashSet<Box<str>>,
    waiting: VecDeque<(Box<str>, u8)>,
    done: Vec<Done>,
}

/// Runs a job to its end.
pub(super) async fn run(job: Arc<Job>, asker: Arc<dyn Asker>) {
    let _end = Ending(Arc::clone(&job));
    let mut walk = Walk { job: Arc::clone(&job), known: HashSet::new(), waiting: VecDeque::new(), done: Vec::new() };
    walk.add(job.order.target.as_str().into(), 0);
    let mut asking = FuturesUnordered::new();
    loop {
        while asking.len() < job.order.concurrency {
            let Some((target, depth)) = walk.waiting.pop_front() else { break };
            let (asker, job) = (Arc::clone(&asker), Arc::clone(&job));
            asking.push(async move {
                let being_read = job.reads(&target);
                let asking = asker.ask(&job.order.site, &target, &being_read.reading);
                let asking = tokio::time::timeout(MAX_TARGET_TIME, asking);
                let reply = asking.await.unwrap_or_else(|_| Reply::failed("it takes too long"));
                (target, depth, reply, being_read.reading.read())
            });
        }
        let next = tokio::select! {
            biased;
            () = job.cancelled() => break,
            next = asking.next() => next,
        };
        let Some((target, depth, reply, bytes)) = next else { break };
        walk.follow(target, depth, reply, bytes);
    }
    let broken_off = job.being_read();
    drop(asking); // what is under way is left as a client leaves it
    look_for(&job, &*asker, walk.done).await;
    look_for_parts(&job, &*asker, &broken_off);
}

/// Whatever happens to its task, a job comes to an end.
struct Ending(Arc<Job>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Walk {
    /// Adds a target once. Whether there was room for it.
    fn add(&mut self, target: Box<str>, depth: u8) -> bool {
        if self.known.contains(&target) {
            return true;
        }
        if self.known.len() >= self.job.order.limit {
            return false;
        }
        self.known.insert(target.clone());
        self.waiting.push_back((target, depth));
        self.job.found(1);
        true
    }

    fn follow(&mut self, target: Box<str>, depth: u8, reply: Reply, bytes: u64) {
        self.job.warmed(&target, &reply.warmed);
        if matches!(reply.warmed, Warmed::Failed(_)) {
            return;
        }
        self.list(&target, depth, reply.playlist);
        self.done.push(Done { target, warmed: reply.warmed, bytes });
    }

    fn list(&mut self, target: &str, depth: u8, playlist: Option<(PlaylistKind, Vec<u8>)>) {
        let Some((kind, body)) = playlist else { return };
        if depth >= MAX_DEPTH {
            return self.job.not_followed(target, "playlists are nested too deep".to_owned());
        }
        let Some(place) = Location::new(&self.job.order.site.authority, target) else { return };
        match list(kind, &body, &place, SystemTime::now()) {
            Ok(listing) => self.add_listing(listing, depth + 1),
            Err(error) => self.job.not_followed(target, error.to_string()),
        }
    }

    /// Playlists first, then what begins each track: players start while the rest is still coming.
    fn add_listing(&mut self, listing: Listing, depth: u8) {
        let mut left_out = listing.left_out;
        for playlist in listing.playlists {
            left_out.beyond += usize::from(!self.add(playlist, depth));
        }
        let mut tracks: Vec<_> = listing.tracks.into_iter().map(|track| track.pieces.into_iter()).collect();
        loop {
            let mut more = false;
            for track in &mut tracks {
                let Some(piece) = track.next() else { continue };
                more = true;
                left_out.beyond += usize::from(!self.add(piece.target, MAX_DEPTH));
            }
            if !more {
                break;
            }
        }
        if left_out != LeftOut::default() {
            self.job.left_out(left_out);
        }
    }
}

//! Fetching ahead what players will ask for next.
//!
//! Owns what follows what (from the playlists that were served), what was fetched ahead and whether anybody came for it,
//! and the bounds of all this. It never goes on by itself: each client's request leads to a few fetches and these to no
//! further ones, so that nothing is fetched any more once nobody plays. How a target becomes a fill is behind
//! [`Sighting`], which goes through the node's own routes: nothing is ever fetched from an address in a playlist.

mod expectations;
mod places;
mod rates;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use tidegate_config::ids::SiteName;
use tidegate_config::model::PrefetchRules;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use self::expectations::Expectations;
use self::places::Places;
use self::rates::Rates;
pub use crate::cache::engine::Ahead;
use crate::media::{Listing, Location, PieceKind, PlaylistKind, Presentation, Track};
use crate::telemetry::{Metrics, PrefetchOutcome};

/// Requests that wait to be looked at. One takes microseconds; beyond this the node is so busy that it should not look
/// for more to do.
const MAX_QUEUE: usize = 1024;

/// A request older than this when it is looked at is not followed: its player is further by now.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// How often it is looked for what nobody came for.
const SWEEP: Duration = Duration::from_secs(1);

/// A client's request that was answered, as far as it tells what comes next.
pub trait Sighting: Send + 'static {
    /// When it was answered.
    fn at(&self) -> Instant;
    /// Its site.
    fn site(&self) -> &SiteName;
    /// What the route's policy allows.
    fn rules(&self) -> PrefetchRules;
    /// What tells its resource from those of other sites and hosts, up to the path and no further.
    fn scope(&self) -> &str;
    /// Where it is.
    fn place(&self) -> &Location;
    /// What is listed where it asked for a playlist, unless that is the version already known.
    fn listing(&self, known: Option<u64>) -> Option<Playlist>;
    /// What the player itself says that it will ask for next, on the same host.
    fn next_object(&self) -> Option<NextTarget>;
    /// Key under which a target on the same host is stored, if it can be; its own target when none is named.
    fn key(&self, next: Option<&NextTarget>) -> Option<Box<str>>;
    /// Fetches a target on the same host and by the same route into the cache.
    fn fetch(&self, next: &NextTarget) -> Ahead;
}

/// A playlist that was served.
pub struct Playlist {
    /// Which version of it.
    pub version: u64,
    /// What it lists; nothing where that cannot be read.
    pub listing: Option<Listing>,
}

/// What may be fetched next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextTarget {
    /// Path and query.
    pub target: Box<str>,
    /// Value of a `Range` field, where only a part is wanted.
    pub range: Option<String>,
}

/// Hands requests over to the task that looks at them.
pub struct Prefetcher<S: Sighting> {
    queue: OnceLock<mpsc::Sender<S>>,
    runtime: Handle,
    metrics: Arc<Metrics>,
}

impl<S: Sighting> Prefetcher<S> {
    /// One whose task will run on this runtime, from the first request on.
    #[must_use]
    pub fn new(runtime: Handle, metrics: Arc<Metrics>) -> Self {
        Self { queue: OnceLock::new(), runtime, metrics }
    }

    /// Looks at a request, if there is room for it. Returns at once.
    pub fn note(&self, sighting: S) {
        let queue = self.queue.get_or_init(|| {
            let (sender, receiver) = mpsc::channel(MAX_QUEUE);
            self.runtime.spawn(Task::new(Arc::clone(&self.metrics)).run(receiver));
            sender
        });
        if queue.try_send(sighting).is_err() {
            self.metrics.prefetched(PrefetchOutcome::Dropped);
        }
    }
}

/// The one task: its state needs no locks, and what it does is done in the order of requests.
struct Task {
    places: Places,
    rates: Rates,
    expectations: Expectations,
    metrics: Arc<Metrics>,
}

impl Task {
    fn new(metrics: Arc<Metrics>) -> Self {
        Self { places: Places::default(), rates: Rates::default(), expectations: Expectations::default(), metrics }
    }

    async fn run<S: Sighting>(mut self, mut sightings: mpsc::Receiver<S>) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                sighting = sightings.recv() => match sighting {
                    Some(sighting) => self.look_at(&sighting, Instant::now()),
                    None => return,
                },
                _ = sweep.tick() => self.sweep(Instant::now()),
            }
        }
    }

    fn sweep(&mut self, now: Instant) {
        for _ in 0..self.expectations.expire(now) {
            self.metrics.prefetched(PrefetchOutcome::Wasted);
        }
    }

    fn look_at<S: Sighting>(&mut self, sighting: &S, now: Instant) {
        let name = format!("{}{}", sighting.scope(), sighting.place().path());
        if self.expectations.is_any() && sighting.key(None).is_some_and(|key| self.expectations.came(&key)) {
            self.metrics.prefetched(PrefetchOutcome::Used);
        }
        if now.saturating_duration_since(sighting.at()) > MAX_DELAY {
            return self.metrics.prefetched(PrefetchOutcome::Dropped);
        }
        for next in self.next(sighting, &name) {
            if !self.fetch(sighting, &next, now) {
                return;
            }
        }
    }

    /// What follows this request, most certain first.
    fn next<S: Sighting>(&mut self, sighting: &S, name: &str) -> Vec<NextTarget> {
        let rules = sighting.rules();
        let mut next: Vec<NextTarget> = Vec::new();
        if rules.cmcd {
            next.extend(sighting.next_object());
        }
        let whole = |target: &str| NextTarget { target: target.into(), range: None };
        if let Some(playlist) = sighting.listing(self.places.version(name)) {
            let begins = self.places.version(name).is_none();
            let scope = sighting.scope();
            let first = playlist.listing.as_ref().map(|listing| self.first(scope, listing, rules.ahead, begins));
            next.extend(first.unwrap_or_default().iter().map(|target| whole(target)));
            self.places.learn(scope, name, playlist, usize::from(rules.ahead));
        } else {
            let after = self.places.after(sighting.scope(), name, usize::from(rules.ahead), SystemTime::now());
            next.extend(after.iter().map(|target| whole(target)));
        }
        next
    }

    /// What players ask for after a playlist: of one on demand its beginning, of a live one what has come to its end. Where a
    /// manifest has several representations it does not tell which of them is played; those of whose segments somebody has
    /// asked for one are.
    fn first(&self, scope: &str, listing: &Listing, ahead: u8, begins: bool) -> Vec<Box<str>> {
        let ahead = usize::from(ahead);
        let mut first = Vec::new();
        let is_manifest = listing.kind == PlaylistKind::Dash;
        for track in listing.tracks.iter().filter(|_| is_manifest || listing.position.is_some()) {
            if is_manifest {
                let following = self.places.behind_players(scope, &track.pieces, ahead);
                first.extend(following.iter().map(|piece| piece.target.clone()));
                if begins && track.is_alone && following.is_empty() {
                    // How far behind the live edge a player begins is its own choice.
                    let segments = if listing.presentation == Presentation::OnDemand { ahead } else { 0 };
                    first.extend(beginning(track, segments));
                }
                continue;
            }
            if listing.presentation == Presentation::OnDemand {
                if begins {
                    first.extend(beginning(track, ahead));
                }
                continue;
            }
            let newest = track.pieces.iter().rev().take(ahead);
            let unknown = newest.take_while(|piece| !self.places.knows(scope, &piece.target));
            first.extend(unknown.map(|piece| piece.target.clone()));
        }
        first
    }

    /// Fetches, within the site's rate. Whether there is any use in trying further ones now.
    fn fetch<S: Sighting>(&mut self, sighting: &S, next: &NextTarget, now: Instant) -> bool {
        if !self.rates.allow(sighting.site(), sighting.rules().rate) {
            self.metrics.prefetched(PrefetchOutcome::Limited);
            return false;
        }
        match sighting.fetch(next) {
            Ahead::Started => {
                self.metrics.prefetched(PrefetchOutcome::Started);
                if sighting.key(Some(next)).is_some_and(|key| self.expectations.expect(key, now)) {
                    self.metrics.prefetched(PrefetchOutcome::Wasted);
                }
                true
            }
            Ahead::There | Ahead::Unwanted => {
                self.rates.give_back(sighting.site());
                true
            }
            Ahead::Busy => {
                self.metrics.prefetched(PrefetchOutcome::Limited);
                false
            }
        }
    }
}

/// The initialisation segments of a track, and so many segments behind them.
fn beginning(track: &Track, segments: usize) -> impl Iterator<Item = Box<str>> {
    let inits = track.pieces.iter().take_while(|piece| piece.kind == PieceKind::Init).count();
    track.pieces.iter().take(inits + segments).map(|piece| piece.target.clone())
}

#[cfg(test)]
mod tests;

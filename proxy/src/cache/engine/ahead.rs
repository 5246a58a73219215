//! Fills that nobody waits for: what players will ask for next.

use std::sync::Arc;

use super::answer::Lookup;
use super::clock;
use super::fetch::FetchRequest;
use super::fill_task::Starter;
use super::{CacheEngine, Joined};
use crate::cache::rules::decide::{Decision, decide};

/// What came of a wish to fetch ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// It is being fetched.
    Started,
    /// It is there, or being fetched already.
    There,
    /// The node is too busy with what clients wait for, or with what is fetched ahead for this site.
    Busy,
    /// Its route does not store it, or it is another route's.
    Unwanted,
}

impl<R: FetchRequest> CacheEngine<R> {
    /// Fetches what a request asks for into the cache, unless it is there, under way, or not to be stored. Clients go
    /// first: nothing is begun once half of the places for fills are taken, nor while a site has as many bytes on their way as it
    /// may; and a fill that turns out to be too large for what is left of them ends, unless a client has come for it.
    pub fn fetch_ahead(self: &Arc<Self>, lookup: &Lookup<'_>, make_request: impl Fn() -> R + Sync) -> Ahead {
        let found = self.find(lookup);
        let stored = found.object.as_ref();
        match decide(lookup.facts, stored.map(|object| &object.meta), clock::now(), lookup.policy) {
            Decision::Serve(_) | Decision::ServeAndRefresh => return Ahead::There,
            Decision::Pass(_) | Decision::GatewayTimeout => return Ahead::Unwanted,
            Decision::Fetch(_) => {}
        }
        let audience = lookup.audience();
        let refused = !lookup.may_fill || self.recollection.marked(&found.key, audience).is_some();
        if refused || self.recollection.recent_failure(&found.key).is_some() {
            return Ahead::Unwanted;
        }
        if self.fill_of(&found.key).is_some() {
            return Ahead::There;
        }
        // Whoever asks for it then finds it in memory; what turns out to be stale by then is renewed.
        if stored.is_none() && self.raise_in_background(&found.key) {
            return Ahead::There;
        }
        if self.budget.is_half_taken() || !self.budget.may_fetch_ahead(make_request().site()) {
            return Ahead::Busy;
        }
        match self.join(lookup, &found.key, stored, Starter::Ahead, &make_request) {
            Joined::Fill(..) => Ahead::Started,
            Joined::Settled(_) => Ahead::There,
            Joined::Refused(_) => Ahead::Busy,
        }
    }
}

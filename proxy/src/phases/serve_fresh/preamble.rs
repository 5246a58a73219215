//! What the header fields of a plain GET say, whatever its target is.
//!
//! Owns which requests are no plain ones by their fields, and what is taken from those that are. It decides nothing by
//! itself: who the client is, what must be refused and which site is meant is found out by the same calls as on the
//! long way.

use std::sync::{Arc, Weak};

use super::super::debug_field;
use super::super::identify_client::{has_trace, note_client, refusal};
use super::super::match_route::{Asked, find_site};
use crate::cache::rules::hop_by_hop;
use crate::cache::rules::request_facts::RequestFacts;
use crate::listener::ConnectionInfo;
use crate::request_context::{ClientContext, RequestContext};
use crate::routing::SiteEntry;
use crate::runtime_snapshot::RuntimeSnapshot;

/// What all requests with the same fields over one connection have in common.
pub(super) struct Preamble {
    pub(super) facts: RequestFacts,
    pub(super) site: Arc<SiteEntry>,
    /// Whether the client sent a trace.
    pub(super) traced: bool,
    /// Whether its Connection takes fields away.
    pub(super) takes_away: bool,
}

impl Preamble {
    /// That of a GET, if it is a plain one so far. Writes into the context what it says.
    pub(super) fn read(
        asked: &Asked<'_>,
        connection: Arc<ConnectionInfo>,
        context: &mut RequestContext,
    ) -> Option<Self> {
        let facts = RequestFacts::new(asked.method, asked.fields);
        if facts.range || facts.conditional || debug_field::asks(asked.fields) {
            return None;
        }
        note_client(asked.fields, connection, context);
        if refusal(asked, context).is_some() {
            return None;
        }
        let site = find_site(asked, context).ok()?;
        let takes_away = hop_by_hop::takes_away(asked.fields);
        Some(Self { facts, site, traced: has_trace(asked.fields), takes_away })
    }
}

/// A preamble kept for the next request with these fields. Keeps nothing of a configuration alive that was replaced.
pub(super) struct KeptPreamble {
    snapshot: Weak<RuntimeSnapshot>,
    /// Nothing where the fields are no plain ones.
    plain: Option<Kept>,
}

struct Kept {
    facts: RequestFacts,
    site: Weak<SiteEntry>,
    traced: bool,
    takes_away: bool,
    client: ClientContext,
    host: Option<Arc<str>>,
}

impl KeptPreamble {
    /// Keeps what was read, and written into this context.
    pub(super) fn of(preamble: Option<&Preamble>, context: &RequestContext) -> Self {
        let plain = preamble.map(|preamble| Kept {
            facts: preamble.facts,
            site: Arc::downgrade(&preamble.site),
            traced: preamble.traced,
            takes_away: preamble.takes_away,
            client: context.client.clone(),
            host: context.arrival.host.clone(),
        });
        Self { snapshot: Arc::downgrade(&context.snapshot), plain }
    }

    /// Whether it still holds: another configuration may read the same fields differently.
    pub(super) fn holds_in(&self, snapshot: &Arc<RuntimeSnapshot>) -> bool {
        std::ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(snapshot))
    }

    /// Whether these are the fields of a plain request.
    pub(super) fn is_plain(&self) -> bool {
        self.plain.is_some()
    }

    /// Reads it once more, as [`Preamble::read`] does.
    pub(super) fn recall(&self, connection: &Arc<ConnectionInfo>, context: &mut RequestContext) -> Option<Preamble> {
        let kept = self.plain.as_ref()?;
        let site = kept.site.upgrade()?;
        context.client = kept.client.clone();
        context.arrival.host = kept.host.clone();
        context.connection = Some(Arc::clone(connection));
        Some(Preamble { facts: kept.facts, site, traced: kept.traced, takes_away: kept.takes_away })
    }
}

//! What a 304 does to what is stored (RFC 9111 section 4.3.4).

use std::sync::Arc;

use super::super::fetch::FetchRequest;
use super::super::fills::{Head, Others};
use super::super::object::Object;
use super::response::{Response, no_times};
use super::{FillTask, Starter};
use crate::cache::purge::{tags_of, withhold_tags};
use crate::cache::rules::conditional::{confirms, freshen};
use crate::cache::rules::decide::StoredMeta;
use crate::cache::rules::freshness::StoredTimes;
use crate::cache::rules::storability::NotStored;
use crate::cache::rules::{hop_by_hop, stored_fields};
use crate::telemetry::FillOutcome;

impl<R: FetchRequest> FillTask<'_, R> {
    pub(super) async fn not_modified(&mut self, response: Response) {
        let Some(stale) = &self.order.stale else { return };
        if !confirms(&stale.meta.headers, &response.fields) {
            // About another version than ours: fetch again, unconditionally.
            return self.refetch().await;
        }
        self.guard.outcome = FillOutcome::Revalidated;
        let fields = freshen(&stale.meta.headers, &response.fields);
        let renewed = Response { status: stale.meta.status, fields, ..response };
        match self.assess(&renewed, stale.body.blocks().first()) {
            Ok(times) => self.renew(stale, renewed, times),
            Err(why) => self.confirm_for_one(stale, renewed, why),
        }
    }

    /// The stored body with new metadata.
    fn renew(&self, stale: &Arc<Object>, response: Response, times: StoredTimes) {
        let mut fields = response.fields;
        let tags = tags_of(&self.engine.purges, &fields, &self.order.policy.tags);
        let all_told = self.order.policy.tags.fields.iter().all(|name| fields.contains_key(name));
        let withheld = stored_fields::prepare(&mut fields, response.response_time, &self.order.policy);
        let meta = StoredMeta::new(response.status, fields, times, stale.meta.body_length);
        // Of several fields one may have come and others not, which then stay as they are (RFC 9111 section 3.2).
        let known = &stale.provenance.tags;
        let tags = tags.map_or_else(|| known.clone(), |tags| if all_told { tags } else { tags.and(known) });
        let provenance = self.provenance(&meta, tags);
        let (body, origin) = (Arc::clone(&stale.body), response.origin);
        let object = Object { meta, body, not_stored: None, origin, provenance };
        let object = self.finalized(object);
        self.keep_own(&object, withheld);
        self.store(Arc::clone(&object));
        self.guard.withdraw(); // from now on it is a hit
        self.fill.publish(Head::Ready { object: Arc::clone(&object), revalidated: true, stored: Ok(()) });
        self.learn(&object);
    }

    /// The origin confirmed the body and forbade to keep it: it answers the request that asked, and is gone.
    fn confirm_for_one(&self, stale: &Arc<Object>, response: Response, why: NotStored) {
        self.engine.memory.remove(&self.guard.key);
        self.guard.withdraw();
        let mut fields = response.fields;
        hop_by_hop::strip_from_response(&mut fields);
        withhold_tags(&mut fields, &self.order.policy.tags);
        let times = no_times(response.response_time);
        let meta = StoredMeta::new(response.status, fields, times, stale.meta.body_length);
        let provenance = self.provenance(&meta, stale.provenance.tags.clone());
        let (body, origin) = (Arc::clone(&stale.body), response.origin);
        let object = Object { meta, body, not_stored: Some(why), origin, provenance };
        self.mark_unshareable(response.status);
        if self.order.starter == Starter::Waits {
            self.fill.publish_unshared(Arc::new(object), Others::Pass);
        } else {
            self.fill.publish(Head::Unshared(Others::Pass));
        }
    }
}

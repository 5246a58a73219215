//! What the answer to a HEAD does to what is stored (RFC 9111 section 4.3.5).

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::CacheEngine;
use super::answer::Lookup;
use super::appraisal::{Appraisal, Told};
use super::clock;
use super::fetch::FetchRequest;
use super::object::Object;
use crate::cache::purge::tags_of;
use crate::cache::rules::conditional::{HeadEffect, effect_of_head};
use crate::cache::rules::decide::StoredMeta;
use crate::cache::rules::request_facts::{CacheMethod, RequestFacts};
use crate::cache::rules::storability::NotStored;
use crate::cache::rules::stored_fields;

impl<R: FetchRequest> CacheEngine<R> {
    /// Takes note of what an origin answered to a client's HEAD, asked at `request_time`: what is stored for such a
    /// request is freshened by it, or forgotten if it is another version. Of bodies that grow nothing is known yet.
    pub fn note_head(&self, lookup: &Lookup<'_>, status: StatusCode, fields: &HeaderMap, request_time: SystemTime) {
        let found = self.unless_purged(self.memory.find(lookup.key, lookup.fields));
        let Some(stored) = found.object else { return };
        match effect_of_head(&stored.meta, status, fields) {
            HeadEffect::None => {}
            HeadEffect::Outdated => self.memory.remove(&found.key),
            HeadEffect::Freshened(fields) => {
                match self.freshened(lookup, &stored, fields, request_time) {
                    Ok(object) => self.memory.store(lookup.key, lookup.fields, Arc::new(object)),
                    // It says something of this client and nothing of what others get.
                    Err(NotStored::Authorization | NotStored::RequestNoStore) => {}
                    Err(_) => self.memory.remove(&found.key),
                }
            }
        }
    }

    /// The stored body with new metadata.
    fn freshened(
        &self,
        lookup: &Lookup<'_>,
        stored: &Object,
        mut fields: HeaderMap,
        request_time: SystemTime,
    ) -> Result<Object, NotStored> {
        let response_time = clock::now();
        let facts = RequestFacts { method: CacheMethod::Get, ..*lookup.facts };
        let appraisal = Appraisal { facts: &facts, policy: lookup.policy, path: lookup.path };
        let told = Told { status: stored.meta.status, fields: &fields, request_time, response_time };
        let times = appraisal.assess(&told, stored.body.blocks().first())?;
        let tags = tags_of(&self.purges, &fields, &lookup.policy.tags);
        // What is for one client only, that client has got from the answer itself.
        drop(stored_fields::prepare(&mut fields, response_time, lookup.policy));
        let meta = StoredMeta::new(stored.meta.status, fields, times, stored.meta.body_length);
        let (body, origin) = (Arc::clone(&stored.body), stored.origin.clone());
        let provenance = stored.provenance.unchecked().and_tags(tags.as_ref());
        Ok(appraisal.finalized(Object { meta, body, not_stored: None, origin, provenance }))
    }
}

//! What a part that is fetched later does to the fields that are stored of its version (RFC 9111 section 3.4): they are
//! updated by it as by a 304, the object's age begins anew, and its slices stay.
//!
//! Not by what was asked for with one client's credentials or cookies, whose answers may be that client's own: it brings
//! bytes of the version, and nothing of what is said to all.

use std::sync::Arc;

use http::StatusCode;

use super::super::appraisal::{Appraisal, Told};
use super::super::fetch::FetchRequest;
use super::super::fill_task::Response;
use super::super::object::Object;
use super::Sliced;
use super::fetching::Fetching;
use crate::cache::purge::tags_of;
use crate::cache::rules::arrival::is_personal;
use crate::cache::rules::conditional::{freshen, is_older};
use crate::cache::rules::decide::StoredMeta;
use crate::cache::rules::stored_fields;

impl<R: FetchRequest> Fetching<R> {
    /// Takes note of the head of a part of this version that came in answer to this request.
    pub(super) fn note_part(&self, sliced: &Arc<Sliced>, request: &R, response: &Response) {
        if is_personal(&self.facts, request.fields(), &self.policy) {
            return;
        }
        let freshened = |stored: &Object| self.freshened(stored, response);
        self.engine.memory.renew_version(&self.key, sliced, freshened);
    }

    /// The stored body with new metadata; nothing where what came is older, or is not for the same requests.
    fn freshened(&self, stored: &Object, response: &Response) -> Option<Object> {
        if is_older(&response.fields, &stored.meta.headers) {
            return None;
        }
        let mut fields = freshen(&stored.meta.headers, &response.fields);
        let Response { request_time, response_time, .. } = *response;
        let appraisal = Appraisal { facts: &self.facts, policy: &self.policy, path: &self.path };
        let told = Told { status: StatusCode::OK, fields: &fields, request_time, response_time };
        let times = appraisal.assess(&told, None).ok()?;
        let tags = tags_of(&self.engine.purges, &fields, &self.policy.tags);
        // What is for one client only, that client gets from no slice.
        drop(stored_fields::prepare(&mut fields, response_time, &self.policy));
        let meta = StoredMeta::new(StatusCode::OK, fields, times, stored.meta.body_length);
        let (body, origin) = (Arc::clone(&stored.body), response.origin.clone());
        let provenance = stored.provenance.unchecked().and_tags(tags.as_ref());
        (meta.vary == stored.meta.vary).then_some(Object { meta, body, not_stored: None, origin, provenance })
    }
}

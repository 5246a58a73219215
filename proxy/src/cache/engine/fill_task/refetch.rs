//! Requests for the rest of a body, made of the request that a fill sent for all of it.

use std::sync::Arc;

use super::super::CacheEngine;
use super::super::fetch::{FetchRequest, FetchStream};
use super::resumption::{Refetch, Rest};
use crate::telemetry::ResumeOutcome;

struct SameRequest<R: FetchRequest> {
    engine: Arc<CacheEngine<R>>,
    request: R,
}

impl<R: FetchRequest> CacheEngine<R> {
    /// Fetches the rest of what this request asked for, when it has broken off.
    pub(in crate::cache::engine) fn refetch(self: &Arc<Self>, request: &R) -> Box<dyn Refetch> {
        Box::new(SameRequest { engine: Arc::clone(self), request: request.clone() })
    }
}

impl<R: FetchRequest> Refetch for SameRequest<R> {
    fn fetch(&self, rest: &Rest) -> Box<dyn FetchStream> {
        let mut fields = self.request.fields().clone();
        rest.ask(&mut fields);
        self.engine.fetch(self.request.resuming(fields, rest.after.clone()))
    }

    fn tell(&self, outcome: ResumeOutcome) {
        self.engine.metrics.fills().resumed(outcome);
    }
}

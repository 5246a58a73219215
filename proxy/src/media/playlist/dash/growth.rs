//! Segments that come without the manifest saying so: of a live presentation whose template has numbers and one duration
//! (ISO/IEC 23009-1 section 5.3.9.5.3), players go on for hours with the manifest that they began with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::super::location::Location;
use super::template::{Period, Template};

/// How long after its time a segment is believed to be there. Packagers are a moment late, and clocks differ; an origin that
/// is asked too early says 404, and that is kept for a moment.
const MARGIN: Duration = Duration::from_millis(500);

/// What the names of a track's segments are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    base: Location,
    template: Arc<Template>,
    id: String,
    bandwidth: String,
    period: Period,
}

impl Growth {
    /// That of a representation, if it has one.
    pub(super) fn of(base: &Location, template: &Arc<Template>, names: (&str, &str), period: &Period) -> Option<Self> {
        if !period.is_growing() || !template.is_by_number() {
            return None;
        }
        let (id, bandwidth) = (names.0.to_owned(), names.1.to_owned());
        Some(Self { base: base.clone(), template: Arc::clone(template), id, bandwidth, period: period.clone() })
    }

    /// The last `count` segments that are there at this time, in order.
    #[must_use]
    pub fn newest(&self, now: SystemTime, count: usize) -> Vec<Box<str>> {
        let period = self.period.clone().seen_at(now.checked_sub(MARGIN).unwrap_or(now));
        let (names, _) = self.template.segments((&self.id, &self.bandwidth), &period, count);
        names.filter_map(|name| self.base.join(&name).ok()).map(Location::into_target).collect()
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.bandwidth.len() + self.base.path().len() + self.template.weight()
    }
}

//! Further attempts, hedging, bounds of origins, and what ties requests to one.

use super::header_field::any_field_name;
use super::range::{check_duration, check_length, check_number, check_percent};
use crate::document::{
    DurationText, HedgeDelayField, HedgingFields, OrderField, OriginLimitFields, RetryFields, StickyField,
};
use crate::field::is_token;
use crate::model::{HedgeDelay, Hedging, OriginLimits, OriginOrder, RetryPolicy, StickyKey};
use crate::source::{Place, Report};

/// Attempts beyond the budget: a floor above this is no floor.
const MAX_BUDGET_FLOOR: u32 = 10_000;
/// Statuses that count as failures.
const MAX_STATUSES: usize = 64;
/// Requests to one origin, at once or in a second: more than one node can send.
const MAX_REQUESTS: u32 = 1_000_000;
/// Requests that wait or fill at once; each holds memory.
const MAX_HELD: u32 = 65_536;

/// When a request that failed goes on.
pub(super) fn retry(fields: &RetryFields, place: &Place<'_>, report: &mut Report) -> RetryPolicy {
    let deadline = DurationText::millis(10)..=DurationText::seconds(300);
    let list = place.field("statuses");
    if check_length(fields.statuses.len(), MAX_STATUSES, &list, report) {
        for (index, status) in fields.statuses.iter().enumerate() {
            check_number(*status, 400..=599, &list.element(index), report);
        }
    }
    RetryPolicy {
        budget: check_percent(fields.budget, 0..=100, &place.field("budget"), report),
        budget_floor: check_number(fields.budget_floor, 0..=MAX_BUDGET_FLOOR, &place.field("budget_floor"), report),
        deadline: check_duration(fields.deadline, deadline, &place.field("deadline"), report),
        statuses: fields.statuses.clone(),
    }
}

/// Second requests.
pub(super) fn hedging(fields: &HedgingFields, place: &Place<'_>, report: &mut Report) -> Hedging {
    let after = match fields.after {
        HedgeDelayField::P95 => HedgeDelay::P95,
        HedgeDelayField::Fixed(delay) => {
            let range = DurationText::millis(1)..=DurationText::seconds(300);
            HedgeDelay::Fixed(check_duration(delay, range, &place.field("after"), report))
        }
    };
    Hedging { after, budget: check_percent(fields.budget, 1..=100, &place.field("budget"), report) }
}

/// The most asked of one origin.
pub(super) fn limits(fields: &OriginLimitFields, place: &Place<'_>, report: &mut Report) -> OriginLimits {
    let mut number = |value, range, name| check_number(value, range, &place.field(name), report);
    let requests = number(fields.requests, 1..=MAX_REQUESTS, "requests");
    let fills = number(fields.fills, 1..=MAX_HELD, "fills");
    let rate = fields.rate.map(|rate| number(rate, 1..=MAX_REQUESTS, "rate"));
    let pending = number(fields.pending, 0..=MAX_HELD, "pending");
    let failures_floor = number(fields.failures_floor, 1..=MAX_REQUESTS, "failures_floor");
    let mut time = |value, least, most, name| check_duration(value, least..=most, &place.field(name), report);
    let minute = DurationText::seconds(60);
    let pending_timeout = time(fields.pending_timeout, DurationText::millis(0), minute, "pending_timeout");
    let open = time(fields.open, DurationText::millis(100), DurationText::hours(1), "open");
    let failures = check_percent(fields.failures, 0..=100, &place.field("failures"), report);
    OriginLimits { requests, fills, rate, pending, pending_timeout, failures, failures_floor, open }
}

/// What comes before weight.
pub(super) fn order(field: OrderField) -> OriginOrder {
    match field {
        OrderField::Nearest => OriginOrder::Nearest,
        OrderField::Written => OriginOrder::Written,
    }
}

/// What ties requests to one origin or part.
pub(super) fn sticky(field: &StickyField, place: &Place<'_>, report: &mut Report) -> Option<StickyKey> {
    match field {
        StickyField::Path => Some(StickyKey::Path),
        StickyField::ClientAddress => Some(StickyKey::ClientAddress),
        StickyField::Header(name) => any_field_name(name, &place.field("header"), report).map(StickyKey::Header),
        StickyField::Cookie(name) => {
            // RFC 6265 section 4.1.1: a cookie's name is a token.
            if !is_token(name.as_bytes()) {
                report.at(&place.field("cookie"), "the name of a cookie (RFC 6265 section 4.1.1)");
            }
            Some(StickyKey::Cookie(name.clone()))
        }
    }
}

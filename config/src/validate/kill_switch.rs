//! Kill switches of a site document. Whether their time has come is for those to say who have a clock.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::Surroundings;
use super::range::{check_length, check_number};
use crate::document::{KillSwitchActionField, KillSwitchFields, PinFields, SiteDocument};
use crate::ids::{OriginName, PoolName, RouteName};
use crate::model::{KillSwitch, KillSwitchAction};
use crate::source::{Place, Report};
use crate::suggestion::list;

/// Of one site: each is looked at by every request to it.
const MAX_SWITCHES: usize = 64;

/// 2100-01-01T00:00:00Z since the epoch: what is to last longer is no switch but a route.
const CENTURY_END: Duration = Duration::from_secs(4_102_444_800);

/// Those of a site that make sense.
pub(super) fn kill_switches(
    site: &SiteDocument,
    list: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Vec<KillSwitch> {
    if !check_length(site.kill_switches.len(), MAX_SWITCHES, list, report) {
        return Vec::new();
    }
    let switches = site.kill_switches.iter().enumerate();
    switches
        .filter_map(|(index, fields)| kill_switch(fields, site, &list.element(index), surroundings, report))
        .collect()
}

fn kill_switch(
    fields: &KillSwitchFields,
    site: &SiteDocument,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<KillSwitch> {
    let action = action(&fields.action, &place.field("action"), surroundings, report);
    let routes = routes(fields, site, &place.field("routes"), report);
    if let Some((found, expected)) = KillSwitch::fault_of_reason(&fields.reason) {
        report.found(&place.field("reason"), found, expected);
    }
    if !(SystemTime::UNIX_EPOCH..SystemTime::UNIX_EPOCH + CENTURY_END).contains(&fields.until.0) {
        report.at(&place.field("until"), "a time of this century (RFC 3339), such as 2026-11-21T18:00:00Z");
    }
    Some(KillSwitch::new(action?, routes, fields.until.0, fields.reason.clone()))
}

fn routes(fields: &KillSwitchFields, site: &SiteDocument, place: &Place<'_>, report: &mut Report) -> Vec<RouteName> {
    let known = || site.routes.iter().map(|route| route.name.as_str());
    for (index, name) in fields.routes.iter().enumerate() {
        if !known().any(|known| known == name) {
            report.at(&place.element(index), format!("a route of this site: {}", list(known())));
        }
    }
    fields.routes.iter().filter_map(|name| RouteName::parse(name).ok()).collect()
}

fn action(
    field: &KillSwitchActionField,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<KillSwitchAction> {
    match field {
        KillSwitchActionField::BypassCache => Some(KillSwitchAction::BypassCache),
        KillSwitchActionField::Maintenance => Some(KillSwitchAction::Maintenance),
        KillSwitchActionField::PinOrigin(pin) => pin_origin(pin, &place.field("pin_origin"), surroundings, report),
        KillSwitchActionField::Block(block) => {
            let place = place.field("block");
            let status = check_number(block.status, KillSwitch::BLOCK_STATUSES, &place.field("status"), report);
            StatusCode::from_u16(status).ok().map(KillSwitchAction::Block)
        }
    }
}

fn pin_origin(
    pin: &PinFields,
    place: &Place<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Option<KillSwitchAction> {
    surroundings.names.check_reference("origin_pool", &pin.origin_pool, &place.field("origin_pool"), report);
    let pool = PoolName::parse(&pin.origin_pool).ok()?;
    if let Some(pool) = surroundings.origin_pools.get(&pool) {
        let known = || pool.origins.iter().map(|origin| origin.name.as_str());
        if !known().any(|known| known == pin.origin) && !surroundings.names.are_partial() {
            report.at(&place.field("origin"), format!("an origin of pool {}: {}", pool.name, list(known())));
        }
    }
    Some(KillSwitchAction::PinOrigin { pool, origin: OriginName::parse(&pin.origin).ok()? })
}

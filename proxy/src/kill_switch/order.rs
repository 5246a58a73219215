//! An order of an operator, as JSON, and what is wrong with it.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tidegate_config::document::{BlockFields, DurationText, KillSwitchActionField, PinFields, TimeText};
use tidegate_config::ids::{RouteName, SiteName};
use tidegate_config::model::{KillSwitch, KillSwitchAction, Model, Site};

use super::register::{KillSwitches, MAX_DURATION};

/// The shortest that a switch lasts.
const MIN_DURATION: Duration = Duration::from_secs(1);
/// Routes of one order; a site has no more.
const MAX_ROUTES: usize = 1000;
/// What an action may be, for messages.
const ACTIONS: &str = "\"bypass_cache\", {\"pin_origin\": {\"origin_pool\": NAME, \"origin\": NAME}}, \"block\", {\"block\": \
                       {\"status\": 403}} or \"maintenance\"";
/// Names listed in a message.
const MAX_LISTED: usize = 24;

/// What an operator asks for; names and shapes are those of site documents.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    site: String,
    #[serde(deserialize_with = "written_action")]
    action: KillSwitchActionField,
    #[serde(default)]
    routes: Vec<String>,
    #[serde(default, rename = "for")]
    lasts: Option<DurationText>,
    #[serde(default)]
    until: Option<TimeText>,
    reason: String,
}

impl Order {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong and what is expected, for people.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| {
            format!(
                "{error}; expected a JSON object with site, action ({ACTIONS}), reason, and for or until; routes may be left \
                 out"
            )
        })
    }

    /// Checks it against the configuration in force.
    ///
    /// # Errors
    /// What was found and what is expected, for people.
    pub fn check(&self, switches: &KillSwitches, now: SystemTime) -> Result<(SiteName, KillSwitch), String> {
        let model = switches.model().ok_or("no configuration is in force yet")?;
        let known = model.sites.iter().map(|site| site.name.as_str());
        let site = model.sites.iter().find(|site| site.name.as_str() == self.site);
        let site = site.ok_or_else(|| expected("site", &self.site, &format!("a site: {}", list(known))))?;
        let routes = self.routes_of(site)?;
        let action = action(&self.action, &model)?;
        let until = self.end(now)?;
        if let Some((found, expected)) = KillSwitch::fault_of_reason(&self.reason) {
            return Err(format!("reason: found {found}, expected {expected}"));
        }
        Ok((site.name.clone(), KillSwitch::new(action, routes, until, self.reason.clone())))
    }

    fn routes_of(&self, site: &Site) -> Result<Vec<RouteName>, String> {
        if self.routes.len() > MAX_ROUTES {
            return Err(format!("routes: found a list of {}, expected at most {MAX_ROUTES}", self.routes.len()));
        }
        let known = || site.routes.iter().map(|route| route.name.as_str());
        let find = |name: &String| {
            let route = site.routes.iter().find(|route| route.name.as_str() == name);
            let expected = || expected("routes", name, &format!("routes of site {}: {}", site.name, list(known())));
            route.map(|route| route.name.clone()).ok_or_else(expected)
        };
        self.routes.iter().map(find).collect()
    }

    fn end(&self, now: SystemTime) -> Result<SystemTime, String> {
        let days = MAX_DURATION.as_secs() / 86_400;
        match (self.lasts, self.until) {
            (Some(DurationText(lasts)), None) if (MIN_DURATION..=MAX_DURATION).contains(&lasts) => Ok(now + lasts),
            (Some(lasts), None) => Err(expected("for", &lasts.to_text(), &format!("1s to {days}d"))),
            (None, Some(TimeText(until))) if until > now && until <= now + MAX_DURATION => Ok(until),
            (None, Some(until)) => {
                let now = TimeText(now).to_text();
                let expected_time = format!("a time after now, which is {now}, and within {days} days");
                Err(expected("until", &until.to_text(), &expected_time))
            }
            _ => Err("for, until: expected one of them, such as \"for\": \"30m\"".to_owned()),
        }
    }
}

/// As documents have it: the name alone where nothing else must be said.
fn written_action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KillSwitchActionField, D::Error> {
    let written = Value::deserialize(deserializer)?;
    match written.as_str() {
        Some("block") => Ok(KillSwitchActionField::Block(BlockFields::default())),
        Some("pin_origin") => Err(D::Error::custom("pin_origin alone does not say which origin")),
        _ => serde_json::from_value(written).map_err(D::Error::custom),
    }
}

fn action(field: &KillSwitchActionField, model: &Model) -> Result<KillSwitchAction, String> {
    match field {
        KillSwitchActionField::BypassCache => Ok(KillSwitchAction::BypassCache),
        KillSwitchActionField::Maintenance => Ok(KillSwitchAction::Maintenance),
        KillSwitchActionField::PinOrigin(pin) => pin_origin(pin, model),
        KillSwitchActionField::Block(block) => {
            let statuses = KillSwitch::BLOCK_STATUSES;
            let status = StatusCode::from_u16(block.status).ok().filter(|status| statuses.contains(&status.as_u16()));
            let range = format!("{} to {}", statuses.start(), statuses.end());
            let expected = || expected("action.block.status", &block.status.to_string(), &range);
            status.map(KillSwitchAction::Block).ok_or_else(expected)
        }
    }
}

fn pin_origin(pin: &PinFields, model: &Model) -> Result<KillSwitchAction, String> {
    let pool = model.origin_pools.values().find(|pool| pool.name.as_str() == pin.origin_pool);
    let pool = pool.ok_or_else(|| {
        let known = list(model.origin_pools.keys().map(|name| name.as_str()));
        expected("action.pin_origin.origin_pool", &pin.origin_pool, &format!("an origin pool: {known}"))
    })?;
    let origin = pool.origins.iter().find(|origin| origin.name.as_str() == pin.origin);
    let origin = origin.ok_or_else(|| {
        let known = list(pool.origins.iter().map(|origin| origin.name.as_str()));
        expected("action.pin_origin.origin", &pin.origin, &format!("an origin of pool {}: {known}", pool.name))
    })?;
    Ok(KillSwitchAction::PinOrigin { pool: pool.name.clone(), origin: origin.name.clone() })
}

fn expected(path: &str, found: &str, expected: &str) -> String {
    // As much of it as names may have; the rest says nothing more.
    let found: String = found.chars().take(64).collect();
    format!("{path}: found {found:?}, expected {expected}")
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(MAX_LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

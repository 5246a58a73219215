//! Kill switches: what operators switch on by hand, in a site document or on their listener, and what ends by itself.
//!
//! Owns which are on, and says of a request what they ask for. It answers no request: that is for the phases. Those of
//! documents come and go with the configuration; those of the operator's listener outlive it, but not the process.

mod order;
mod register;
mod view;

use std::time::SystemTime;

use http::StatusCode;
use tidegate_config::ids::{OriginName, PoolName, RouteName, SiteName};
use tidegate_config::model::{KillSwitch, KillSwitchAction};

pub use order::Order;
pub use register::{KillSwitches, NotSwitchedOff, TooMany};

/// A switch that is on.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveSwitch {
    /// What it is called by operators: a number, or its place in a document.
    pub id: String,
    /// Who switched it on.
    pub switched_by: SwitchedBy,
    /// The site it is for.
    pub site: SiteName,
    /// What it does, for which routes, until when and why.
    pub switch: KillSwitch,
}

/// Who switched a kill switch on, and so who can switch it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchedBy {
    /// A site document.
    Document,
    /// An operator, on the operator's listener.
    Operator,
}

/// What the switches that are on ask of one request, all taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How the request is refused, if it is.
    pub refusal: Option<Refusal>,
    /// Whether nothing is served from the cache or stored in it.
    pub bypass_cache: bool,
}

/// How a request is refused. Blocks go before maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// With this status.
    Block(StatusCode),
    /// With the page of maintenance, which lasts until this time.
    Maintenance(SystemTime),
}

/// The origin that every request goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its pool.
    pub pool: PoolName,
    /// The origin.
    pub origin: OriginName,
}

impl ActiveSwitch {
    /// Whether it is about requests of this route at this time.
    fn takes(&self, site: &SiteName, route: &RouteName, now: SystemTime) -> bool {
        let routes = &self.switch.routes;
        self.is_on(now) && self.site == *site && (routes.is_empty() || routes.contains(route))
    }

    fn is_on(&self, now: SystemTime) -> bool {
        now < self.switch.until
    }
}

impl SwitchedBy {
    /// Its name in answers and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Operator => "operator",
        }
    }
}

/// The name of an action in answers, logs and metrics.
#[must_use]
pub const fn action_label(action: &KillSwitchAction) -> &'static str {
    match action {
        KillSwitchAction::BypassCache => "bypass_cache",
        KillSwitchAction::PinOrigin { .. } => "pin_origin",
        KillSwitchAction::Block(_) => "block",
        KillSwitchAction::Maintenance => "maintenance",
    }
}

#[cfg(test)]
mod tests;

//! What operators see of pools and origins: state and how it came about, figures, and where requests would go now.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};
use tidegate_config::model::{Origin, OriginDuty, Probe};
use tidegate_steering::health::{Reason, View};
use tidegate_steering::{Candidate, Explanation, Health, Mode, explain, mode};

use super::health::{HealthFacts, OriginHealth};
use super::pool::{CompiledOrigin, CompiledPool};
use crate::telemetry::Timestamp;

/// The seed of the order that is shown. Draws among equals fall in another way for each request; their shares are told.
const SHOWN_SEED: u64 = 0;

/// The pools of the configuration in force.
pub struct OriginOverview {
    pools: Vec<Arc<CompiledPool>>,
}

impl OriginOverview {
    /// Of these pools.
    #[must_use]
    pub fn new(pools: impl IntoIterator<Item = Arc<CompiledPool>>) -> Self {
        let mut pools: Vec<_> = pools.into_iter().collect();
        pools.sort_by(|one, other| one.pool.name.cmp(&other.pool.name));
        Self { pools }
    }

    /// Everything as JSON, or one pool only; nothing when there is none of this name.
    #[must_use]
    pub fn report(&self, only: Option<&str>) -> Option<Value> {
        let now = Instant::now();
        let wanted = self.pools.iter().filter(|pool| only.is_none_or(|name| pool.pool.name.as_str() == name));
        let pools: Vec<Value> = wanted.map(|pool| pool_report(pool, now)).collect();
        (only.is_none() || !pools.is_empty()).then(|| json!({ "pools": pools }))
    }

    /// Brings the gauges up to date that change by time alone.
    pub fn refresh_metrics(&self) {
        let now = Instant::now();
        for pool in &self.pools {
            let candidates = pool.candidates(now);
            let panics = mode(&candidates, pool.pool.health.panic_threshold) == Mode::Panic;
            pool.protection.metrics.panic(panics);
            for (origin, candidate) in pool.origins.iter().zip(&candidates) {
                origin.metrics.seen(is_healthy(candidate.health), effective_share(candidate, panics));
            }
        }
    }
}

fn is_healthy(health: Health) -> bool {
    matches!(health, Health::Healthy | Health::Unknown)
}

/// The part of its weight that an origin gets.
fn effective_share(candidate: &Candidate, panics: bool) -> f64 {
    match (panics, candidate.is_usable()) {
        (true, _) => 1.0,
        (false, true) => f64::from(candidate.share.as_percent()) / 100.0,
        (false, false) => 0.0,
    }
}

fn pool_report(pool: &CompiledPool, now: Instant) -> Value {
    let candidates = pool.candidates(now);
    let threshold = pool.pool.health.panic_threshold;
    let explanations = explain(&candidates, &pool.rules(SHOWN_SEED));
    let origins = pool.origins.iter().zip(&candidates).zip(&explanations);
    let mode = mode(&candidates, threshold);
    let origins: Vec<Value> = origins
        .map(|((origin, candidate), explanation)| {
            let share = effective_share(candidate, mode == Mode::Panic);
            origin_report(origin, share, explanation, now)
        })
        .collect();
    json!({
        "name": pool.pool.name.as_str(),
        "probe": match pool.pool.health.probe {
            Probe::Off => "off",
            Probe::Tcp => "tcp",
            Probe::Http(_) => "http",
        },
        "panic": mode == Mode::Panic,
        "panic_threshold_percent": threshold,
        "origins": origins,
    })
}

fn origin_report(origin: &CompiledOrigin, share: f64, explanation: &Explanation, now: Instant) -> Value {
    let view = origin.health.view(now);
    let state = origin.health.state();
    let facts = origin.health.facts();
    let weight = origin.origin.weight.0;
    json!({
        "name": origin.origin.name.as_str(),
        "url": url(&origin.origin),
        "region": origin.origin.region.as_str(),
        "addresses": addresses(&origin.origin, &facts),
        "state": state_label(&view),
        "drained": origin.origin.duty == OriginDuty::Drained,
        "healthy": is_healthy(view.health),
        "reason": OriginHealth::reason(&view),
        "until": until(&view).map(|until| timestamp(origin.health.wall_clock(until))),
        "trial": view.trial,
        "since": timestamp(facts.since),
        "last_error": facts.last_error,
        "last_probe": last_probe(&facts),
        "weight": weight,
        "effective_weight": f64::from(weight) * share,
        "effective_weight_ratio": share,
        "consecutive_failures": state.consecutive_failures(),
        "ejections": state.ejections(),
        "flap_penalty": origin.health.flap_penalty(now).round(),
        "circuit": origin.protection.report(now),
        "steering": steering(explanation),
    })
}

fn state_label(view: &View) -> &'static str {
    match view.health {
        Health::Healthy => "healthy",
        Health::Unknown => "unknown",
        Health::Suspect => "suspect",
        Health::Ejected => "ejected",
        Health::Down => "down",
    }
}

fn until(view: &View) -> Option<tidegate_steering::health::Moment> {
    match view.reason {
        Reason::Flaps { until } | Reason::Suspected { until } | Reason::Ejected { until } => Some(until),
        Reason::NothingKnown | Reason::Works | Reason::SlowStart | Reason::Fails => None,
    }
}

fn url(origin: &Origin) -> String {
    let scheme = if origin.tls.is_some() { "https" } else { "http" };
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    format!("{scheme}://{host}:{}{}", origin.port, origin.path_prefix)
}

/// Those that the latest probe found, or the one that the configuration has.
fn addresses(origin: &Origin, facts: &HealthFacts) -> Vec<String> {
    let literal = || origin.host.parse().ok().map(|ip: std::net::IpAddr| std::net::SocketAddr::new(ip, origin.port));
    match &facts.last_probe {
        Some(probe) if !probe.addresses.is_empty() => probe.addresses.iter().map(ToString::to_string).collect(),
        _ => literal().iter().map(ToString::to_string).collect(),
    }
}

fn last_probe(facts: &HealthFacts) -> Option<Value> {
    facts.last_probe.as_ref().map(|probe| {
        json!({
            "at": timestamp(probe.at),
            "duration_seconds": probe.duration.as_secs_f64(),
            "outcome": probe.outcome.label(),
            "error": probe.error,
        })
    })
}

fn steering(explanation: &Explanation) -> Value {
    json!({
        "rank": explanation.rank,
        "reason": explanation.reason.label(),
        "priority": explanation.priority.0,
        "distance": explanation.proximity.0,
        "first_share": explanation.first_share,
    })
}

fn timestamp(time: SystemTime) -> String {
    Timestamp(time).to_string()
}

//! Which switches are on. Readers take one atomic load where none is, and never wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tidegate_config::ids::{RouteName, SiteName};
use tidegate_config::model::{KillSwitch, KillSwitchAction, Model};

use super::{ActiveSwitch, Pin, Refusal, SwitchedBy, Verdict, action_label};
use crate::telemetry::KillSwitchMetrics;

/// Switches of operators at the same time: each is looked at by every request to its site, and who needs more writes
/// documents.
const MAX_OF_OPERATORS: usize = 64;

/// The longest that a switch of an operator lasts: a week, after which what is still needed belongs in a document.
pub(super) const MAX_DURATION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// All switches that are on.
pub struct KillSwitches {
    /// Whether there are any at all.
    any: AtomicBool,
    on: ArcSwap<Vec<Arc<ActiveSwitch>>>,
    changes: Mutex<Changes>,
    metrics: KillSwitchMetrics,
}

/// What changes need besides; held while one is made, so that they come one after another.
#[derive(Default)]
struct Changes {
    operators_so_far: u64,
    model: Option<Arc<Model>>,
}

/// There are as many switches of operators as there may be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{MAX_OF_OPERATORS} kill switches of operators are on, and no more may be: switch one off, or write documents")]
pub struct TooMany;

/// Why a switch was not switched off.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotSwitchedOff {
    /// There is none of this id.
    #[error("no kill switch of this id is on")]
    Unknown,
    /// It would come back with the next reload.
    #[error("this kill switch is in the site document: take it out there and reload")]
    OfDocument,
}

impl KillSwitches {
    /// None are on yet.
    #[must_use]
    pub fn new(metrics: KillSwitchMetrics) -> Self {
        Self { any: AtomicBool::new(false), on: ArcSwap::default(), changes: Mutex::default(), metrics }
    }

    /// What is asked of a request to this route.
    #[must_use]
    pub fn verdict(&self, site: &SiteName, route: &RouteName, now: SystemTime) -> Verdict {
        let mut verdict = Verdict::default();
        if !self.any.load(Ordering::Acquire) {
            return verdict;
        }
        for switch in self.on.load().iter().filter(|switch| switch.takes(site, route, now)) {
            match (&switch.switch.action, verdict.refusal) {
                (KillSwitchAction::BypassCache, _) => verdict.bypass_cache = true,
                (KillSwitchAction::Block(_), Some(Refusal::Block(_))) => {}
                (KillSwitchAction::Block(status), _) => verdict.refusal = Some(Refusal::Block(*status)),
                (KillSwitchAction::Maintenance, None) => {
                    verdict.refusal = Some(Refusal::Maintenance(switch.switch.until));
                }
                (KillSwitchAction::Maintenance | KillSwitchAction::PinOrigin { .. }, _) => {}
            }
        }
        verdict
    }

    /// The one origin that requests to this route go to, if an operator said so. Asked for each attempt, so that
    /// fetches of the cache follow too.
    #[must_use]
    pub fn pinned(&self, site: &SiteName, route: &RouteName, now: SystemTime) -> Option<Pin> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let on = self.on.load();
        let mut taking = on.iter().filter(|switch| switch.takes(site, route, now));
        taking.find_map(|switch| match &switch.switch.action {
            KillSwitchAction::PinOrigin { pool, origin } => Some(Pin { pool: pool.clone(), origin: origin.clone() }),
            _ => None,
        })
    }

    /// Whether anything at all is asked of requests to this route.
    #[must_use]
    pub fn touches(&self, site: &SiteName, route: &RouteName, now: SystemTime) -> bool {
        self.any.load(Ordering::Acquire) && self.on.load().iter().any(|switch| switch.takes(site, route, now))
    }

    /// All that are on, those of operators first.
    #[must_use]
    pub fn list(&self) -> Arc<Vec<Arc<ActiveSwitch>>> {
        self.on.load_full()
    }

    /// The configuration in force, against which orders are checked.
    pub(super) fn model(&self) -> Option<Arc<Model>> {
        self.changes.lock().model.clone()
    }

    /// Puts the switches of a configuration in force, in place of those of the one before.
    pub fn put_in_force(&self, model: &Arc<Model>, now: SystemTime) {
        let mut changes = self.changes.lock();
        let before = self.on.load_full();
        let mut on: Vec<Arc<ActiveSwitch>> =
            before.iter().filter(|switch| switch.switched_by == SwitchedBy::Operator).cloned().collect();
        let of_operators = on.len();
        for site in &model.sites {
            for (index, switch) in site.kill_switches.iter().enumerate() {
                let (id, site) = (format!("{}[{index}]", site.name), site.name.clone());
                let switch = ActiveSwitch { id, switched_by: SwitchedBy::Document, site, switch: switch.clone() };
                note_term(&switch, now);
                if switch.is_on(now) {
                    on.push(Arc::new(switch));
                }
            }
        }
        let (documented, documented_before) = (&on[of_operators..], &before[of_operators..]);
        let is_new = |switch: &&Arc<ActiveSwitch>| !documented_before.iter().any(|other| is_same(other, switch));
        documented.iter().filter(is_new).for_each(|switch| note_on(switch, now));
        let is_gone = |switch: &&Arc<ActiveSwitch>| !documented.iter().any(|other| is_same(other, switch));
        documented_before.iter().filter(is_gone).for_each(|switch| note_off(switch, "no longer in the document"));
        changes.model = Some(Arc::clone(model));
        self.replace(on);
    }

    /// Switches one on.
    ///
    /// # Errors
    /// When there are too many.
    pub fn switch_on(&self, site: SiteName, switch: KillSwitch, now: SystemTime) -> Result<Arc<ActiveSwitch>, TooMany> {
        let mut changes = self.changes.lock();
        let mut on = self.on.load_full().as_ref().clone();
        let of_operators = on.iter().filter(|switch| switch.switched_by == SwitchedBy::Operator).count();
        if of_operators >= MAX_OF_OPERATORS {
            return Err(TooMany);
        }
        changes.operators_so_far += 1;
        let id = changes.operators_so_far.to_string();
        let switch = Arc::new(ActiveSwitch { id, switched_by: SwitchedBy::Operator, site, switch });
        note_on(&switch, now);
        on.insert(of_operators, Arc::clone(&switch));
        self.replace(on);
        Ok(switch)
    }

    /// Switches one of an operator off.
    ///
    /// # Errors
    /// Why it is still on.
    pub fn switch_off(&self, id: &str) -> Result<Arc<ActiveSwitch>, NotSwitchedOff> {
        let _changes = self.changes.lock();
        let mut on = self.on.load_full().as_ref().clone();
        let place = on.iter().position(|switch| switch.id == id).ok_or(NotSwitchedOff::Unknown)?;
        if on[place].switched_by == SwitchedBy::Document {
            return Err(NotSwitchedOff::OfDocument);
        }
        let switch = on.remove(place);
        note_off(&switch, "switched off by an operator");
        self.replace(on);
        Ok(switch)
    }

    /// Takes those away whose time has come. They do nothing from that moment on, whenever this is called.
    pub fn sweep(&self, now: SystemTime) {
        let _changes = self.changes.lock();
        let before = self.on.load_full();
        let (on, over): (Vec<_>, Vec<_>) = before.iter().cloned().partition(|switch| switch.is_on(now));
        if over.is_empty() {
            return;
        }
        over.iter().for_each(|switch| note_off(switch, "its time is over"));
        self.replace(on);
    }

    /// With `changes` held.
    fn replace(&self, on: Vec<Arc<ActiveSwitch>>) {
        let mut counts: BTreeMap<(&str, &'static str), i64> = BTreeMap::new();
        for switch in &on {
            *counts.entry((switch.site.as_str(), action_label(&switch.switch.action))).or_default() += 1;
        }
        self.metrics.set(counts.into_iter());
        let any = !on.is_empty();
        self.on.store(Arc::new(on));
        self.any.store(any, Ordering::Release);
    }
}

/// Whether a switch of a document is the one of the document before, wherever it stands there now.
fn is_same(left: &ActiveSwitch, right: &ActiveSwitch) -> bool {
    left.site == right.site && left.switch == right.switch
}

/// A document may say any time; what is over or very far away is probably not meant.
fn note_term(switch: &ActiveSwitch, now: SystemTime) {
    let (id, site) = (switch.id.as_str(), switch.site.as_str());
    match switch.switch.until.duration_since(now) {
        Err(_) => log::info!(id, site; "the time of this kill switch is over; it does nothing"),
        Ok(left) if left > MAX_DURATION => {
            log::warn!(id, site; "this kill switch lasts for more than {} days", MAX_DURATION.as_secs() / 86_400);
        }
        Ok(_) => {}
    }
}

fn note_on(switch: &ActiveSwitch, now: SystemTime) {
    let remaining = switch.switch.remaining_seconds(now);
    log::warn!(
        id = switch.id.as_str(), site = switch.site.as_str(), routes = routes_of(switch).as_str(),
        action = action_label(&switch.switch.action), by = switch.switched_by.label(), remaining_seconds = remaining,
        reason = switch.switch.reason.as_str();
        "a kill switch is on"
    );
}

fn note_off(switch: &ActiveSwitch, why: &str) {
    log::warn!(
        id = switch.id.as_str(), site = switch.site.as_str(), routes = routes_of(switch).as_str(),
        action = action_label(&switch.switch.action), by = switch.switched_by.label(), why,
        reason = switch.switch.reason.as_str();
        "a kill switch is off"
    );
}

fn routes_of(switch: &ActiveSwitch) -> String {
    if switch.switch.routes.is_empty() {
        return "all".to_owned();
    }
    switch.switch.routes.iter().map(RouteName::as_str).collect::<Vec<_>>().join(" ")
}

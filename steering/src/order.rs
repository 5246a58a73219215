//! The order in which the origins of a pool are tried.
//!
//! Usable ones first: by priority, then by distance, then by a weighted draw. Those that are not follow as a last
//! resort, so that a pool is never empty. Only what an operator drained is left out, unless that is everything.

use crate::candidate::{Candidate, Circuit, Distance, Duty, Health, Share};
use crate::consistent_hash::{draw, mix, uniform};

/// What decides beside the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Below this share of the weight that is healthy, in percent, all are used that no operator took out; 0 for never.
    pub panic_threshold: u8,
    /// Of the draws: by chance for each request, or [`crate::sticky_seed`] of what ties requests together.
    pub seed: u64,
}

/// Under which circumstances an order was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Enough is healthy.
    Normal,
    /// So little is healthy that the verdicts are doubted: first attempts go to everyone near.
    Panic,
    /// An operator drained all there is: they are used all the same, rather than nothing.
    AllDrained,
}

/// The order of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Indices of candidates, the first to be tried first. Everyone not drained appears exactly once; if all are
    /// drained, everyone does.
    pub indices: Vec<usize>,
    /// Under which circumstances.
    pub mode: Mode,
}

/// How near the front a candidate belongs, whatever its distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// To be used.
    Usable,
    /// Usable, but this request is beyond the share of a group that starts slowly.
    Deferred,
    /// In panic: not to be drawn first, as its whole distance has failed.
    Doubtful,
    /// Suspect, or its circuit is open.
    Avoided,
    /// Ejected.
    Ejected,
    /// Down.
    Down,
}

/// A candidate with all that its place depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) standing: Standing,
    pub(crate) distance: Distance,
    pub(crate) spare: bool,
    draw: u64,
    identity: u64,
    pub(crate) index: usize,
}

/// The order for one request.
#[must_use]
pub fn order(candidates: &[Candidate], rules: &Rules) -> Order {
    let (placed, mode) = place(candidates, rules);
    Order { indices: placed.into_iter().map(|placed| placed.index).collect(), mode }
}

/// Under which circumstances the candidates are ordered.
#[must_use]
pub fn mode(candidates: &[Candidate], panic_threshold: u8) -> Mode {
    let (mut active, mut total, mut healthy, mut total_count, mut healthy_count) = (false, 0_u64, 0_u64, 0_u64, 0_u64);
    for candidate in candidates.iter().filter(|candidate| candidate.duty == Duty::Active) {
        let (weight, counts) = (u64::from(candidate.weight), u64::from(candidate.is_capacity()));
        active = true;
        total += weight;
        healthy += weight * counts;
        total_count += 1;
        healthy_count += counts;
    }
    if !active && !candidates.is_empty() {
        return Mode::AllDrained;
    }
    // Where all are spares they are equals.
    let (healthy, total) = if total == 0 { (healthy_count, total_count) } else { (healthy, total) };
    if healthy * 100 < total * u64::from(panic_threshold) { Mode::Panic } else { Mode::Normal }
}

/// All candidates that may be asked, in order.
pub(crate) fn place(candidates: &[Candidate], rules: &Rules) -> (Vec<Placed>, Mode) {
    let mode = mode(candidates, rules.panic_threshold);
    let mut placed: Vec<Placed> = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.duty == Duty::Active || mode == Mode::AllDrained)
        .map(|(index, candidate)| placed(index, candidate, rules.seed, mode))
        .collect();
    placed.sort_unstable_by_key(Placed::sort_key);
    match mode {
        Mode::Panic => spread_in_panic(&mut placed, candidates),
        Mode::Normal | Mode::AllDrained => defer_beyond_share(&mut placed, candidates, rules.seed),
    }
    (placed, mode)
}

fn placed(index: usize, candidate: &Candidate, seed: u64, mode: Mode) -> Placed {
    let (standing, share) = match mode {
        Mode::Panic if candidate.circuit == Circuit::Closed => (Standing::Usable, Share::FULL),
        _ => (standing(candidate), candidate.share),
    };
    Placed {
        standing,
        distance: candidate.distance(),
        spare: candidate.is_spare(),
        draw: draw(candidate.effective_weight(share), seed, candidate.identity),
        identity: candidate.identity,
        index,
    }
}

pub(crate) fn standing(candidate: &Candidate) -> Standing {
    match (candidate.health, candidate.circuit) {
        (Health::Down, _) => Standing::Down,
        (Health::Ejected, _) => Standing::Ejected,
        (Health::Suspect, _) | (_, Circuit::Open) => Standing::Avoided,
        (Health::Healthy | Health::Unknown, Circuit::Closed) => Standing::Usable,
    }
}

impl Placed {
    fn sort_key(&self) -> (Standing, Distance, bool, u64, u64, usize) {
        (self.standing, self.distance, self.spare, self.draw, self.identity, self.index)
    }
}

/// A group whose members all start slowly keeps only their share of the requests, by one draw for each request; the
/// rest goes to the next distance, past those that have spares only: a slow start is no need of them. Where a member has its
/// full share, it takes the rest by weight.
fn defer_beyond_share(placed: &mut [Placed], candidates: &[Candidate], seed: u64) {
    let usable = placed.partition_point(|placed| placed.standing == Standing::Usable);
    let mut deferred = false;
    for group in placed[..usable].chunk_by_mut(|one, other| one.distance == other.distance) {
        let beyond = uniform(seed, group_identity(group[0].distance)) > group_share(group, candidates);
        if beyond || (deferred && group.iter().all(|placed| placed.spare)) {
            deferred = true;
            group.iter_mut().for_each(|placed| placed.standing = Standing::Deferred);
        }
    }
    if deferred {
        placed[..usable].sort_by_key(|placed| placed.standing);
    }
}

/// The part of requests that a group of usable candidates takes: the share of whoever has come furthest.
pub(crate) fn group_share(group: &[Placed], candidates: &[Candidate]) -> f64 {
    let spares_only = group.iter().all(|placed| placed.spare);
    let counted = group.iter().filter(|placed| spares_only || !placed.spare);
    let shares = counted.filter_map(|placed| candidates.get(placed.index)).map(|candidate| candidate.share);
    f64::from(shares.max().unwrap_or(Share::FULL).as_percent()) / 100.0
}

/// What a distance group's draw depends on; unlike any candidate's.
fn group_identity(distance: Distance) -> u64 {
    const GROUPS: u64 = 0x7469_6465_6761_7465;
    mix(GROUPS ^ (u64::from(distance.0.0) << 32 | u64::from(distance.1.0)))
}

/// In panic the first attempt goes to anyone of the nearest distance where something still works (the nearest at all
/// when nothing does), as if all were healthy: verdicts may be wrong, and few must not carry what all did. The second
/// goes to what is believed to work, so that doubt costs no request its answer.
fn spread_in_panic(placed: &mut [Placed], candidates: &[Candidate]) {
    let usable = |placed: &Placed| candidates.get(placed.index).is_some_and(Candidate::is_usable);
    let open = placed.partition_point(|placed| placed.standing == Standing::Usable);
    for group in placed[..open].chunk_by_mut(|one, other| one.distance == other.distance) {
        if !group.iter().any(usable) {
            group.iter_mut().for_each(|placed| placed.standing = Standing::Doubtful);
        }
    }
    placed[..open].sort_by_key(|placed| placed.standing);
    if let Some((_, rest)) = placed.split_first_mut() {
        rest.sort_by_key(|placed| !usable(placed));
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! Why each candidate stands where it stands: for the operator's listener and for tests. Requests do not pay for it.

use crate::candidate::{Candidate, Circuit, Health, Priority, Proximity, Share};
use crate::order::{Mode, Placed, Rules, Standing, group_share, place, standing};

/// Why a candidate stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Usable, in the nearest distance where one is.
    Nearest,
    /// Usable, but nearer ones come first.
    Farther,
    /// Usable, with weight 0: only after others of its distance.
    Spare,
    /// Usable and starting slowly; this request is beyond its share.
    SlowStart,
    /// Not believed to work, but so little is that it is used all the same.
    Panic,
    /// A connection to it failed a moment ago.
    Suspect,
    /// Its circuit is open.
    CircuitOpen,
    /// Ejected after failures of requests.
    Ejected,
    /// Probes say that it is down.
    Down,
    /// An operator took it out: it gets nothing.
    Drained,
    /// An operator took all out, so that it is used nevertheless.
    AllDrained,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Nearest,
        Self::Farther,
        Self::Spare,
        Self::SlowStart,
        Self::Panic,
        Self::Suspect,
        Self::CircuitOpen,
        Self::Ejected,
        Self::Down,
        Self::Drained,
        Self::AllDrained,
    ];

    /// One short word for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Farther => "farther",
            Self::Spare => "spare",
            Self::SlowStart => "slow_start",
            Self::Panic => "panic",
            Self::Suspect => "suspect",
            Self::CircuitOpen => "circuit_open",
            Self::Ejected => "ejected",
            Self::Down => "down",
            Self::Drained => "drained",
            Self::AllDrained => "all_drained",
        }
    }
}

/// One candidate's place in an order, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explanation {
    /// Its place, 0 to be tried first; none when it gets nothing.
    pub rank: Option<usize>,
    /// Why.
    pub reason: Reason,
    /// What comes before distance.
    pub priority: Priority,
    /// How near it is.
    pub proximity: Proximity,
    /// Its weight as far as it gets it now, in hundredths.
    pub effective_weight: u32,
    /// The part of all requests that try it first, from 0 to 1.
    pub first_share: f64,
    /// Whether this is an order in panic.
    pub panic: bool,
}

/// Explains the order of the same arguments: one for each candidate, in the order given.
#[must_use]
pub fn explain(candidates: &[Candidate], rules: &Rules) -> Vec<Explanation> {
    let (placed, mode) = place(candidates, rules);
    let mut explanations: Vec<Explanation> = candidates.iter().map(|candidate| left_out(candidate, mode)).collect();
    let nearest = placed.iter().filter(|placed| candidates.get(placed.index).is_some_and(Candidate::is_usable));
    let nearest = nearest.map(|placed| placed.distance).min();
    for (rank, placed) in placed.iter().enumerate() {
        if let (Some(candidate), Some(explanation)) = (candidates.get(placed.index), explanations.get_mut(placed.index))
        {
            explanation.rank = Some(rank);
            explanation.reason = reason(candidate, placed, mode, nearest == Some(placed.distance));
        }
    }
    for (index, share) in first_shares(candidates, rules.panic_threshold) {
        explanations[index].first_share += share;
    }
    explanations
}

fn left_out(candidate: &Candidate, mode: Mode) -> Explanation {
    let share = if mode == Mode::Panic { Share::FULL } else { candidate.share };
    Explanation {
        rank: None,
        reason: Reason::Drained,
        priority: candidate.priority,
        proximity: candidate.proximity,
        effective_weight: if candidate.is_spare() { 0 } else { candidate.effective_weight(share) },
        first_share: 0.0,
        panic: mode == Mode::Panic,
    }
}

fn reason(candidate: &Candidate, placed: &Placed, mode: Mode, nearest: bool) -> Reason {
    match (mode, placed.standing) {
        (Mode::AllDrained, _) => Reason::AllDrained,
        (_, Standing::Deferred) if !placed.spare => Reason::SlowStart,
        (Mode::Panic, _) if !candidate.is_usable() && candidate.circuit == Circuit::Closed => Reason::Panic,
        _ if !candidate.is_usable() => impediment(candidate),
        _ if candidate.is_spare() => Reason::Spare,
        _ if nearest => Reason::Nearest,
        _ => Reason::Farther,
    }
}

fn impediment(candidate: &Candidate) -> Reason {
    match candidate.health {
        Health::Down => Reason::Down,
        Health::Ejected => Reason::Ejected,
        Health::Suspect => Reason::Suspect,
        Health::Healthy | Health::Unknown => Reason::CircuitOpen,
    }
}

/// The part of all requests that each candidate is the first choice of; what is not listed has none.
fn first_shares(candidates: &[Candidate], panic_threshold: u8) -> Vec<(usize, f64)> {
    // The order of distances is the same for every seed where nobody starts slowly.
    let settled: Vec<Candidate> =
        candidates.iter().map(|candidate| Candidate { share: Share::FULL, ..*candidate }).collect();
    let (placed, mode) = place(&settled, &Rules { panic_threshold, seed: 0 });
    let Some(first) = placed.first() else { return Vec::new() };
    let first_standing = first.standing;
    if mode == Mode::Panic {
        let drawn = |placed: &&Placed| placed.distance == first.distance && placed.standing == first_standing;
        let group: Vec<Placed> = placed.iter().filter(drawn).copied().collect();
        return shared(&group, &settled, 1.0);
    }
    let usable = &placed[..placed.partition_point(|placed| placed.standing == first_standing)];
    let groups: Vec<&[Placed]> = usable.chunk_by(|one, other| one.distance == other.distance).collect();
    if standing(&candidates[first.index]) != Standing::Usable {
        return groups.first().map(|group| shared(group, candidates, 1.0)).unwrap_or_default();
    }
    let mut shares = Vec::new();
    let mut rest = 1.0;
    // Whoever comes to a later group was left over by a slow start, of which spares take nothing.
    let takes = |(place, group): &(usize, &&[Placed])| *place == 0 || group.iter().any(|placed| !placed.spare);
    for (_, group) in groups.iter().enumerate().filter(takes) {
        let taken = rest * group_share(group, candidates);
        rest -= taken;
        shares.extend(shared(group, candidates, taken));
    }
    // What nobody's share covers stays with the nearest.
    shares.extend(groups.first().map(|group| shared(group, candidates, rest)).unwrap_or_default());
    shares
}

/// Divides a part by weight; spares have one only where nobody else is.
fn shared(group: &[Placed], candidates: &[Candidate], part: f64) -> Vec<(usize, f64)> {
    let members = group.iter().filter_map(|placed| Some((placed.index, candidates.get(placed.index)?)));
    let spares_only = members.clone().all(|(_, candidate)| candidate.is_spare());
    let counted = members.filter(|(_, candidate)| spares_only || !candidate.is_spare());
    let weight = |candidate: &Candidate| f64::from(candidate.effective_weight(candidate.share));
    let total: f64 = counted.clone().map(|(_, candidate)| weight(candidate)).sum();
    counted.map(|(index, candidate)| (index, part * weight(candidate) / total)).collect()
}

#[cfg(test)]
mod tests;

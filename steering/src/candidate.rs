//! What steering is told of an origin. Who finds these facts out is none of its business.

/// How near a candidate is: the rank of its region as seen from the edge, 0 the edge's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Proximity(pub u32);

/// What comes before distance: 0 first. All candidates have the same where distance decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Priority(pub u32);

/// What is known of a candidate's health, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Health {
    /// Probes or requests succeed.
    Healthy,
    /// Nothing is known yet. Counts as healthy: a node that has just started must serve.
    Unknown,
    /// A connection to it failed a moment ago; no verdict, so it still counts as capacity.
    Suspect,
    /// Requests met too many failures; it is left alone for a while.
    Ejected,
    /// Probes say that it does not answer.
    Down,
}

/// Whether an operator has taken a candidate out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Duty {
    /// It may be used.
    #[default]
    Active,
    /// An operator took it out: it gets nothing, unless nothing else is there.
    Drained,
}

/// State of a candidate's circuit breaker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Circuit {
    /// Requests flow.
    #[default]
    Closed,
    /// It takes no more than trials; asked only when nobody else can be.
    Open,
}

/// How much of its weight a candidate gets, in percent from 1 to 100: less than all while it starts slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u8);

impl Share {
    /// All of its weight.
    pub const FULL: Self = Self(100);

    /// From percent; what is out of range becomes the nearest that is not.
    #[must_use]
    pub fn percent(percent: u8) -> Self {
        Self(percent.clamp(1, 100))
    }

    /// In percent.
    #[must_use]
    pub fn as_percent(self) -> u8 {
        self.0
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::FULL
    }
}

/// One origin, as far as steering cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// What it is known by, unique in the pool: [`crate::identity`] of its name. Ties keys to it wherever it is listed.
    pub identity: u64,
    /// What comes before distance.
    pub priority: Priority,
    /// How near it is.
    pub proximity: Proximity,
    /// Its share among those of the same distance; 0 only when no other is left there.
    pub weight: u16,
    /// How much of the weight it gets yet.
    pub share: Share,
    /// Its health.
    pub health: Health,
    /// Whether an operator has taken it out.
    pub duty: Duty,
    /// Its circuit breaker.
    pub circuit: Circuit,
}

impl Candidate {
    /// A healthy candidate in full service.
    #[must_use]
    pub fn new(identity: u64, proximity: Proximity, weight: u16) -> Self {
        Self {
            identity,
            priority: Priority::default(),
            proximity,
            weight,
            share: Share::FULL,
            health: Health::Healthy,
            duty: Duty::Active,
            circuit: Circuit::Closed,
        }
    }

    /// Whether a request may go there without a second thought.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self.health, Health::Healthy | Health::Unknown) && self.circuit == Circuit::Closed
    }

    /// Whether it counts as capacity that works, which panic is measured by.
    pub(crate) fn is_capacity(&self) -> bool {
        self.health < Health::Ejected
    }

    pub(crate) fn is_spare(&self) -> bool {
        self.weight == 0
    }

    /// Its weight as far as it gets it yet, in hundredths. Spares are equals among themselves.
    pub(crate) fn effective_weight(&self, share: Share) -> u32 {
        u32::from(self.weight.max(1)) * u32::from(share.0)
    }

    pub(crate) fn distance(&self) -> Distance {
        Distance(self.priority, self.proximity)
    }
}

/// What candidates share that differ in weight alone: a distance group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Distance(pub(crate) Priority, pub(crate) Proximity);

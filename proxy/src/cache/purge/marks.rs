//! The latest purges of one thing.

use super::generation::Generation;
use super::record::Stamp;
use super::scope::Mode;

/// The latest purge of either mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks {
    pub(super) hard: Generation,
    pub(super) soft: Generation,
    /// When the soft one was, in Unix seconds.
    pub(super) soft_at: u32,
}

impl Marks {
    pub(super) fn of(stamp: Stamp) -> Self {
        let Stamp { generation, mode, at } = stamp;
        match mode {
            Mode::Hard => Self { hard: generation, ..Self::default() },
            Mode::Soft => Self { soft: generation, soft_at: at, ..Self::default() },
        }
    }

    /// The later ones of two.
    pub(super) fn merge(&mut self, other: Self) {
        self.hard = self.hard.max(other.hard);
        if other.soft > self.soft {
            (self.soft, self.soft_at) = (other.soft, other.soft_at);
        }
    }

    /// The later one of both.
    pub(super) fn latest(&self) -> Generation {
        self.hard.max(self.soft)
    }

    /// As what they were made of.
    pub(super) fn stamps(self) -> impl Iterator<Item = Stamp> {
        let hard = Stamp { generation: self.hard, mode: Mode::Hard, at: 0 };
        let soft = Stamp { generation: self.soft, mode: Mode::Soft, at: self.soft_at };
        [hard, soft].into_iter().filter(|stamp| stamp.generation != Generation::default())
    }
}

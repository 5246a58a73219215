//! One case over one protocol, in one of the ways that cases are run, and how far it is.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tidegate_tests::client::{Protocol, Request};
use tidegate_tests::edge::HOST;
use tidegate_tests::origin::Script;

use super::answer::{Answer, filled_in};
use super::case::{Ask, Case, Way};

/// Requests of one case that the origin is prepared for.
pub(super) const VERSIONS: usize = 8;

/// What the cache knows when a case's second request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The answer to the first, in memory.
    Hit,
    /// The first half of that answer, and the origin waits.
    Joined,
    /// The answer to the first, in slices.
    Slices,
    /// The answer to the first, on disk: the node was started again.
    Disk,
    /// The same in slices.
    SlicesOnDisk,
}

impl Mode {
    fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Joined => "joined",
            Self::Slices => "slices",
            Self::Disk => "disk",
            Self::SlicesOnDisk => "disk-slices",
        }
    }

    /// Length of bodies that tell versions.
    fn size(self) -> u64 {
        match self {
            Self::Hit | Self::Joined | Self::Disk => 3_001,
            Self::Slices | Self::SlicesOnDisk => 1_300_007,
        }
    }

    pub(super) fn is_sliced(self) -> bool {
        matches!(self, Self::Slices | Self::SlicesOnDisk)
    }

    pub(super) fn is_on_disk(self) -> bool {
        matches!(self, Self::Disk | Self::SlicesOnDisk)
    }

    pub(super) fn takes(self, case: &Case) -> bool {
        match self {
            Self::Hit | Self::Joined | Self::Disk if case.slices_alone => false,
            Self::Disk | Self::SlicesOnDisk if !case.restarts => false,
            Self::Hit | Self::Disk => true,
            Self::Joined => case.joins && case.steps.len() > 1 && case.steps[0].way == Way::Fetched,
            Self::Slices | Self::SlicesOnDisk => case.slices && case.answers.iter().all(Answer::has_any_size),
        }
    }
}

/// One case over one protocol, and how far it is.
pub(super) struct Run<'a> {
    pub(super) case: &'a Case,
    pub(super) protocol: Protocol,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) mode: Mode,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Requests that the origin must have had.
    pub(super) asked: usize,
    /// The version whose body is stored.
    pub(super) version: usize,
    pub(super) failures: Vec<String>,
}

impl<'a> Run<'a> {
    pub(super) fn new(case: &'a Case, protocol: Protocol, mode: Mode) -> Self {
        let host = format!("{}-{}.{HOST}", protocol.label(), mode.label());
        let sliced = if mode.is_sliced() { "-sliced" } else { "" };
        let path = format!("/{}{sliced}/{}", case.policy.name(), case.name);
        Self { case, protocol, host, path, mode, state: Mutex::default() }
    }

    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn failed(&self) -> bool {
        !self.state().failures.is_empty()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        let Case { name, source, .. } = self.case;
        let failures = std::mem::take(&mut self.state().failures);
        failures.into_iter().map(|text| format!("{name} ({source}) over {:?}: {text}", self.protocol)).collect()
    }

    pub(super) fn fail(&self, step: usize, wrong: impl IntoIterator<Item = String>) {
        self.state().failures.extend(wrong.into_iter().map(|text| format!("request {}: {text}", step + 1)));
    }

    /// The paths that its requests name, without queries.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        let suffixes = self.case.steps.iter().map(|step| step.request.target.split('?').next().unwrap_or_default());
        suffixes.map(|suffix| format!("{}{suffix}", self.path)).collect()
    }

    pub(super) fn request(&self, ask: &Ask) -> Request {
        let mut request = ask.request.clone().authority(&self.host);
        request.target = format!("{}{}", self.path, request.target);
        for (_, value) in &mut request.fields {
            *value = self.filled_in(value);
        }
        request
    }

    pub(super) fn script(&self, version: usize) -> Script {
        let mut script = self.case.script(version, self.mode.size());
        for (_, value) in &mut script.fields {
            *value = self.filled_in(value);
        }
        script
    }

    pub(super) fn filled_in(&self, text: &str) -> String {
        let scheme = if self.protocol == Protocol::PlainHttp1 { "http" } else { "https" };
        filled_in(text, scheme, &self.host, &self.path)
    }

    pub(super) fn gate(&self) -> String {
        format!("{} {}", self.host, self.path)
    }
}

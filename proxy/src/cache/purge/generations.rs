//! The table of purges, and what it says of an object.
//!
//! To note a purge costs the same however much is stored, and so does holding an object against all purges; an object that
//! was, costs one comparison until something is purged that may concern it. The table is exact up to a number of purges;
//! what was purged before these takes more with it than it was meant to, and never less.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::RwLock;

use super::changes::{Changed, Changes};
use super::generation::Generation;
use super::ledger::{Ledger, Prefix};
use super::marks::Marks;
use super::place::{PARTS, Place};
use super::provenance::{Provenance, Tags};
use super::record::{PurgeRecord, Stamp, Subject};
use super::scope::{Mode, Scope, ScopeKind};
use super::secret::{Named, Secret};

/// Names whose purges by operators are told apart: 16 MiB of them where all are used. At a thousand purges a minute, of
/// names that are not the same ones again, what was stored more than four hours ago begins to be purged with others.
const MOST_PURGED: usize = 1 << 18;

/// The same of what clients changed by unsafe methods, each of which has two names; 6 MiB.
const MOST_CHANGED: usize = 1 << 17;

/// The purge that concerns an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Its number.
    pub generation: Generation,
    /// What it was about.
    pub by: ScopeKind,
    /// When it was, in Unix seconds; of hard ones nobody asks.
    pub at: u32,
    /// Why it concerns this object.
    pub because: Because,
}

/// Why a purge concerns an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// It is about the object.
    Exact,
    /// It is about some tag, and the object counts as having all.
    AllTags,
    /// It is about something that is not told apart from the object any more.
    Folded,
}

impl Because {
    /// Its name, for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::AllTags => "all_tags",
            Self::Folded => "folded",
        }
    }
}

/// What purges say of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// None concerns it.
    Current,
    /// It is stale.
    Stale(Purged),
    /// It must not be served.
    Gone(Purged),
}

/// All purges.
pub struct Generations {
    secret: Secret,
    /// The latest purge that may concern what is in each part of all places.
    parts: Box<[AtomicU64]>,
    latest: AtomicU64,
    table: RwLock<Table>,
}

struct Table {
    everything: Marks,
    /// The latest purge of whichever tag.
    some_tag: Marks,
    purged: Ledger,
    changed: Changes,
    latest: Generation,
}

/// Whom a purge may concern.
enum Concern {
    All,
    Part(u16),
}

impl Generations {
    /// A table without purges, whose numbers begin behind `latest`.
    #[must_use]
    pub fn new(secret: Secret, latest: Generation) -> Self {
        Self::telling_apart(secret, latest, MOST_PURGED, MOST_CHANGED)
    }

    pub(super) fn telling_apart(secret: Secret, latest: Generation, purged: usize, changed: usize) -> Self {
        let table = Table {
            everything: Marks::default(),
            some_tag: Marks::default(),
            purged: Ledger::telling_apart(purged),
            changed: Changes::telling_apart(changed),
            latest,
        };
        let parts = (0..PARTS).map(|_| AtomicU64::new(latest.0)).collect();
        Self { secret, parts, latest: AtomicU64::new(latest.0), table: RwLock::new(table) }
    }

    /// The key of its hashes.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The latest purge. What begins to be fetched now is of no concern to it, nor to those before.
    #[must_use]
    pub fn latest(&self) -> Generation {
        Generation(self.latest.load(Ordering::Acquire))
    }

    /// Names that are told apart.
    #[must_use]
    pub fn names(&self) -> usize {
        let table = self.table.read();
        table.purged.len() + table.changed.len()
    }

    /// The tags of an object as they are kept.
    #[must_use]
    pub fn tags<'t>(&self, tags: impl IntoIterator<Item = &'t str>) -> Tags {
        let mut hashes: Vec<u64> = tags.into_iter().map(|tag| self.secret.hash(Named::Tag, tag)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Tags::Listed(hashes.into())
    }

    /// Purges all of this under one number, at once: who asks after this returns gets nothing that is older and concerned.
    /// The records are to be kept.
    pub fn purge(&self, scopes: &[Scope], mode: Mode, at: u32) -> Vec<PurgeRecord> {
        let subjects: Vec<_> = scopes.iter().map(|scope| self.subject(scope)).collect();
        let mut table = self.table.write();
        let generation = Generation(table.latest.0 + 1);
        let stamp = Stamp { generation, mode, at };
        let noted = subjects.iter().map(|(subject, concern)| {
            let record = PurgeRecord { stamp, subject: *subject };
            table.note(&record);
            self.announce(generation, concern);
            record
        });
        noted.collect()
    }

    /// Notes purges of an earlier run, in any order and as often as one likes.
    pub fn restore(&self, records: impl IntoIterator<Item = PurgeRecord>) {
        let mut table = self.table.write();
        for record in records {
            table.note(&record);
        }
        self.announce(table.latest, &Concern::All);
    }

    /// Notes what another table knows and this one does not, as of now: objects may have been held against this one since.
    /// The records are to be kept.
    pub(super) fn adopt(&self, records: &[PurgeRecord]) -> Vec<PurgeRecord> {
        let mut table = self.table.write();
        let generation = Generation(table.latest.0 + 1);
        let news: Vec<PurgeRecord> = records.iter().filter(|record| !table.knows(record)).copied().collect();
        let restamped = news.into_iter().map(|PurgeRecord { stamp, subject }| {
            let record = PurgeRecord { stamp: Stamp { generation, ..stamp }, subject };
            table.note(&record);
            record
        });
        let restamped = restamped.collect();
        self.announce(table.latest, &Concern::All);
        restamped
    }

    /// Gives out no number up to this one any more.
    pub fn skip_to(&self, generation: Generation) {
        let mut table = self.table.write();
        table.latest = table.latest.max(generation);
        self.announce(table.latest, &Concern::All);
    }

    /// All that the table knows, as records.
    #[must_use]
    pub fn records(&self) -> Vec<PurgeRecord> {
        let table = self.table.read();
        let latest = Stamp { generation: table.latest, mode: Mode::Hard, at: 0 };
        let mut records = vec![PurgeRecord { stamp: latest, subject: Subject::Nothing }];
        let mut add = |subject: Subject, marks: Marks| {
            records.extend(marks.stamps().map(|stamp| PurgeRecord { stamp, subject }));
        };
        add(Subject::Everything, table.everything);
        add(Subject::SomeTag, table.some_tag);
        table.purged.slots().for_each(|(slot, marks)| add(Subject::Slot(slot), marks));
        for (hash, prefix, marks) in table.purged.entries() {
            let of_prefix = |Prefix { host, length }| Subject::Prefix { hash, host, length };
            add(prefix.map_or(Subject::Named(hash), of_prefix), marks);
        }
        let hard = |generation| Stamp { generation, mode: Mode::Hard, at: 0 };
        records.extend(table.changed.slots().map(|(site, slot, generation)| PurgeRecord {
            stamp: hard(generation),
            subject: Subject::ChangedSlot { site, slot },
        }));
        records.extend(table.changed.entries().map(|(site, hash, generation)| PurgeRecord {
            stamp: hard(generation),
            subject: Subject::Changed { site, hash },
        }));
        records
    }

    /// All purges up to now as one of everything: less to write, and more that is purged.
    #[must_use]
    pub(super) fn in_brief(&self) -> Vec<PurgeRecord> {
        let stamp = Stamp { generation: self.latest(), mode: Mode::Hard, at: 0 };
        vec![PurgeRecord { stamp, subject: Subject::Everything }]
    }

    /// What purges say of an object.
    #[must_use]
    pub fn judge(&self, object: &Provenance) -> Verdict {
        let latest = Generation(self.parts[object.part()].load(Ordering::Acquire));
        if latest <= object.checked() {
            return Verdict::Current;
        }
        let verdict = self.table.read().judge(&self.secret, object);
        if verdict == Verdict::Current {
            object.note_checked(latest);
        }
        verdict
    }

    /// What a purge was about that concerns an object, if one does; without noting anything.
    #[must_use]
    pub fn concerning(&self, object: &Provenance) -> Option<(Purged, Mode)> {
        match self.judge(object) {
            Verdict::Current => None,
            Verdict::Stale(purged) => Some((purged, Mode::Soft)),
            Verdict::Gone(purged) => Some((purged, Mode::Hard)),
        }
    }

    /// What is stale by a purge has been made so: that one, and those before, are done with.
    pub fn note_softened(&self, object: &Provenance, by: Purged) {
        object.note_checked(by.generation);
    }

    fn subject(&self, scope: &Scope) -> (Subject, Concern) {
        let place = |kind: Named, url: &str| {
            (Subject::Named(self.secret.hash(kind, url)), Concern::Part(Place::of_url(url).part()))
        };
        match scope {
            Scope::Everything => (Subject::Everything, Concern::All),
            Scope::Host(host) => (Subject::Named(self.secret.hash(Named::Host, host)), Concern::All),
            Scope::Tag(tag) => (Subject::Tag(self.secret.hash(Named::Tag, tag)), Concern::All),
            Scope::Path(path) => place(Named::Path, path),
            Scope::Url(url) => place(Named::Url, url),
            Scope::Shared(path) => place(Named::Shared, path),
            Scope::Changed { what, site } => {
                let (subject, concern) = self.subject(what);
                let Subject::Named(hash) = subject else { return (subject, concern) };
                (Subject::Changed { site: self.secret.site(site), hash }, concern)
            }
            Scope::Prefix(prefix) => {
                let host = self.secret.hash(Named::Host, Place::of_url(prefix).host());
                let length = u32::try_from(prefix.len()).unwrap_or(u32::MAX);
                (Subject::Prefix { hash: self.secret.prefix(prefix), host, length }, Concern::All)
            }
        }
    }

    /// With the table locked: whoever sees the number sees what it is about.
    fn announce(&self, latest: Generation, concern: &Concern) {
        match concern {
            Concern::Part(part) => self.parts[usize::from(*part)].store(latest.0, Ordering::Release),
            Concern::All => self.parts.iter().for_each(|part| part.store(latest.0, Ordering::Release)),
        }
        self.latest.store(latest.0, Ordering::Release);
    }
}

impl Table {
    fn note(&mut self, record: &PurgeRecord) {
        let PurgeRecord { stamp, subject } = *record;
        self.latest = self.latest.max(stamp.generation);
        match subject {
            Subject::Nothing => {}
            Subject::Everything => self.everything.merge(Marks::of(stamp)),
            Subject::SomeTag => self.some_tag.merge(Marks::of(stamp)),
            Subject::Named(hash) => self.purged.mark(hash, None, stamp),
            Subject::Tag(hash) => {
                self.some_tag.merge(Marks::of(stamp));
                self.purged.mark(hash, None, stamp);
            }
            Subject::Prefix { hash, host, length } => self.purged.mark(hash, Some(Prefix { host, length }), stamp),
            Subject::Slot(slot) => self.purged.mark_slot(slot, stamp),
            Subject::Changed { site, hash } => self.changed.mark(site, hash, stamp.generation),
            Subject::ChangedSlot { site, slot } => self.changed.mark_slot(site, slot, stamp.generation),
        }
    }

    /// Whether something was purged at least as late, and as hard, as a record says.
    fn knows(&self, record: &PurgeRecord) -> bool {
        let Stamp { generation, mode, .. } = record.stamp;
        let covers = |marks: Marks| marks.hard >= generation || mode == Mode::Soft && marks.soft >= generation;
        let named = |(exact, folded): (Marks, Marks)| covers(exact) || covers(folded);
        let of_site = |found: Changed| found.exact.max(found.folded) >= generation;
        covers(self.everything)
            || match record.subject {
                Subject::Nothing => true,
                Subject::Everything => false,
                Subject::SomeTag => covers(self.some_tag),
                Subject::Named(hash) | Subject::Tag(hash) => named(self.purged.of(hash)),
                Subject::Prefix { hash, host, .. } => covers(self.purged.of(hash).0) || covers(self.purged.of(host).1),
                Subject::Slot(slot) => covers(self.purged.of_slot(slot)),
                Subject::Changed { site, hash } => of_site(self.changed.of([site].into_iter(), [hash; 2])),
                Subject::ChangedSlot { site, slot } => self.changed.of_slot(site, slot) >= generation,
            }
    }

    fn judge(&self, secret: &Secret, object: &Provenance) -> Verdict {
        let mut found = Worst { outlived: object.checked(), gone: None, stale: None };
        found.add(self.everything, ScopeKind::Everything, Because::Exact);
        let place = Place::of(&object.key);
        let host = secret.hash(Named::Host, place.host());
        found.add_named(self.purged.of(host), ScopeKind::Host);
        found.add(self.purged.of_prefixes(secret, host, &place), ScopeKind::Prefix, Because::Exact);
        let path = secret.hash(Named::Path, place.path());
        found.add_named(self.purged.of(path), ScopeKind::Path);
        let url =
            if place.is_shared { secret.hash(Named::Shared, place.path()) } else { secret.hash(Named::Url, place.url) };
        found.add_named(self.purged.of(url), ScopeKind::Url);
        if !self.changed.is_empty() {
            let changed = self.changed.of(place.sites().map(|site| secret.site(site)), [url, path]);
            let hard = |hard| Marks { hard, ..Marks::default() };
            found.add_named((hard(changed.exact), hard(changed.folded)), ScopeKind::Changed);
        }
        match &object.tags {
            Tags::All => found.add(self.some_tag, ScopeKind::Tag, Because::AllTags),
            Tags::Listed(tags) if self.some_tag.latest() > object.checked() => {
                tags.iter().for_each(|tag| found.add_named(self.purged.of(*tag), ScopeKind::Tag));
            }
            Tags::Listed(_) => {}
        }
        found.verdict()
    }
}

/// A time as purges note it.
pub(super) fn unix_seconds(time: SystemTime) -> u32 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// The purges that concern an object most.
struct Worst {
    /// Those up to this one are done with: they do not concern it, or it is stale by them already.
    outlived: Generation,
    gone: Option<Purged>,
    stale: Option<Purged>,
}

impl Worst {
    /// Purges of a name itself, and of what is not told apart from it.
    fn add_named(&mut self, (exact, folded): (Marks, Marks), by: ScopeKind) {
        self.add(exact, by, Because::Exact);
        self.add(folded, by, Because::Folded);
    }

    fn add(&mut self, marks: Marks, by: ScopeKind, because: Because) {
        let Marks { hard, soft, soft_at } = marks;
        if hard > self.outlived {
            later(&mut self.gone, Purged { generation: hard, by, at: 0, because });
        }
        if soft > self.outlived {
            later(&mut self.stale, Purged { generation: soft, by, at: soft_at, because });
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.gone, self.stale) {
            (Some(gone), _) => Verdict::Gone(gone),
            (None, Some(stale)) => Verdict::Stale(stale),
            (None, None) => Verdict::Current,
        }
    }
}

/// The later one of both, for the better reason.
fn later(known: &mut Option<Purged>, purged: Purged) {
    let because = known.map_or(purged.because, |known| known.because.min(purged.because));
    let latest = known.filter(|known| known.generation >= purged.generation).unwrap_or(purged);
    *known = Some(Purged { because, ..latest });
}

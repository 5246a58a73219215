//! Devices that missed removals, written down on the others: a list in memory alone would not outlive the process, and
//! with the next start a device that was away would serve what was removed.
//!
//! Owns the list and its form. A device that is on it when it is opened forgets everything: which removals it missed,
//! nobody knows any more. Devices are known by their volume, wherever it is mounted next time, and by their directory
//! where the volume was never opened. A device has it in writing of itself, too, as far as it can still be written: it
//! may be the only one.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use super::Device;
use super::answering::StateQuestion;
use crate::placement::PlacementHash;
use crate::store::StateCopy;

/// State that says which devices missed removals.
pub(super) const BEHIND: &str = "behind";
/// State of a device that says up to when it has caught up.
pub(super) const CAUGHT_UP: &str = "caught-up";
/// State of a device that says since when it missed removals itself.
pub(super) const AWAY: &str = "away";
/// A device's name, when it began to miss removals, and which process says so.
const ENTRY: usize = 24;
/// A list that is longer is none of ours: a node has a handful of devices.
const MOST_ENTRIES: usize = 1024;

/// Who is told of the state that a device has when it is opened.
pub(crate) type Follower = Arc<dyn Fn(StateCopy) + Send + Sync>;

/// All devices of a store, and which of them are behind.
pub(crate) struct Peers {
    /// What tells this process from those before: what it wrote down itself, it knows better.
    run: u64,
    followers: Mutex<Vec<(String, Follower)>>,
    devices: OnceLock<Vec<Weak<Device>>>,
    behind: Mutex<BTreeMap<u64, Since>>,
}

/// Since when a device misses removals, in numbers of the store's sequence.
#[derive(Debug, Default, Clone, Copy)]
struct Since {
    /// As was written down before this process began: nobody knows which.
    before: Option<u64>,
    /// In this process, which has a list of them.
    now: Option<u64>,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            run: ahash::RandomState::new().hash_one(0_u8),
            followers: Mutex::default(),
            devices: OnceLock::new(),
            behind: Mutex::default(),
        }
    }
}

impl Peers {
    /// To be called once, before any device is opened.
    pub(crate) fn meet(&self, devices: &[Arc<Device>]) {
        // There is one call.
        self.devices.set(devices.iter().map(Arc::downgrade).collect()).ok();
    }

    fn devices(&self) -> impl Iterator<Item = Arc<Device>> + '_ {
        self.devices.get().into_iter().flatten().filter_map(Weak::upgrade)
    }

    pub(crate) fn follow(&self, name: &str, follower: Follower) {
        self.followers.lock().push((name.to_owned(), follower));
    }

    pub(super) fn followers(&self) -> Vec<(String, Follower)> {
        self.followers.lock().clone()
    }

    /// State of a name that was saved whole, from another device that has all of it.
    pub(super) fn whole_copy(&self, name: &str, own: PlacementHash) -> Option<Bytes> {
        let others = self.devices().filter(|device| device.placement != own);
        let mut sound = others.filter(|device| device.volume().is_some() && !device.is_state_behind(name));
        sound.find_map(|device| {
            let asked = device.ask_state(StateQuestion::Load(name.to_owned()))?;
            let blob = asked.blocking_recv().ok()?.ok()??;
            match &blob.parts[..] {
                [whole] if blob.unreadable_bytes == 0 => Some(whole.clone()),
                _ => None,
            }
        })
    }

    /// A device misses removals from now on.
    pub(super) fn fell_behind(&self, name: PlacementHash, moment: u64) {
        self.behind.lock().entry(name.0).or_default().now.get_or_insert(moment);
        self.write_down();
    }

    /// A device misses nothing any more.
    pub(super) fn caught_up(&self, names: &[PlacementHash]) {
        let mut behind = self.behind.lock();
        let known = names.iter().filter(|name| behind.remove(&name.0).is_some()).count();
        drop(behind);
        if known > 0 {
            self.write_down();
        }
    }

    /// Whether another device can be written to, so that what one misses is known elsewhere.
    pub(super) fn is_another_there(&self, own: PlacementHash) -> bool {
        self.devices().any(|device| device.placement != own && device.volume().is_some())
    }

    /// What a device writes down of itself when it begins to miss removals.
    pub(super) fn away_since(&self, moment: u64) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&moment.to_le_bytes());
        bytes[8..].copy_from_slice(&self.run.to_le_bytes());
        bytes
    }

    /// Since when a device missed removals, as a process before this one wrote down on it.
    pub(super) fn was_away_since(&self, bytes: &[u8]) -> Option<u64> {
        let moment_and_run = bytes.first_chunk::<16>()?;
        (number(&moment_and_run[8..]) != self.run).then(|| number(&moment_and_run[..8]))
    }

    /// What another device has written down; answers who is to be told.
    pub(super) fn heard(&self, list: &[u8]) -> Vec<Arc<Device>> {
        let mut told = decode(list);
        // Of what this process wrote there is a list of what is missed, or it is made good.
        told.retain(|told| told.run != self.run);
        let mut behind = self.behind.lock();
        for told in &told {
            let before = &mut behind.entry(told.name).or_default().before;
            *before = (*before).max(Some(told.moment));
        }
        drop(behind);
        let is_told = |device: &Arc<Device>| {
            let names = device.names();
            told.iter().any(|told| names.contains(&PlacementHash(told.name)))
        };
        self.devices().filter(is_told).collect()
    }

    /// Whether it is written down that a device misses removals.
    pub(super) fn is_behind(&self, names: &[PlacementHash]) -> bool {
        let behind = self.behind.lock();
        names.iter().any(|name| behind.contains_key(&name.0))
    }

    /// Since when it does, where that was written down before this process began.
    pub(super) fn behind_before(&self, names: &[PlacementHash]) -> Option<u64> {
        let behind = self.behind.lock();
        names.iter().filter_map(|name| behind.get(&name.0).and_then(|since| since.before)).max()
    }

    fn write_down(&self) {
        let list = self.list();
        for device in self.devices() {
            device.states.tell(StateQuestion::Save(BEHIND.to_owned(), list.clone()));
        }
    }

    /// What is to be written down now.
    pub(super) fn list(&self) -> Bytes {
        let told = |(name, since): (&u64, &Since)| Told {
            name: *name,
            moment: since.before.max(since.now).unwrap_or(0),
            run: self.run,
        };
        encode(self.behind.lock().iter().map(told))
    }

    /// Waits until no other device is being opened, so that everything that was written down is known.
    pub(super) fn wait_for_all(&self, own: PlacementHash) {
        for device in self.devices().filter(|device| device.placement != own) {
            let told = device.until(|state| state != crate::watcher::DeviceState::Opening);
            drop(device);
            // A device that is gone is not waited for.
            told.blocking_recv().ok();
        }
    }
}

/// One entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    name: u64,
    moment: u64,
    run: u64,
}

fn encode(behind: impl Iterator<Item = Told>) -> Bytes {
    behind.flat_map(|told| [told.name, told.moment, told.run].map(u64::to_le_bytes).concat()).collect()
}

fn decode(list: &[u8]) -> Vec<Told> {
    let told =
        |entry: &[u8]| Told { name: number(&entry[..8]), moment: number(&entry[8..16]), run: number(&entry[16..]) };
    list.chunks_exact(ENTRY).take(MOST_ENTRIES).map(told).collect()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// The moment that a device has written down for itself.
pub(super) fn moment(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |first| u64::from_le_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written_and_odd_ones_do_no_harm() {
        let told = |(name, moment, run)| Told { name, moment, run };
        let behind: Vec<Told> = [(1, u64::MAX, 5), (u64::MAX, 0, 6), (7, 9, 0)].map(told).into();
        assert_eq!(decode(&encode(behind.iter().copied())), behind);
        for odd in [vec![], vec![1; 23], vec![2; 25], vec![0; 1 << 20]] {
            assert!(decode(&odd).len() <= odd.len() / ENTRY);
        }
        assert_eq!((moment(&[]), moment(&5_u64.to_le_bytes())), (0, 5));
    }

    #[test]
    fn what_a_process_wrote_itself_is_nothing_from_before() {
        let (peers, later) = (Peers::default(), Peers::default());
        assert_eq!(
            (peers.was_away_since(&peers.away_since(7)), later.was_away_since(&peers.away_since(7))),
            (None, Some(7))
        );
        assert_eq!(later.was_away_since(&[1; 15]), None);
        peers.behind.lock().entry(3).or_default().now = Some(9);
        let list = peers.list();
        for (reader, before) in [(&peers, None), (&later, Some(9))] {
            assert!(reader.heard(&list).is_empty());
            assert_eq!(reader.behind_before(&[PlacementHash(2), PlacementHash(3)]), before);
        }
    }
}

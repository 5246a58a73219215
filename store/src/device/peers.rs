//! Devices that missed removals, written down on the others: a list in memory alone would not outlive the process, and
//! with the next start a device that was away would serve what was removed.
//!
//! Owns the list and its form. A device that is on it when it is opened forgets everything: which removals it missed,
//! nobody knows any more. Known by their directories, since a device that is away may never have been opened.

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
/// A device's name and when it began to miss removals.
const ENTRY: usize = 16;
/// A list that is longer is none of ours: a node has a handful of devices.
const MOST_ENTRIES: usize = 1024;

/// Who is told of the state that a device has when it is opened.
pub(crate) type Follower = Arc<dyn Fn(StateCopy) + Send + Sync>;

/// All devices of a store, and which of them are behind.
#[derive(Default)]
pub(crate) struct Peers {
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
    pub(super) fn caught_up(&self, name: PlacementHash) {
        if self.behind.lock().remove(&name.0).is_some() {
            self.write_down();
        }
    }

    /// What another device has written down; answers who is to be told.
    pub(super) fn heard(&self, list: &[u8]) -> Vec<Arc<Device>> {
        let told = decode(list);
        let mut behind = self.behind.lock();
        for (name, moment) in &told {
            let before = &mut behind.entry(*name).or_default().before;
            *before = (*before).max(Some(*moment));
        }
        drop(behind);
        self.devices().filter(|device| told.contains_key(&device.placement.0)).collect()
    }

    /// Whether it is written down that a device misses removals.
    pub(super) fn is_behind(&self, name: PlacementHash) -> bool {
        self.behind.lock().contains_key(&name.0)
    }

    /// Since when it does, where that was written down before this process began.
    pub(super) fn behind_before(&self, name: PlacementHash) -> Option<u64> {
        self.behind.lock().get(&name.0).and_then(|since| since.before)
    }

    fn write_down(&self) {
        let list = self.list();
        for device in self.devices() {
            device.states.tell(StateQuestion::Save(BEHIND.to_owned(), list.clone()));
        }
    }

    /// What is to be written down now.
    pub(super) fn list(&self) -> Bytes {
        let moment = |since: &Since| since.before.max(since.now).unwrap_or(0);
        encode(&self.behind.lock().iter().map(|(name, since)| (*name, moment(since))).collect())
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

fn encode(behind: &BTreeMap<u64, u64>) -> Bytes {
    behind.iter().flat_map(|(name, moment)| [name.to_le_bytes(), moment.to_le_bytes()].concat()).collect()
}

fn decode(list: &[u8]) -> BTreeMap<u64, u64> {
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    list.chunks_exact(ENTRY).take(MOST_ENTRIES).map(|entry| (number(&entry[..8]), number(&entry[8..]))).collect()
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
        let behind: BTreeMap<u64, u64> = [(1, u64::MAX), (u64::MAX, 0), (7, 9)].into();
        assert_eq!(decode(&encode(&behind)), behind);
        for odd in [vec![], vec![1; 15], vec![2; 17], vec![0; 1 << 20]] {
            assert!(decode(&odd).len() <= odd.len() / ENTRY);
        }
        assert_eq!((moment(&[]), moment(&5_u64.to_le_bytes())), (0, 5));
    }
}

//! State of a device that was away: what it has of its own is shown to who follows it, what it missed is made good.
//!
//! Owns which names a device is behind with. State that is saved whole is copied from another device; what is added to
//! bit by bit stays behind, and is not added to, until it is saved whole again.

use crate::store::StateCopy;
use crate::volume::{StateBlob, Volume};
use crate::watcher::Event;

use super::Device;
use super::answering::{StateQuestion, StateReply};

/// Names that are remembered; a volume has fewer.
const MOST_NAMES: usize = 64;

impl Device {
    /// Whether something must not be added to this state here.
    pub(super) fn is_state_behind(&self, name: &str) -> bool {
        self.states_behind.lock().contains(name)
    }

    /// Something was to be saved here and was not.
    pub(crate) fn state_is_behind(&self, name: &str) {
        let mut behind = self.states_behind.lock();
        if behind.len() < MOST_NAMES {
            behind.insert(name.to_owned());
        }
    }

    pub(super) fn note_state(&self, question: &StateQuestion, reply: &StateReply) {
        match (question, reply) {
            (StateQuestion::Save(name, _), Ok(_)) => drop(self.states_behind.lock().remove(name)),
            (StateQuestion::Save(name, _) | StateQuestion::Append(name, _), Err(_)) => self.state_is_behind(name),
            (StateQuestion::Append(..), Ok(_)) => {}
            (StateQuestion::Load(_) | StateQuestion::Away(_) | StateQuestion::Missed, _) => {}
        }
    }

    /// Before anything of this device is found: its state is shown to who follows it, and what it missed is copied.
    pub(super) fn bring_state_up_to_date(&self, volume: &Volume) {
        for (name, tell) in self.setting.peers.followers() {
            // What cannot be read is told as damaged.
            let unreadable = |_| Some(StateBlob { unreadable_bytes: 1, ..StateBlob::default() });
            let blob = volume.load_state(&name).unwrap_or_else(unreadable);
            tell(StateCopy { device: self.name.clone(), blob });
        }
        let behind = self.states_behind.lock().clone();
        for name in behind {
            let Some(whole) = self.setting.peers.whole_copy(&name, self.placement) else { continue };
            match volume.save_state(&name, &whole) {
                Ok(()) => drop(self.states_behind.lock().remove(&name)),
                Err(error) => self.saw(&Event::Refused { why: &error.to_string() }),
            }
        }
    }
}

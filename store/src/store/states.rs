//! Small named state beside the records, on every device that is there.

use std::sync::Arc;

use bytes::Bytes;

use tokio::sync::oneshot;

use crate::device::{Device, StateQuestion, StateReply};
use crate::volume::StateBlob;

use super::Store;

/// How far saved state is durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// Devices that have it.
    pub devices: usize,
    /// Devices that do not, each with the reason.
    pub failed: Vec<(Arc<str>, String)>,
}

/// State as one device has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCopy {
    /// The directory of the device.
    pub device: Arc<str>,
    /// What it has; `None`: nothing of that name.
    pub blob: Option<StateBlob>,
}

/// State as all devices have it that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// What they have.
    pub copies: Vec<StateCopy>,
    /// Devices that did not say, each with the reason: what they alone have is not known.
    pub failed: Vec<(Arc<str>, String)>,
}

impl IntoIterator for Loaded {
    type Item = StateCopy;
    type IntoIter = std::vec::IntoIter<StateCopy>;

    fn into_iter(self) -> Self::IntoIter {
        self.copies.into_iter()
    }
}

impl Store {
    /// Saves state under a name in the stead of what is there, durably, on every device. A device that is away keeps
    /// what it had: who saves has to tell old from new when it loads.
    pub async fn save_state(&self, name: &str, bytes: Bytes) -> Saved {
        self.everywhere(name, || StateQuestion::Save(name.to_owned(), bytes.clone())).await
    }

    /// Adds to the state of a name, durably, on every device.
    pub async fn append_state(&self, name: &str, bytes: Bytes) -> Saved {
        self.everywhere(name, || StateQuestion::Append(name.to_owned(), bytes.clone())).await
    }

    async fn everywhere(&self, name: &str, question: impl Fn() -> StateQuestion) -> Saved {
        let ask = |device: &Arc<Device>| {
            let asked = device.ask_state(question());
            if asked.is_none() {
                device.state_is_behind(name);
            }
            asked
        };
        let asked: Vec<_> = self.devices.iter().map(|device| (device, ask(device))).collect();
        let mut saved = Saved::default();
        for (device, asked) in asked {
            match answer(asked).await {
                Ok(_) => saved.devices += 1,
                Err(why) => saved.failed.push((device.name.clone(), why)),
            }
        }
        saved
    }

    /// From now on every device that is opened, for the first time or again, tells what it has of this name before
    /// anything else of it is found. Its opening waits for that, so it must be quick and must not wait for the store.
    /// Who calls this first and loads then misses no device; he may hear of one twice.
    pub fn follow_state(&self, name: &str, follower: Arc<dyn Fn(StateCopy) + Send + Sync>) {
        self.peers.follow(name, follower);
    }

    /// The state of a name as every device that is there has it. Waits for devices that are being opened, not for their
    /// index.
    pub async fn load_state(&self, name: &str) -> Loaded {
        let question = || StateQuestion::Load(name.to_owned());
        let asked: Vec<_> = self.devices.iter().map(|device| (device, device.ask_state(question()))).collect();
        let mut loaded = Loaded::default();
        for (device, asked) in asked {
            match answer(asked).await {
                Ok(blob) => loaded.copies.push(StateCopy { device: device.name.clone(), blob }),
                Err(why) => loaded.failed.push((device.name.clone(), why)),
            }
        }
        loaded
    }
}

async fn answer(asked: Option<oneshot::Receiver<StateReply>>) -> StateReply {
    match asked {
        Some(asked) => asked.await.unwrap_or_else(|_| Err("the device did not answer in time".to_owned())),
        None => Err("too much state waits to be saved".to_owned()),
    }
}

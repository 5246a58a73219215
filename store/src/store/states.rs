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
    ///
    /// What is told is added to what is known and never put in its stead: a device that was away may have what no other
    /// has (it was the only one there when that was saved), and lacks what came meanwhile. What was saved whole while it was
    /// away is copied to it by itself, from a device that has it; what was appended is not: until it is saved whole again,
    /// an append answers that device among [`Saved::failed`]. Damage must be taken for the worst that may have stood there.
    ///
    /// ```
    /// # use std::{collections::BTreeSet, sync::{Arc, Mutex}};
    /// # use tidegate_store::{StateCopy, Store, StoreOptions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let store = Store::open(StoreOptions::new(Vec::new()));
    /// let known: Arc<Mutex<BTreeSet<Vec<u8>>>> = Arc::default();
    /// let merge = {
    ///     let known = known.clone();
    ///     move |copy: StateCopy| {
    ///         let Some(blob) = copy.blob else { return };
    ///         known.lock().unwrap().extend(blob.parts.iter().map(|part| part.to_vec()));
    ///         if blob.unreadable_bytes > 0 {
    ///             // Something durable is lost: act as if it had said the worst. A torn tail was never durable.
    ///         }
    ///     }
    /// };
    /// // First follow, then load: a device that is opened in between tells by itself.
    /// store.follow_state("names", Arc::new(merge.clone()));
    /// let loaded = store.load_state("names").await;
    /// for (device, why) in &loaded.failed {
    ///     // What this device alone has is not known yet. It will be told when the device is there.
    ///     eprintln!("{device}: {why}");
    /// }
    /// loaded.into_iter().for_each(merge);
    /// // Now every device gets all that is known.
    /// let whole: Vec<u8> = known.lock().unwrap().iter().flatten().copied().collect();
    /// store.save_state("names", whole.into()).await;
    /// # }
    /// ```
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

//! Small named state beside the records, on every device that is there.

use std::sync::Arc;

use bytes::Bytes;

use crate::device::StateQuestion;
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

impl Store {
    /// Saves state under a name in the stead of what is there, durably, on every device. A device that is away keeps
    /// what it had: who saves has to tell old from new when it loads.
    pub async fn save_state(&self, name: &str, bytes: Bytes) -> Saved {
        self.everywhere(|| StateQuestion::Save(name.to_owned(), bytes.clone())).await
    }

    /// Adds to the state of a name, durably, on every device.
    pub async fn append_state(&self, name: &str, bytes: Bytes) -> Saved {
        self.everywhere(|| StateQuestion::Append(name.to_owned(), bytes.clone())).await
    }

    async fn everywhere(&self, question: impl Fn() -> StateQuestion) -> Saved {
        let asked: Vec<_> = self.devices.iter().map(|device| (device, device.ask_state(question()))).collect();
        let mut saved = Saved::default();
        for (device, asked) in asked {
            let answer = match asked {
                Some(asked) => asked.await.unwrap_or_else(|_| Err("the device did not answer in time".to_owned())),
                None => Err("too much state waits to be saved".to_owned()),
            };
            match answer {
                Ok(_) => saved.devices += 1,
                Err(why) => saved.failed.push((device.name.clone(), why)),
            }
        }
        saved
    }

    /// The state of a name as every device that is there has it. Waits for devices that are being opened, not for their
    /// index.
    pub async fn load_state(&self, name: &str) -> Vec<StateCopy> {
        let question = || StateQuestion::Load(name.to_owned());
        let asked: Vec<_> = self.devices.iter().map(|device| (device, device.ask_state(question()))).collect();
        let mut copies = Vec::new();
        for (device, asked) in asked {
            let Some(asked) = asked else { continue };
            if let Ok(Ok(blob)) = asked.await {
                copies.push(StateCopy { device: device.name.clone(), blob });
            }
        }
        copies
    }
}

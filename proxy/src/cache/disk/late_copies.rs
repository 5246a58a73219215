//! State of devices that are opened while the node runs already: one that was away at the start has a list of its own, which
//! counts like those that were read then.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tidegate_store::{StateCopy, Store};
use tokio::sync::Notify;

/// What devices have had under one name when they were opened, and nobody has looked at yet.
#[derive(Default)]
pub struct LateCopies {
    /// The latest of each device; there are as many as are configured.
    copies: Mutex<BTreeMap<Arc<str>, StateCopy>>,
    came: Notify,
}

impl LateCopies {
    /// Hears of the state of this name from now on. Who loads it after this misses none, and may meet one twice.
    #[must_use]
    pub fn follow(store: &Store, name: &str) -> Arc<Self> {
        let late = Arc::new(Self::default());
        let told = Arc::clone(&late);
        // On the thread of a device that is being opened: it must not wait.
        store.follow_state(name, Arc::new(move |copy| told.tell(copy)));
        late
    }

    fn tell(&self, copy: StateCopy) {
        self.copies.lock().insert(Arc::clone(&copy.device), copy);
        self.came.notify_one();
    }

    /// What has come since this was asked last.
    #[must_use]
    pub fn take(&self) -> Vec<StateCopy> {
        std::mem::take(&mut *self.copies.lock()).into_values().collect()
    }

    /// Waits for one to come.
    pub async fn come(&self) {
        self.came.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_each_device_the_latest_copy_is_told_once() {
        let late = LateCopies::default();
        let copy = |device: &str| StateCopy { device: device.into(), blob: None };
        for device in ["/a", "/b", "/a"] {
            late.tell(copy(device));
        }
        late.come().await;
        assert_eq!(late.take(), [copy("/a"), copy("/b")]);
        assert_eq!(late.take(), []);
    }
}

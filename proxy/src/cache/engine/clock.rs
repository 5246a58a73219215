//! The time that the engine goes by: the system's. Tests set it as they need it, for fills as for requests.

use std::time::SystemTime;

/// Now.
#[cfg(not(test))]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
thread_local! {
    static SET: std::cell::Cell<Option<SystemTime>> = const { std::cell::Cell::new(None) };
}

/// Now, or what the test has set for its thread, where its fills run as well.
#[cfg(test)]
pub(super) fn now() -> SystemTime {
    SET.get().unwrap_or_else(SystemTime::now)
}

/// Makes the clock of this thread stand at a time.
#[cfg(test)]
pub(super) fn set(time: SystemTime) {
    SET.set(Some(time));
}

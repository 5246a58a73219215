//! Figures of the process, under the names every Prometheus client uses, read from `/proc` at each scrape. Where
//! there is no `/proc` they stay zero.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Counter, IntGauge};

use super::family::Families;

/// Clock ticks a second in `/proc/self/stat`: the kernel's USER_HZ, 100 on every Linux architecture we build for.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) struct ProcessMetrics {
    resident_bytes: IntGauge,
    open_descriptors: IntGauge,
    processor_seconds: Counter,
    threads: IntGauge,
}

impl ProcessMetrics {
    pub(super) fn register(families: &Families<'_>) -> Self {
        let started = families.float_gauge("process_start_time_seconds", "Start of the process, in Unix time.");
        started.set(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));
        Self {
            resident_bytes: families.gauge("process_resident_memory_bytes", "Resident memory."),
            open_descriptors: families.gauge("process_open_fds", "Open file descriptors."),
            processor_seconds: families.float_counter("process_cpu_seconds_total", "User and system CPU time spent."),
            threads: families.gauge("process_threads", "Threads of the process."),
        }
    }

    pub(super) fn refresh(&self) {
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            self.resident_bytes.set(status_number(&status, "VmRSS:").unwrap_or_default().saturating_mul(1024));
            self.threads.set(status_number(&status, "Threads:").unwrap_or_default());
        }
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory that is being read.
            let open = descriptors.count().saturating_sub(1);
            self.open_descriptors.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
        if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(processor_seconds) {
            // Two scrapes at a time may read in either order; the counter must not go back.
            self.processor_seconds.inc_by((seconds - self.processor_seconds.get()).max(0.0));
        }
    }
}

fn status_number(status: &str, field: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of proc_pid_stat(5). The command name before them may contain anything, so they are counted
/// from its closing parenthesis.
pub(super) fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_ascii_whitespace().skip(11).map(str::parse::<f64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) / TICKS_PER_SECOND)
}

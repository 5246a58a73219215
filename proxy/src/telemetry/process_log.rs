//! The process log: one JSON object a line on standard error.
//!
//! It listens to the `log` facade, which Pingora uses too, so one filter rules all. Key-value pairs of a call become
//! members of the object. Writing is synchronous: what is logged is rare, and the last line before an abort counts.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use serde_json::{Map, Value as Json};

use super::timestamp::Timestamp;

/// Our crates start with this; the level applies to them as it is.
const OWN_TARGET: &str = "tidegate";
/// Logs as an error each time an idle connection to an origin is taken a moment too early, which costs nothing but a new
/// connection. What fails for good comes back to us as an error and is logged where it is handled.
const UNREMARKABLE_TARGET: &str = "pingora_core::connectors";
/// Longest message; the rest is cut. A line must not carry a whole hostile header section.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;
/// Members that pairs cannot replace.
const RESERVED: [&str; 4] = ["time", "level", "target", "message"];

static LOGGER: ProcessLog = ProcessLog { dependencies: AtomicUsize::new(0) };

struct ProcessLog {
    /// Level for crates that are not ours.
    dependencies: AtomicUsize,
}

/// Logs from `level` up, from now on. May be called again to change the level. Below `debug`, other crates speak from
/// `warn` up only: what they tell at `info` is about single connections.
pub fn init(level: LevelFilter) {
    let dependencies = if level >= LevelFilter::Debug { level } else { level.min(LevelFilter::Warn) };
    LOGGER.dependencies.store(dependencies as usize, Ordering::Relaxed);
    // Another logger can be there already only in a test that brought its own; it then stays.
    log::set_logger(&LOGGER).unwrap_or_default();
    log::set_max_level(level);
}

impl Log for ProcessLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_own = metadata.target().starts_with(OWN_TARGET);
        let dependencies = self.dependencies.load(Ordering::Relaxed);
        let remarkable = metadata.target() != UNREMARKABLE_TARGET || dependencies >= LevelFilter::Debug as usize;
        is_own || (remarkable && metadata.level() as usize <= dependencies)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format_line(SystemTime::now(), record);
            // Nobody is left to tell when standard error is gone.
            drop(std::io::stderr().lock().write_all(line.as_bytes()));
        }
    }

    fn flush(&self) {}
}

fn format_line(now: SystemTime, record: &Record<'_>) -> String {
    let mut members = Map::new();
    members.insert("time".to_owned(), Timestamp(now).to_string().into());
    members.insert("level".to_owned(), record.level().as_str().to_ascii_lowercase().into());
    members.insert("target".to_owned(), record.target().into());
    members.insert("message".to_owned(), bounded(record.args()).into());
    // Visiting fails only when the visitor does, and this one never does.
    record.key_values().visit(&mut Members(&mut members)).unwrap_or_default();
    format!("{}\n", Json::Object(members))
}

fn bounded(message: &dyn fmt::Display) -> String {
    let mut text = message.to_string();
    if text.len() > MAX_MESSAGE_BYTES {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
        text.push('…');
    }
    text
}

struct Members<'a>(&'a mut Map<String, Json>);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if !RESERVED.contains(&key.as_str()) {
            let number = value.to_u64().map(Json::from).or_else(|| value.to_i64().map(Json::from));
            let plain = number.or_else(|| value.to_f64().map(Json::from)).or_else(|| value.to_bool().map(Json::from));
            self.0.insert(key.as_str().to_owned(), plain.unwrap_or_else(|| bounded(&value).into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;
    use log::kv::Source;
    use std::time::UNIX_EPOCH;

    fn line(message: fmt::Arguments<'_>, pairs: &dyn Source) -> Json {
        let record =
            Record::builder().args(message).level(Level::Warn).target("tidegate_proxy").key_values(&pairs).build();
        let line = format_line(UNIX_EPOCH, &record);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object_whatever_the_message_holds() {
        let line = line(format_args!("broken \"quotes\"\nand lines"), &[("site", "demo")]);
        let expected = serde_json::json!({
            "time": "1970-01-01T00:00:00.000Z", "level": "warn", "target": "tidegate_proxy",
            "message": "broken \"quotes\"\nand lines", "site": "demo",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn pairs_keep_their_types_and_cannot_replace_the_message() {
        let pairs: [(&str, Value<'_>); 4] =
            [("count", 7.into()), ("message", "forged".into()), ("ratio", 0.5.into()), ("drained", true.into())];
        let line = line(format_args!("told"), &pairs);
        assert_eq!((&line["count"], &line["ratio"], &line["drained"]), (&7.into(), &0.5.into(), &true.into()));
        assert_eq!(line["message"], "told");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let line = line(format_args!("{}", "ä".repeat(MAX_MESSAGE_BYTES)), &[("a", 1)]);
        assert!(line["message"].as_str().unwrap().len() <= MAX_MESSAGE_BYTES + '…'.len_utf8());
    }

    #[test]
    fn other_crates_are_quieter_than_ours() {
        let log = ProcessLog { dependencies: AtomicUsize::new(LevelFilter::Warn as usize) };
        let enabled = |target, level| log.enabled(&Metadata::builder().target(target).level(level).build());
        assert!(enabled("tidegate_proxy::server", Level::Info));
        assert!(enabled("pingora_proxy", Level::Warn));
        assert!(!enabled("pingora_proxy", Level::Info));
        assert!(!enabled("pingora_core::connectors", Level::Error));
    }
}

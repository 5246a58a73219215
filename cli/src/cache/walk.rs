//! A walk over all that a node has stored, page by page: as much memory is needed for a million objects as for a thousand.

use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::error::CommandError;
use crate::node_client::NodeClient;
use crate::output::tell;

/// Objects that are asked for at once.
const PAGE: usize = 2000;

/// Between two lines that say how far it is.
const TELLING: Duration = Duration::from_secs(2);

/// Pages of a walk, at most: a billion objects. A node whose walk has no end is broken.
const MOST_PAGES: usize = 1 << 24;

/// Whether a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    GoesOn,
    Ends,
}

/// Shows every object that these arguments select to `visit`, and says on standard error how far it is.
pub(super) fn walk(
    client: &NodeClient,
    selected: &[(&str, Option<&str>)],
    mut visit: impl FnMut(&Value) -> Result<Walk, CommandError>,
) -> Result<(), CommandError> {
    let mut progress = Progress { told: Instant::now(), found: 0, looked_at: 0 };
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let page = client.get(&path(selected, cursor.as_deref()))?;
        for entry in page["entries"].as_array().into_iter().flatten() {
            progress.found += 1;
            if visit(entry)? == Walk::Ends {
                return Ok(());
            }
        }
        progress.looked_at += page["looked_at"].as_u64().unwrap_or(0);
        progress.tell();
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(());
        }
    }
    Err(CommandError::Node("the node's list of what is stored has no end".to_owned()))
}

struct Progress {
    told: Instant,
    found: u64,
    looked_at: u64,
}

impl Progress {
    fn tell(&mut self) {
        if self.told.elapsed() >= TELLING {
            tell(&format!("{} found, {} looked at", self.found, self.looked_at));
            self.told = Instant::now();
        }
    }
}

fn path(selected: &[(&str, Option<&str>)], cursor: Option<&str>) -> String {
    let mut path = format!("/cache/entries?limit={PAGE}");
    for (name, value) in selected.iter().copied().chain([("cursor", cursor)]) {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_selected_stands_in_the_query() {
        let selected = [("site", Some("a")), ("tag", None), ("prefix", Some("https://a.test/?b=c&d"))];
        let expected = "/cache/entries?limit=2000&site=a&prefix=https%3A%2F%2Fa%2Etest%2F%3Fb%3Dc%26d&cursor=m%2E1f";
        assert_eq!(path(&selected, Some("m.1f")), expected);
    }
}

//! What the operator probably meant, and lists of what is there.

/// How alike two names must be (Jaro-Winkler, 0 to 1) before one is offered for the other. At 0.8 `time_out` finds
/// `timeout` and `regin` finds `region`, while `name` does not find `host`.
const LEAST_LIKENESS: f64 = 0.8;
/// Longer texts are no misspelt names, and comparing takes time that grows with the square of the length.
const MAX_COMPARED_BYTES: usize = 128;
/// Names listed in a message before it says how many more there are: a few lines of a terminal.
const MAX_LISTED: usize = 24;

/// The known name that is most like the one found.
pub(crate) fn did_you_mean<'n>(found: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if found.len() > MAX_COMPARED_BYTES {
        return None;
    }
    known
        .map(|name| (strsim::jaro_winkler(found, name), name))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

/// `a, b, c`, or `a, b, … and 7 more`.
pub(crate) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(MAX_LISTED).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MAX_LISTED) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

//! The rules of ARCHITECTURE.md that a program can check: who may know whom, and that what it names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders lie three or four deep; more would be a loop of links.
const MAX_DEPTH: usize = 12;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file below a folder, or the file itself.
fn rust_files(path: &Path, depth: usize) -> Vec<PathBuf> {
    if path.extension().is_some_and(|extension| extension == "rs") {
        return vec![path.to_owned()];
    }
    if !path.is_dir() || depth == MAX_DEPTH {
        return Vec::new();
    }
    let entries = fs::read_dir(path).expect("a folder of the repository can be read");
    entries.flatten().flat_map(|entry| rust_files(&entry.path(), depth + 1)).collect()
}

/// The words that follow `prefix` in a text.
fn words_after<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let word = |rest: &'a str| &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
    text.match_indices(prefix).map(|(at, _)| word(&text[at + prefix.len()..])).filter(|word| !word.is_empty()).collect()
}

#[test]
fn crates_depend_downwards_only() {
    let check = |member: &str, allowed: &[&str]| {
        let manifest = read(&root().join(member).join("Cargo.toml"));
        let (_, dependencies) = manifest.split_once("[dependencies]").expect("a list of dependencies");
        let known = words_after(dependencies, "\ntidegate-");
        assert!(known.is_subset(&allowed.iter().copied().collect()), "{member} depends on {known:?}");
        let uses_pingora = dependencies.contains("\npingora");
        assert_eq!(uses_pingora, member == "proxy", "{member}: only proxy knows Pingora");
    };
    check("cli", &["certs", "config", "origin", "proxy"]);
    check("proxy", &["certs", "config", "steering", "store"]);
    for leaf in ["certs", "config", "origin", "steering", "store", "loadtest"] {
        check(leaf, &[]);
    }
}

#[test]
fn modules_of_the_edge_know_only_what_is_below_them() {
    let check = |module: &str, allowed: &[&str]| {
        for file in rust_files(&root().join("proxy/src").join(module), 0) {
            // Words of the documentation are no dependencies.
            let text = read(&file);
            let code: String = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(|line| format!("{line}\n"))
                .collect();
            let known = words_after(&code, "crate::");
            let above = known.iter().find(|word| **word != module && !allowed.contains(word));
            assert!(above.is_none(), "{} knows {above:?}", file.display());
        }
    };
    check("listener", &[]);
    check("routing", &[]);
    check("media", &["routing"]);
    check("prefetch", &["cache", "media", "telemetry"]);
    check("warm", &["media", "routing"]);
    check("cmcd", &["media"]);
    check("telemetry", &["cmcd", "listener"]);
    check("cache", &["media", "telemetry"]);
    check("client_identity", &["cache"]);
    check("route_actions", &["cache", "origin", "routing", "telemetry"]);
    check("geo", &["telemetry"]);
    check("kill_switch", &["telemetry"]);
    check("error_page", &[]);
    check("admin", &["geo", "kill_switch", "listener", "origin", "routing", "telemetry", "warm"]);
    check("origin", &["cache", "routing", "runtime_snapshot", "telemetry"]);
}

#[test]
fn the_rules_of_caching_and_steering_ask_no_clock() {
    let check = |folder: &str| {
        for file in rust_files(&root().join(folder), 0) {
            let text = read(&file);
            // What follows the tests' mark is not what runs.
            let production = text.split("#[cfg(test)]").next().unwrap_or_default();
            let clock = ["Instant::now", "SystemTime::now"].into_iter().find(|clock| production.contains(clock));
            assert_eq!(clock, None, "{}", file.display());
        }
    };
    check("proxy/src/cache/rules");
    check("steering/src");
    check("config/src");
}

#[test]
fn the_architecture_names_only_what_exists() {
    let folders = ["certs", "cli", "config", "loadtest", "origin", "proxy", "steering", "store", "tests"];
    let source: String = folders
        .iter()
        .flat_map(|folder| rust_files(&root().join(folder), 0))
        .map(|file| read(&file) + &file.display().to_string())
        .collect();
    let text = read(&root().join("ARCHITECTURE.md"));
    let named = text.split('`').skip(1).step_by(2);
    let is_symbol = |name: &&str| {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        plain && (name.contains("::") || name.contains('_') || name.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let symbols: BTreeSet<&str> = named.filter(is_symbol).collect();
    assert!(symbols.len() > 40, "the text names its symbols: {symbols:?}");
    for symbol in symbols {
        let last = symbol.rsplit("::").next().unwrap_or(symbol);
        let standard = ["SIGTERM", "SIGHUP", "GOAWAY"].contains(&last);
        assert!(standard || source.contains(last), "{symbol} is named and does not exist");
    }
}

//! `tidegate config`, and what servers say of configuration they cannot use.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::calling::{call, call_in};

const WRONG: &str = "\
kind: node
name: eu-1
pop: nowhere
listeners:
  - { address: \"127.0.0.1:0\", protocol: htp }
colour: blue
";

const SAID: &str = "\
error: edge.yaml:3: node.eu-1.pop: found \"nowhere\", expected an existing pop, and there is no pop document
edge.yaml:5: node.eu-1.listeners[0].protocol: found \"htp\", expected one of http, https, quic (did you mean http?)
edge.yaml:6: node.eu-1.colour: found an unknown field, expected one of name, pop, listeners, admin, limits, cache, \
workers, fill_workers, grace, access_log, trusted_proxies, cdn_id, resolvers

3 problems in the configuration; `tidegate config schema` describes every field
";

fn folder_with(text: &str) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("edge.yaml"), text).expect("it can be written");
    folder
}

#[test]
fn a_valid_configuration_is_summed_up() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples");
    let checked = call_in(&examples, &["config", "check", "edge.yaml"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let expected =
        "valid: node eu-1 in frankfurt (eu), 6 addresses of it listening, 1 site served from 2 origin pools\n";
    assert_eq!(checked.stdout, expected);
    let checked = call_in(&examples, &["config", "check", "edge.yaml", "--output", "json"]);
    assert_eq!(checked.stdout, "{\"valid\":true,\"problems\":[]}\n");
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let folder = folder_with(WRONG);
    let checked = call_in(folder.path(), &["config", "check", "edge.yaml"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(1), ""));
    assert_eq!(checked.stderr, SAID);
}

#[test]
fn programs_get_the_same_problems_as_json() {
    let folder = folder_with(WRONG);
    let checked = call_in(folder.path(), &["config", "check", "edge.yaml", "--output", "json"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(1), ""));
    let verdict: Value = serde_json::from_str(&checked.stdout).expect("JSON on standard output");
    assert_eq!(verdict["valid"], json!(false));
    let lines: Vec<_> = verdict["problems"].as_array().unwrap().iter().map(|problem| &problem["line"]).collect();
    assert_eq!(lines, [&json!(3), &json!(5), &json!(6)]);
}

#[test]
fn an_edge_node_does_not_start_from_a_wrong_configuration() {
    let folder = folder_with(WRONG);
    let ended = call_in(folder.path(), &["edge", "--config", "edge.yaml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), SAID));
}

#[test]
fn a_missing_file_is_named() {
    let ended = call(&["config", "check", "/nonexistent/edge.yaml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("/nonexistent/edge.yaml"), "{}", ended.stderr);
}

#[test]
fn the_schema_describes_every_kind_of_document() {
    let printed = call(&["config", "schema"]);
    assert_eq!(printed.code, Some(0));
    let schema: Value = serde_json::from_str(&printed.stdout).expect("JSON on standard output");
    let kinds: Vec<_> =
        schema["oneOf"].as_array().unwrap().iter().map(|kind| kind["title"].as_str().unwrap()).collect();
    assert_eq!(kinds, tidegate_config::document::KINDS);
}

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
    let checked = call_in(&examples, &["config", "check", "edge.yaml", "--no-files"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let expected =
        "valid: node eu-1 in frankfurt (eu), 6 addresses of it listening, 1 site served from 2 origin pools\n";
    assert_eq!(checked.stdout, expected);
    let checked = call_in(&examples, &["config", "check", "edge.yaml", "--no-files", "--output", "json"]);
    assert_eq!(checked.stdout, "{\"valid\":true,\"problems\":[]}\n");
    let as_of_edge = call_in(&examples, &["config", "check", "--config", "edge.yaml", "--no-files"]);
    assert_eq!((as_of_edge.code, as_of_edge.stdout.as_str()), (Some(0), expected), "{}", as_of_edge.stderr);
    let twice = call_in(&examples, &["config", "check", "edge.yaml", "--config", "edge.yaml"]);
    assert_eq!(twice.code, Some(2), "{}", twice.stderr);
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

/// Names a file of every kind, none of which is of use.
const WITH_FILES: &str = "\
kind: node
name: eu-1
pop: frankfurt
listeners:
  - { address: \"127.0.0.1:0\", protocol: https }
admin: { address: \"127.0.0.1:0\", token_file: short.token }
---
{ kind: region, name: eu }
---
{ kind: pop, name: frankfurt, region: eu }
---
kind: geo
name: places
databases:
  - rubbish.mmdb
  - nosuch.mmdb
---
kind: certificate
name: media
chain_file: nosuch.crt
key_file: rubbish.mmdb
---
kind: origin_pool
name: videos
origins:
  - name: plain
    url: http://127.0.0.1:1
    region: eu
  - name: private
    url: https://127.0.0.1:1
    region: eu
    tls:
      ca_file: some.key
      client_certificate: { chain_file: nosuch.crt, key_file: rubbish.mmdb }
    credentials:
      fields:
        - { name: X-One, value_file: short.token }
        - { name: X.Two, value_file: nosuch.secret }
---
kind: site
name: media
hosts: [media.test]
routes: [{ name: all, path: /, origin_pool: videos }]
";

/// The line, the path, and a part of what was found and of what is expected.
const WRONG_FILES: [(usize, &str, &str, &str); 9] = [
    (6, "node.eu-1.admin.token_file", "short.token: admin token is shorter than 32", "a token of 32"),
    (15, "geo.places.databases[0]", "rubbish.mmdb, which is no whole database", "a whole database"),
    (16, "geo.places.databases[1]", "nosuch.mmdb, which cannot be read", "a database"),
    (20, "certificate.media.chain_file", "nosuch.crt: cannot be read", "a PEM file"),
    (21, "certificate.media.key_file", "rubbish.mmdb: no private key in it", "a PEM section `PRIVATE KEY`"),
    (33, "origin_pool.videos.origins[1].tls.ca_file", "some.key: found 0 certificates", "a PEM bundle"),
    (34, "origin_pool.videos.origins[1].tls.client_certificate.chain_file", "nosuch.crt: No such file", "a file"),
    (34, "origin_pool.videos.origins[1].tls.client_certificate.key_file", "rubbish.mmdb: ", "the PEM private key"),
    (38, "origin_pool.videos.origins[1].credentials.fields[1].value_file", "nosuch.secret: No such file", "a file"),
];

fn folder_with_wrong_files() -> TempDir {
    let folder = folder_with(WITH_FILES);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it can be written");
    write("rubbish.mmdb", "no database");
    write("short.token", "short");
    write("some.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    folder
}

#[test]
fn files_that_documents_name_are_read_as_a_node_reads_them() {
    let folder = folder_with_wrong_files();
    let checked = call_in(folder.path(), &["config", "check", "edge.yaml"]);
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(1), ""));
    let told: Vec<&str> = checked.stderr.lines().collect();
    assert_eq!(told.len(), WRONG_FILES.len() + 2, "{}", checked.stderr);
    for (said, (line, path, found, expected)) in told.iter().zip(WRONG_FILES) {
        let place = format!("edge.yaml:{line}: {path}: found {found}");
        let expected = format!(", expected {expected}");
        assert!(said.contains(&place) && said.contains(&expected), "{said}\n{place} … {expected}");
    }
    let checked = call_in(folder.path(), &["config", "check", "edge.yaml", "--output", "json"]);
    let verdict: Value = serde_json::from_str(&checked.stdout).expect("JSON on standard output");
    let problems = verdict["problems"].as_array().unwrap();
    let paths: Vec<&str> = problems.iter().map(|problem| problem["path"].as_str().unwrap()).collect();
    assert_eq!(paths, WRONG_FILES.map(|(_, path, ..)| path));
    let elsewhere = call_in(folder.path(), &["config", "check", "edge.yaml", "--no-files"]);
    assert_eq!(elsewhere.code, Some(0), "{}", elsewhere.stderr);
}

#[test]
fn wrong_files_are_told_beside_wrong_documents_and_never_twice() {
    let folder = folder_with_wrong_files();
    // A field that is not there, an empty one, and an origin that cannot be read as one.
    let text = WITH_FILES.replace("key_file: rubbish.mmdb\n---", "---").replace("nosuch.mmdb", "\"\"");
    fs::write(folder.path().join("edge.yaml"), text.replace("url: http://127.0.0.1:1\n", "url: nothing\n")).unwrap();
    let checked = call_in(folder.path(), &["config", "check", "edge.yaml", "--output", "json"]);
    let verdict: Value = serde_json::from_str(&checked.stdout).expect("JSON on standard output");
    let problems = verdict["problems"].as_array().unwrap();
    let told: Vec<(u64, &str)> =
        problems.iter().map(|problem| (problem["line"].as_u64().unwrap(), problem["path"].as_str().unwrap())).collect();
    let expected = [
        (6, "node.eu-1.admin.token_file"),
        (15, "geo.places.databases[0]"),
        (16, "geo.places.databases[1]"),
        (18, "certificate.media.key_file"),
        (20, "certificate.media.chain_file"),
        (26, "origin_pool.videos.origins[0].url"),
        (32, "origin_pool.videos.origins[1].tls.ca_file"),
        (33, "origin_pool.videos.origins[1].tls.client_certificate.chain_file"),
        (33, "origin_pool.videos.origins[1].tls.client_certificate.key_file"),
        (37, "origin_pool.videos.origins[1].credentials.fields[1].value_file"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_edge_node_does_not_start_from_a_wrong_configuration() {
    let folder = folder_with(WRONG);
    let ended = call_in(folder.path(), &["edge", "--config", "edge.yaml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), SAID));
}

/// Nothing is in use that could be kept: a node that starts without its databases would decide by places it does not know.
#[test]
fn an_edge_node_does_not_start_with_a_database_that_is_missing_or_broken() {
    let text = "{kind: node, name: eu-1, pop: p}\n---\n{kind: region, name: eu}\n---\n{kind: pop, name: p, region: eu}\n\
        ---\n{kind: geo, name: places, databases: [city.mmdb]}\n";
    let broken: [(Option<&[u8]>, &str); 3] = [
        (None, "cannot be read: No such file"),
        (Some(b"no database"), "is no whole database in MaxMind's format (mmdb)"),
        (Some(b""), "is no whole database in MaxMind's format (mmdb)"),
    ];
    for (content, expected) in broken {
        let folder = folder_with(text);
        content.into_iter().for_each(|content| fs::write(folder.path().join("city.mmdb"), content).unwrap());
        let ended = call_in(folder.path(), &["edge", "--config", "edge.yaml"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(error.contains("city.mmdb") && error.contains(expected), "{}", ended.stderr);
    }
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

//! The schema agrees with what is loaded, judged by the keywords that it uses.

use std::path::PathBuf;

use serde_json::{Map, Number, Value, json};

use super::json_schema;
use crate::document::{Document, KINDS};
use crate::load_texts;
use crate::yaml::{Content, NodeId, Tree, read_stream};

const EXAMPLE: &str = include_str!("../../examples/edge.yaml");

fn to_json(tree: &Tree, node: NodeId) -> Value {
    match tree.content(node) {
        Content::Null => Value::Null,
        Content::Bool(value) => json!(value),
        Content::Integer(value) => json!(value),
        Content::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Content::Text(text) => json!(text),
        Content::Sequence(elements) => elements.iter().map(|element| to_json(tree, *element)).collect(),
        Content::Mapping(entries) => {
            let entry = |(key, value): &(NodeId, NodeId)| {
                let number = || tree.content(*key).to_string();
                (tree.text(*key).map_or_else(number, str::to_owned), to_json(tree, *value))
            };
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
    }
}

fn documents(text: &str) -> Vec<Value> {
    let trees = read_stream(text).documents.into_iter().filter_map(|(_, tree)| tree);
    trees.map(|tree| to_json(&tree, tree.root())).collect()
}

/// Whether a value fits a schema, as far as the keywords that ours uses go.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let Some(schema) = schema.as_object() else { return schema.as_bool().unwrap_or(false) };
    schema.iter().all(|(keyword, argument)| match (keyword.as_str(), argument) {
        ("$ref", Value::String(reference)) => {
            let target = root.pointer(reference.trim_start_matches('#')).expect("a definition");
            fits(root, target, value)
        }
        ("type", Value::String(name)) => is_type(name, value),
        ("type", Value::Array(names)) => names.iter().any(|name| is_type(name.as_str().unwrap_or_default(), value)),
        ("const", constant) => constant == value,
        ("enum", Value::Array(values)) => values.contains(value),
        ("oneOf", Value::Array(schemas)) => schemas.iter().filter(|schema| fits(root, schema, value)).count() == 1,
        ("anyOf", Value::Array(schemas)) => schemas.iter().any(|schema| fits(root, schema, value)),
        ("required", Value::Array(names)) => {
            let object = value.as_object();
            object.is_none_or(|object| names.iter().all(|name| object.contains_key(name.as_str().unwrap_or_default())))
        }
        ("properties", Value::Object(properties)) => value.as_object().is_none_or(|object| {
            object.iter().all(|(name, value)| properties.get(name).is_none_or(|schema| fits(root, schema, value)))
        }),
        ("additionalProperties", Value::Bool(false)) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let has_pattern = schema.get("patternProperties").is_some();
            let is_known = |name: &String| {
                known.is_some_and(|known| known.contains_key(name)) || (has_pattern && is_error_status(name))
            };
            value.as_object().is_none_or(|object| object.keys().all(is_known))
        }
        ("patternProperties", Value::Object(patterns)) => value.as_object().is_none_or(|object| {
            assert_eq!(
                patterns.keys().collect::<Vec<_>>(),
                ["^[45][0-9]{2}$"],
                "a pattern that this test does not judge"
            );
            let values = || object.iter().filter(|(name, _)| is_error_status(name)).map(|(_, value)| value);
            patterns.values().all(|schema| values().all(|value| fits(root, schema, value)))
        }),
        ("items", schema) => value.as_array().is_none_or(|items| items.iter().all(|item| fits(root, schema, item))),
        ("minimum", least) => value.as_f64().is_none_or(|number| least.as_f64().is_some_and(|least| number >= least)),
        ("maximum", most) => value.as_f64().is_none_or(|number| most.as_f64().is_some_and(|most| number <= most)),
        ("title" | "description" | "default" | "format" | "pattern" | "$schema" | "$defs", _) => true,
        other => panic!("a keyword that this test does not judge: {other:?}"),
    })
}

fn is_error_status(name: &str) -> bool {
    name.len() == 3 && name.starts_with(['4', '5']) && name.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type of JSON Schema: {other}"),
    }
}

#[test]
fn schema_takes_every_document_of_the_example() {
    let schema = json_schema();
    let documents = documents(EXAMPLE);
    assert!(documents.len() >= 10);
    for document in documents {
        assert!(fits(&schema, &schema, &document), "{document}");
    }
}

#[test]
fn schema_refuses_what_loading_refuses() {
    let schema = json_schema();
    let check = |text: &str| {
        for document in documents(text) {
            assert!(!fits(&schema, &schema, &document), "{document}");
        }
    };
    check("{kind: sight, name: a}");
    check("{name: a}");
    check("{kind: region}");
    check("{kind: region, name: a, zone: b}");
    check("{kind: region, name: 5}");
    check("{kind: region, name: a, failover: b}");
    check("{kind: pop, name: a}");
    check("{kind: node, name: a, pop: b, limits: {streems: 5}}");
    check("{kind: node, name: a, pop: b, limits: {streams: -5}}");
    check("{kind: node, name: a, pop: b, access_log: syslog}");
    check("{kind: node, name: a, pop: b, access_log: {folder: c}}");
    check("{kind: node, name: a, pop: b, listeners: [{address: 'c', protocol: d}]}");
    check("{kind: origin_pool, name: a, origins: [{name: b, url: c, region: d, http_version: 3}]}");
    check("{kind: origin_pool, name: a, origins: [], attempts: 6}");
    check("{kind: origin_pool, name: a, origins: [], order: near}");
    check("{kind: origin_pool, name: a, origins: [], health: {probe: ping}}");
    check("{kind: origin_pool, name: a, origins: [], health: {probe: {http: {url: /}}}}");
    check("{kind: origin_pool, name: a, origins: [{name: b, url: c, region: d, tls: {server_name: {from: e}}}]}");
    check("{kind: origin_pool, name: a, origins: [{name: b, url: c, region: d, credentials: {token: e}}]}");
    check("{kind: site, name: a, hosts: [b], routes: [{name: c, split: {parts: [{share: 5, origin_pool: d}]}}]}");
    check("{kind: site, name: a, hosts: [b], routes: [], kill_switches: [{action: bypass_cache, until: c}]}");
    check("{kind: geo, name: a, overrides: [{country: DE}]}");
    check("{kind: cache_policy, name: a, key: {query: only}}");
    check("{kind: cache_policy, name: a, key: {query: {only: [v], except: [w]}}}");
    check("{kind: cache_policy, name: a, negative: {missing: 10s}}");
    check("{kind: cache_policy, name: a, negative: {'404': 10}}");
    check("{kind: cache_policy, name: a, set_cookie: always}");
    check("{kind: cache_policy, name: a, slices: off}");
    check("{kind: cache_policy, name: a, compression: {codings: [deflate]}}");
    check("{kind: cache_policy, name: a, prefetch: {ahead: 9}}");
    check("{kind: site, name: a, hosts: [b], routes: [{name: c, cors: true}]}");
}

#[test]
fn documents_written_out_as_json_load_as_the_same_model() {
    let write = |document: Value| {
        let document: Document = serde_json::from_value(document).expect("a document");
        serde_json::to_string_pretty(&document).expect("JSON")
    };
    let written: Vec<String> = documents(EXAMPLE).into_iter().map(write).collect();
    let load = |text: String| {
        let model = load_texts(&[(PathBuf::from("edge.yaml"), text)]);
        format!("{:#?}", model.unwrap_or_else(|problems| panic!("{problems}")))
    };
    assert_eq!(load(written.join("\n---\n")), load(EXAMPLE.to_owned()));
}

#[test]
fn schema_knows_every_kind_and_describes_every_field() {
    let schema = json_schema();
    let alternatives = schema["oneOf"].as_array().expect("alternatives");
    let kinds: Vec<&str> =
        alternatives.iter().filter_map(|kind| kind["properties"]["kind"]["const"].as_str()).collect();
    assert_eq!(kinds, KINDS);
    let definitions = schema["$defs"].as_object().expect("definitions").values();
    for object in alternatives.iter().chain(definitions).filter(|object| object["properties"].is_object()) {
        assert_eq!(object["additionalProperties"], false, "{object}");
        for (name, property) in object["properties"].as_object().expect("properties") {
            assert!(property["description"].is_string(), "{name} has no description: {object}");
        }
    }
}

//! The JSON Schema of a document, from the types of `document`: for editors, and for `tidegate config schema`.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::document::{
    CachePolicyDocument, CertificateDocument, GeoDocument, NodeDocument, OriginPoolDocument, PopDocument,
    RegionDocument, SiteDocument,
};
use crate::read::KIND;

/// The schema (JSON Schema 2020-12) of one document: one alternative for each kind.
#[must_use]
pub fn json_schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let kinds = [
        alternative::<NodeDocument>("node", &mut generator),
        alternative::<RegionDocument>("region", &mut generator),
        alternative::<PopDocument>("pop", &mut generator),
        alternative::<SiteDocument>("site", &mut generator),
        alternative::<OriginPoolDocument>("origin_pool", &mut generator),
        alternative::<CertificateDocument>("certificate", &mut generator),
        alternative::<CachePolicyDocument>("cache_policy", &mut generator),
        alternative::<GeoDocument>("geo", &mut generator),
    ];
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidegate configuration document",
        "oneOf": kinds,
        "$defs": generator.take_definitions(true),
    })
}

/// The schema of one kind. The types leave `kind` to whoever chooses among them, so it is added here.
fn alternative<T: JsonSchema>(kind: &str, generator: &mut SchemaGenerator) -> Value {
    let mut schema = T::json_schema(generator);
    schema.insert("title".to_owned(), json!(kind));
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(KIND.to_owned(), json!({ "const": kind, "description": "What this document is." }));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.insert(0, json!(KIND));
    }
    schema.to_value()
}

#[cfg(test)]
mod tests;

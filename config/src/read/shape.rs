//! How values that are more than a word are written, for messages: an operator who wrote the word alone sees the shape.

use crate::suggestion::list;

/// Types of documents by their names in the code, with the ways to write a value. Of those that are not here the names
/// of variants or fields are told.
const SHAPES: [(&str, &[&str]); 15] = [
    ("ProbeField", &["off", "tcp", "{http: {path: /healthz}}"]),
    ("StickyField", &["path", "client_address", "{header: X-User}", "{cookie: session}"]),
    ("HostField", &["client", "origin", "{fixed: media.example}"]),
    (
        "CredentialsField",
        &["{s3: {region: eu-central-1, …_file: …}}", "{fields: [{name: X-Edge-Key, value_file: edge.key}]}"],
    ),
    ("RewriteField", &["{prefix: /new/}", "{path: /new/page}"]),
    (
        "KillSwitchActionField",
        &[
            "bypass_cache",
            "{pin_origin: {origin_pool: videos, origin: eu}}",
            "block",
            "{block: {status: 403}}",
            "maintenance",
        ],
    ),
    ("AccessLogField", &["stdout", "off", "{file: access.log}"]),
    ("HedgingFields", &["{after: p95, budget: 5%}"]),
    ("ProxyProtocolFields", &["{from: [192.0.2.0/24]}"]),
    ("MirrorFields", &["{origin_pool: videos, share: 5%}"]),
    ("PinFields", &["{origin_pool: videos, origin: eu}"]),
    ("QueryField", &["keep", "drop", "{only: [v]}", "{except: [utm_*]}"]),
    ("SliceFields", &["{threshold: 8MiB, size: 2MiB}"]),
    ("StatusTimes", &["{404: 10s, 410: 1m}"]),
    ("BlockingReloadFields", &["{timeout: 20s}"]),
];

/// What is expected of a mapping with these fields.
pub(super) fn expected_struct(name: &str, fields: &[&str]) -> String {
    match shapes(name) {
        Some([shape]) => format!("a mapping, such as {shape}"),
        _ if fields.is_empty() => "a mapping".to_owned(),
        _ => format!("a mapping with {}", list(fields.iter().copied())),
    }
}

/// What is expected of an enum that is neither a word nor a mapping of one entry.
pub(super) fn expected_enum(name: &str, variants: &[&str]) -> String {
    let shapes = shapes(name).unwrap_or(variants);
    format!("one of {}", list(shapes.iter().copied()))
}

/// Whether a variant that takes a value may stand alone, for one with nothing but defaults.
pub(super) fn may_stand_alone(name: &str, variant: &str) -> bool {
    shapes(name).is_some_and(|shapes| shapes.contains(&variant))
}

/// What is expected where a variant that takes a value stands alone.
pub(super) fn expected_value(name: &str, variant: &str) -> String {
    match shapes(name) {
        Some(shapes) => format!("one of {}", list(shapes.iter().copied())),
        None => format!("a mapping with {variant} and its value"),
    }
}

fn shapes(name: &str) -> Option<&'static [&'static str]> {
    SHAPES.iter().find(|(of, _)| *of == name).map(|(_, shapes)| *shapes)
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::SHAPES;
    use crate::document::{
        AccessLogField, BlockingReloadFields, CredentialsField, HedgingFields, HostField, KillSwitchActionField,
        MirrorFields, PinFields, ProbeField, ProxyProtocolFields, QueryField, RewriteField, SliceFields, StatusTimes,
        StickyField,
    };
    use crate::read::read;
    use crate::yaml::read_stream;

    fn check<T: DeserializeOwned>() {
        let name = std::any::type_name::<T>().rsplit("::").next().unwrap();
        let (_, shapes) = SHAPES.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} has no shape"));
        for shape in *shapes {
            let text = shape.replace("…_file: …", "access_key_file: a, secret_key_file: b");
            let (_, tree) = read_stream(&text).documents.remove(0);
            let reading = read::<T>(&tree.unwrap());
            assert!(reading.value.is_some() && reading.faults.is_empty(), "{name}: {shape}: {:?}", reading.faults);
        }
    }

    #[test]
    fn what_messages_show_can_be_read() {
        check::<ProbeField>();
        check::<StickyField>();
        check::<HostField>();
        check::<CredentialsField>();
        check::<RewriteField>();
        check::<KillSwitchActionField>();
        check::<AccessLogField>();
        check::<HedgingFields>();
        check::<ProxyProtocolFields>();
        check::<MirrorFields>();
        check::<PinFields>();
        check::<QueryField>();
        check::<SliceFields>();
        check::<StatusTimes>();
        check::<BlockingReloadFields>();
    }
}

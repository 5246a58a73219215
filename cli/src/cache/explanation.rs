//! A node's explanation as lines for people. The JSON has more.

use serde_json::Value;

/// Width of the names, so that what is said of them stands in one column.
const NAMES: usize = 14;

pub(super) fn to_text(answer: &Value) -> String {
    if answer["answered_by"] == "node" && answer["route"].is_null() {
        return lines(&[("answered by", Some(format!("the node itself, with {}", answer["status"])))]);
    }
    let key = &answer["key"];
    let decision = &answer["decision"];
    let switched = answer["kill_switch"] == true;
    let mut found = vec![
        ("site", text(&answer["site"])),
        ("route", text(&answer["route"])),
        ("origin pool", text(&answer["origin_pool"])),
        ("cache policy", text(&answer["cache_policy"])),
        ("kill switch", switched.then(|| "one is on for this route, and decides".to_owned())),
        ("key", text(&key["resource"])),
    ];
    found.extend(key["parts"].as_array().into_iter().flatten().map(|part| ("", text(part))));
    found.push(("shared as", text(&key["shared_as"])));
    found.push(("a fill sends", text(&answer["fill_target"])));
    found
        .push(("not canonical", (answer["canonical"] == false).then(|| "so that it never fills the cache".to_owned())));
    found.push(("now", Some(format!("{}: {}", plain(&decision["action"]), plain(&decision["why"])))));
    found.push(("stored", Some(stored(&answer["stored"], answer["on_disk"] == true))));
    found.extend(details(&answer["stored"]));
    found.push(("purged", purged(&answer["purged"])));
    found.push(("not stored", not_stored(&answer["not_stored"])));
    lines(&found)
}

fn stored(stored: &Value, on_disk: bool) -> String {
    if stored.is_null() {
        return "nothing".to_owned();
    }
    let tier = match stored["tier"].as_str() {
        Some("memory") if on_disk => "in memory and on disk",
        Some("memory") => "in memory",
        _ => "on disk",
    };
    let fresh_for = stored["fresh_for"].as_i64().unwrap_or(0);
    let freshness = match fresh_for {
        1.. => format!("fresh for {fresh_for} s"),
        _ => format!("stale for {} s", -fresh_for),
    };
    let length = stored["length"].as_u64().map_or("unknown length".to_owned(), |length| format!("{length} bytes"));
    let (status, age) = (&stored["status"], &stored["age"]);
    format!("{tier}: {status}, {length}, {age} s old, {freshness}")
}

fn details(stored: &Value) -> Vec<(&'static str, Option<String>)> {
    if stored.is_null() {
        return Vec::new();
    }
    let (freshness, stale) = (&stored["freshness"], &stored["stale"]);
    let lifetime = format!("{} by {}", seconds(&freshness["lifetime"]), plain(&freshness["source"]));
    let allowed = if stale["must_revalidate"] == true {
        "never".to_owned()
    } else {
        let if_error = if stale["if_error"].is_null() { "unsaid".to_owned() } else { seconds(&stale["if_error"]) };
        format!("{} while it is revalidated; when the origin fails: {if_error}", seconds(&stale["while_revalidate"]))
    };
    let vary = stored["vary"].as_array().filter(|vary| !vary.is_empty()).map(|vary| {
        let field = |field: &Value| match &field["value"] {
            Value::Null => format!("{} (absent)", plain(&field["field"])),
            value => format!("{}: {}", plain(&field["field"]), plain(value)),
        };
        vary.iter().map(field).collect::<Vec<_>>().join(", ")
    });
    let tags = (stored["tags"] != 0).then(|| text(&stored["tags"])).flatten();
    let slices = &stored["slices"];
    let slices = (!slices.is_null()).then(|| format!("{} of {}", slices["stored"], slices["all"]));
    vec![
        ("freshness", Some(lifetime)),
        ("stale answers", Some(allowed)),
        ("varies by", vary),
        ("entity tag", text(&stored["etag"])),
        ("modified", text(&stored["last_modified"])),
        ("content type", text(&stored["content_type"])),
        ("tags", tags),
        ("pinned", (stored["pinned"] == true).then(|| "whatever else wants its room".to_owned())),
        ("generation", text(&stored["generation"])),
        ("slices", slices),
        ("origin", text(&stored["origin"])),
    ]
}

fn seconds(value: &Value) -> String {
    format!("{:.1} s", value.as_f64().unwrap_or(0.0))
}

fn purged(purged: &Value) -> Option<String> {
    let (scope, mode) = (purged["scope"].as_str()?, purged["mode"].as_str()?);
    Some(format!("what was stored, by generation {}, {} ({mode})", purged["generation"], scope.replace('_', " ")))
}

fn not_stored(note: &Value) -> Option<String> {
    let why = note["why"].as_str()?;
    Some(format!("{} s ago: {why} (status {})", note["ago"], note["status"]))
}

fn text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| plain(value))
}

/// Without the quotes of JSON, and with nothing in it that a terminal would obey: it comes from origins and clients.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

fn lines(found: &[(&str, Option<String>)]) -> String {
    let known = found.iter().filter_map(|(name, said)| Some(format!("{name:NAMES$} {}", said.as_ref()?)));
    known.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_is_said_and_the_rest_is_left_out() {
        let answer = json!({
            "answered_by": "cache_or_origin", "site": "s", "route": "r", "origin_pool": "p", "cache_policy": "c",
            "kill_switch": false, "canonical": true,
            "key": { "resource": "https://a.test/b", "parts": ["country DE"], "shared_as": null },
            "fill_target": "/b",
            "stored": {
                "tier": "memory", "status": 200, "length": 5, "age": 3, "fresh_for": 57, "tags": 0, "pinned": true, "slices": null,
                "freshness": { "lifetime": 60.04321, "source": "max-age" },
                "stale": { "while_revalidate": 0.0, "if_error": null, "must_revalidate": false },
                "vary": [{ "field": "accept-language", "value": "de" }], "etag": "\"\u{1b}[1m\"",
            },
            "decision": { "action": "serve", "why": "it is fresh" }, "not_stored": null, "on_disk": true,
        });
        assert_eq!(
            to_text(&answer),
            "site           s\nroute          r\norigin pool    p\ncache policy   c\nkey            https://a.test/b\n               \
             country DE\na fill sends   /b\nnow            serve: it is fresh\nstored         in memory and on disk: 200, 5 bytes, 3 s \
             old, fresh for 57 s\nfreshness      60.0 s by max-age\nstale answers  0.0 s while it is revalidated; when the \
             origin fails: unsaid\nvaries by      accept-language: de\nentity tag     \"\u{fffd}[1m\"\npinned         whatever else wants its room"
        );
    }

    #[test]
    fn what_never_reaches_the_cache_is_one_line() {
        assert_eq!(
            to_text(&json!({ "answered_by": "node", "status": 421 })),
            "answered by    the node itself, with 421"
        );
    }
}

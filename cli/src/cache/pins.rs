//! `tidegate cache pin`, `unpin` and `pins`: what a node keeps, whatever else wants its room.

use std::net::IpAddr;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::printable;
use crate::error::CommandError;
use crate::node_client::NodeOption;
use crate::output::{OutputFormat, OutputOption, print, print_json};

const EXAMPLES: &str = "\
Examples:
  tidegate cache pin https://media.example/start.mp4 --node http://127.0.0.1:9000
  tidegate cache pin https://media.example/a --field 'Accept-Language: de' --node http://127.0.0.1:9000
  tidegate cache pins --node http://127.0.0.1:9000 --output json
  tidegate cache unpin https://media.example/start.mp4 --node http://127.0.0.1:9000

Pinned is what the node has stored for a request with this URL and these fields, and whatever it stores for it later: have it
fetched first, as by `tidegate warm`. It stays though others want its room; it is purged, gets stale and is given up when it is
of no use any more like anything else.

What is on disk is pinned there, at most half of each device, and is so after a restart. Anything else is pinned in memory,
beside the cache's capacity and at most a quarter of it, until the process ends. A node has 1000 pins at most.";

/// What `tidegate cache pin` and `unpin` take.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PinArguments {
    /// The URL, as a client would ask for it.
    url: String,
    #[command(flatten)]
    node: NodeOption,
    /// A field of the request, such as 'Accept-Encoding: gzip'; may be given several times.
    #[arg(long = "field", value_name = "FIELD")]
    fields: Vec<String>,
    /// Address of the client, for routes and keys that care where it is.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    #[command(flatten)]
    output: OutputOption,
}

/// What `tidegate cache pins` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PinsArguments {
    #[command(flatten)]
    node: NodeOption,
    #[command(flatten)]
    output: OutputOption,
}

/// Pins.
pub(crate) fn pin(arguments: &PinArguments) -> Result<(), CommandError> {
    told(arguments, "pinned", &arguments.node.client()?.post(&path(arguments), &json!({}))?)
}

/// Lets go.
pub(crate) fn unpin(arguments: &PinArguments) -> Result<(), CommandError> {
    told(arguments, "no longer pinned", &arguments.node.client()?.delete(&path(arguments))?)
}

/// Lists what is pinned.
pub(crate) fn list(arguments: &PinsArguments) -> Result<(), CommandError> {
    let answer = arguments.node.client()?.get("/cache/pins")?;
    match arguments.output.format {
        OutputFormat::Json => print_json(&answer),
        OutputFormat::Text => {
            let lines: Vec<String> = answer["pins"].as_array().into_iter().flatten().map(to_line).collect();
            if lines.is_empty() { print("nothing is pinned") } else { print(&lines.join("\n")) }
        }
    }
}

fn told(arguments: &PinArguments, done: &str, answer: &Value) -> Result<(), CommandError> {
    match arguments.output.format {
        OutputFormat::Json => print_json(answer),
        OutputFormat::Text => print(&format!("{done}: {}{}", to_line(answer), durable(answer))),
    }
}

fn durable(answer: &Value) -> String {
    match (answer["durable"]["on"].as_u64(), answer["durable"]["devices"].as_u64()) {
        (Some(on), Some(of @ 1..)) => format!("; written down on {on} of {of} devices"),
        _ => String::new(),
    }
}

fn to_line(pin: &Value) -> String {
    let fields = pin["fields"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let fields: String = fields.map(|field| format!(" [{}]", printable(field))).collect();
    let url = printable(pin["url"].as_str().unwrap_or("?"));
    match pin["pinned_in"].as_str() {
        Some(place) => format!("{url}{fields}, {}", if place == "disk" { "on disk" } else { "in memory" }),
        None => {
            let why = pin["not_pinned"]["message"].as_str().unwrap_or("?");
            format!("{url}{fields}, not now: {}", printable(why))
        }
    }
}

fn path(arguments: &PinArguments) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut path = format!("/cache/pins?url={}", encoded(&arguments.url));
    for field in &arguments.fields {
        path.push_str(&format!("&field={}", encoded(field)));
    }
    if let Some(client) = arguments.client {
        path.push_str(&format!("&client={}", encoded(&client.to_string())));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_says_where_something_is_pinned_or_why_it_is_not_now() {
        let check = |pin: Value, expected: &str| assert_eq!(to_line(&pin), expected);
        check(json!({ "url": "https://a.test/", "pinned_in": "disk" }), "https://a.test/, on disk");
        check(
            json!({ "url": "https://a.test/\u{7}", "fields": ["A: b"], "pinned_in": "memory" }),
            "https://a.test/\u{fffd} [A: b], in memory",
        );
        let why = json!({ "code": "not_stored", "message": "nothing is stored" });
        check(json!({ "url": "u", "not_pinned": why }), "u, not now: nothing is stored");
        assert_eq!(durable(&json!({ "durable": { "on": 1, "devices": 2 } })), "; written down on 1 of 2 devices");
        assert_eq!(durable(&json!({ "durable": { "on": 0, "devices": 0 } })), "");
    }
}

//! `tidegate cache explain`: how a node's cache sees a URL.

use std::net::IpAddr;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::explanation::to_text;
use crate::error::CommandError;
use crate::node_client::NodeOption;
use crate::output::{OutputFormat, OutputOption, print, print_json};

const EXAMPLES: &str = "\
Examples:
  tidegate cache explain https://media.example/film.mp4 --node http://127.0.0.1:9000
  tidegate cache explain 'https://media.example/a?v=1' --node http://127.0.0.1:9000 \\
    --field 'Accept-Language: de' --client 192.0.2.7 --output json

Nothing is fetched for it, and nothing that is stored changes; what is on disk alone is read, and is in
memory then. For another machine's node add --token-file.";

/// What `tidegate cache explain` takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArguments {
    /// The URL, as a client would ask for it.
    url: String,
    #[command(flatten)]
    node: NodeOption,
    /// Method of the request.
    #[arg(long, default_value = "GET")]
    method: String,
    /// A field of the request, such as 'Accept-Encoding: gzip'; may be given several times.
    #[arg(long = "field", value_name = "FIELD")]
    fields: Vec<String>,
    /// Address of the client, for routes and keys that care where it is.
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    #[command(flatten)]
    output: OutputOption,
}

/// Asks the node and prints what it says.
pub(crate) fn run(arguments: &ExplainArguments) -> Result<(), CommandError> {
    let answer = arguments.node.client()?.get(&path(arguments))?;
    match arguments.output.format {
        OutputFormat::Json => print_json(&answer),
        OutputFormat::Text => print(&to_text(&answer)),
    }
}

fn path(arguments: &ExplainArguments) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut path = format!("/cache/explain?url={}&method={}", encoded(&arguments.url), encoded(&arguments.method));
    for field in &arguments.fields {
        path.push_str(&format!("&field={}", encoded(field)));
    }
    if let Some(client) = arguments.client {
        path.push_str(&format!("&client={}", encoded(&client.to_string())));
    }
    path
}

//! What `tidegate dev` prints for people once the fleet serves. Every line with a `curl` works as it is printed.

use std::fmt::Write as _;
use std::path::Path;

use super::data_directory::DataDirectory;
use super::plan::{Content, Fleet};
use super::ready_file::{Contract, EdgeEntry};
use super::start::StartedFleet;

/// What runs where, what to try, what to open.
pub(super) fn text(fleet: &Fleet, directory: &DataDirectory, contract: &Contract, started: &StartedFleet) -> String {
    let mut text = format!("\nTidegate serves {} from {} edge nodes.\n\n", contract.site.host, contract.edges.len());
    for edge in &contract.edges {
        let (name, region, pid) = (&edge.name, edge.region, edge.pid);
        let quic = &edge.quic;
        line(
            &mut text,
            &format!("  {name:<12} {region}  {}  {}  HTTP/3 on {quic}  process {pid}", edge.http, edge.https),
        );
        line(&mut text, &format!("  {:<12}     operators: {}", "", edge.admin));
    }
    for origin in &contract.origins {
        let process = origin.pid.map_or_else(|| "yours".to_owned(), |pid| format!("process {pid}"));
        line(&mut text, &format!("  {:<12} {}  {}  {process}", origin.name, origin.region, origin.url));
    }
    let curl_lines = curl_lines(contract, started.ports().https, &directory.authority_file());
    line(&mut text, "\nTry:");
    for curl in curl_lines {
        line(&mut text, &format!("  {curl}"));
    }
    if let (Content::Demonstration, Some(edge)) = (&fleet.content, contract.edges.first()) {
        line(&mut text, &format!("\nOpen the player: {}{}", edge.http, contract.site.page));
        line(&mut text, "\nThe player over HTTP/3, in a Chromium of its own, with nothing to import:");
        line(&mut text, &format!("  {}", chromium_line(contract, edge, &started.public_key_sha256)));
    }
    line(&mut text, &format!("\nConfiguration, logs and keys: {}", directory.path().display()));
    text.push_str("Ctrl-C stops everything.");
    text
}

fn curl_lines(contract: &Contract, https: u16, authority: &Path) -> Vec<String> {
    let Some(first) = contract.edges.first() else { return Vec::new() };
    let host = contract.site.host;
    let path = contract.site.hls.unwrap_or(contract.site.page);
    let authority = quoted(authority);
    let last = contract.edges.last().unwrap_or(first);
    let address = last.address;
    vec![
        format!("curl -i {}{path}", first.http),
        format!("curl -i --http2 --cacert {authority} --resolve {host}:{https}:{address} https://{host}:{https}{path}"),
        format!("curl -i --cacert {authority} {}/.well-known/tidegate/ready", first.https),
        format!("curl -s {}/metrics", first.admin),
    ]
}

/// Chromium with a profile of its own that finds the site without a hosts entry, trusts this one certificate, and speaks
/// QUIC from its first request on.
fn chromium_line(contract: &Contract, edge: &EdgeEntry, public_key_sha256: &str) -> String {
    let (host, page) = (contract.site.host, contract.site.page);
    let port = edge.quic.rsplit(':').next().unwrap_or_default();
    // Chromium refuses to run as root with its sandbox on.
    let sandbox = if rustix::process::geteuid().is_root() { " --no-sandbox" } else { "" };
    format!(
        "chromium{sandbox} --user-data-dir=$(mktemp -d) --host-resolver-rules='MAP {host} {}' \
         --origin-to-force-quic-on={host}:{port} --ignore-certificate-errors-spki-list={public_key_sha256} \
         https://{host}:{port}{page}",
        edge.address
    )
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_shell_when_they_must_be() {
        assert_eq!(quoted(Path::new("/home/a/.tidegate/dev/ca.pem")), "/home/a/.tidegate/dev/ca.pem");
        assert_eq!(quoted(Path::new("/my files/ca.pem")), "'/my files/ca.pem'");
        assert_eq!(quoted(Path::new("/it's/ca.pem")), r"'/it'\''s/ca.pem'");
    }
}

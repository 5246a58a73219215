//! What a change of configuration means for a running node.

use crate::model::{AdminListener, Listener, ListenerProtocol, Model, Node, PlaintextMode};

/// What differs and cannot take effect while the node runs, a line each with both values; empty when a reload is enough.
/// Listeners, threads and the cache's memory are made once at the start.
#[must_use]
pub fn restart_required(old: &Model, new: &Model) -> Vec<String> {
    let (old, new) = (&old.node, &new.node);
    let admin = |admin: &Option<AdminListener>| {
        admin.as_ref().map_or_else(|| "none".to_owned(), |admin| admin.address.to_string())
    };
    let fields = [
        ("name", old.name.to_string(), new.name.to_string()),
        ("listeners", list(&old.listeners), list(&new.listeners)),
        ("admin.address", admin(&old.admin), admin(&new.admin)),
        ("workers", old.workers.to_string(), new.workers.to_string()),
        ("fill_workers", old.fill_workers.to_string(), new.fill_workers.to_string()),
        ("cache.capacity", old.cache.capacity.to_string(), new.cache.capacity.to_string()),
        ("cache.disk.devices", devices(old), devices(new)),
        ("cache.disk.read_timeout", read_timeout(old), read_timeout(new)),
    ];
    let changed = fields.into_iter().filter(|(_, old, new)| old != new && (!old.is_empty() && !new.is_empty()));
    changed.map(|(field, old, new)| format!("node.{field}: {old} is in force, {new} needs a restart")).collect()
}

/// Directories and what each may take. A directory that is given up is not cleared.
fn devices(node: &Node) -> String {
    let devices = node.cache.disk.iter().flat_map(|disk| &disk.devices);
    let texts: Vec<String> =
        devices.map(|device| format!("{} ({})", device.directory.display(), device.capacity)).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

/// Nothing to speak of where there is no disk: that is said of the devices.
fn read_timeout(node: &Node) -> String {
    node.cache.disk.as_ref().map_or_else(String::new, |disk| format!("{} ms", disk.read_timeout.as_millis()))
}

/// Addresses with what is spoken there, in an order that does not depend on the file's. What plaintext does with a
/// request is not of the listener but of the snapshot.
fn list(listeners: &[Listener]) -> String {
    let mut texts: Vec<String> = listeners.iter().map(describe).collect();
    texts.sort();
    texts.join(", ")
}

fn describe(listener: &Listener) -> String {
    let protocol = match listener.protocol {
        ListenerProtocol::Http(PlaintextMode::Serve | PlaintextMode::Redirect { .. }) => "http",
        ListenerProtocol::Https => "https",
        ListenerProtocol::Quic => "quic",
    };
    let address = listener.address;
    match &listener.proxy_protocol {
        None => format!("{protocol} {address}"),
        Some(networks) => {
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            format!("{protocol} {address} with PROXY protocol from {}", networks.join(" and "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::load_texts;

    const NODE: &str = "kind: node\nname: eu-1\npop: eu-a\nworkers: 2\nfill_workers: 1\n";
    const REST: &str = "---\n{kind: region, name: eu}\n---\n{kind: pop, name: eu-a, region: eu}\n---\n\
        {kind: certificate, name: c, chain_file: c.pem, key_file: c.key}\n";

    fn model(node: &str) -> Model {
        let text = format!("{node}{REST}");
        load_texts(&[(PathBuf::from("edge.yaml"), text)]).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[track_caller]
    fn check(old: &str, new: &str, expected: &[&str]) {
        assert_eq!(restart_required(&model(&format!("{NODE}{old}")), &model(&format!("{NODE}{new}"))), expected);
    }

    #[test]
    fn what_is_of_the_snapshot_needs_no_restart() {
        check("", "limits: {streams: 5}\ncache: {max_object: 1MiB}\ngrace: 1s\naccess_log: off\n", &[]);
        check("", "trusted_proxies: [10.0.0.0/8]\ncdn_id: other\nresolvers: [127.0.0.1]\n", &[]);
        let http = "listeners: [{address: '127.0.0.1:80', protocol: http";
        check(&format!("{http}}}]\n"), &format!("{http}, plaintext: redirect, https_port: 443}}]\n"), &[]);
    }

    #[test]
    fn order_of_listeners_is_no_change() {
        let first = "{address: '127.0.0.1:80', protocol: http}";
        let second = "{address: '127.0.0.1:443', protocol: quic}";
        check(&format!("listeners: [{first}, {second}]\n"), &format!("listeners: [{second}, {first}]\n"), &[]);
    }

    #[test]
    fn what_is_made_at_the_start_needs_a_restart() {
        check(
            "listeners: [{address: '127.0.0.1:80', protocol: http}]\n",
            "listeners: [{address: '[::1]:443', protocol: https}]\n",
            &["node.listeners: http 127.0.0.1:80 is in force, https [::1]:443 needs a restart"],
        );
        check(
            "listeners: [{address: '127.0.0.1:80', protocol: http}]\n",
            "listeners: [{address: '127.0.0.1:80', protocol: http, proxy_protocol: {from: [10.0.0.0/8, '::1']}}]\n",
            &[
                "node.listeners: http 127.0.0.1:80 is in force, http 127.0.0.1:80 with PROXY protocol from 10.0.0.0/8 and \
               ::1/128 needs a restart",
            ],
        );
        check(
            "",
            "admin: {address: '127.0.0.1:9000'}\ncache: {capacity: 1GiB}\n",
            &[
                "node.admin.address: none is in force, 127.0.0.1:9000 needs a restart",
                "node.cache.capacity: 256MiB is in force, 1GiB needs a restart",
            ],
        );
        let disk = |fields: &str| format!("cache: {{disk: {{{fields}}}}}\n");
        let one = "devices: [{directory: /a, capacity: 64MiB}]";
        check(
            &disk(&format!("{one}, read_timeout: 50ms")),
            &disk("devices: [{directory: /a, capacity: 65MiB}]"),
            &[
                "node.cache.disk.devices: /a (64MiB) is in force, /a (65MiB) needs a restart",
                "node.cache.disk.read_timeout: 50 ms is in force, 1000 ms needs a restart",
            ],
        );
        check("", &disk(one), &["node.cache.disk.devices: none is in force, /a (64MiB) needs a restart"]);
        check(&disk(one), &disk(&format!("{one}, min_lifetime: 5s")), &[]);
        let other = "kind: node\nname: eu-2\npop: eu-a\nworkers: 3\nfill_workers: 2\n";
        assert_eq!(
            restart_required(&model(NODE), &model(other)),
            [
                "node.name: eu-1 is in force, eu-2 needs a restart",
                "node.workers: 2 is in force, 3 needs a restart",
                "node.fill_workers: 1 is in force, 2 needs a restart",
            ]
        );
    }
}

//! The configuration of each edge node of a development fleet, written as an operator would write it. Pure.

use std::fmt::Write as _;

use super::data_directory::{CHAIN_FILE, KEY_FILE, TOKEN_FILE};
use super::own_origin::{OwnHost, OwnOrigin};
use super::plan::{Content, EdgePlan, Fleet, PlacedOrigin, Region, SITE_HOST};
use super::ports::Ports;

/// How long a node lets requests in flight finish: whoever presses Ctrl-C waits for it.
pub(super) const EDGE_GRACE_SECONDS: u64 = 5;

/// What the built-in origin always serves, small enough to be asked for every two seconds.
const PROBED_PATH: &str = "/vod/demo/master.m3u8";

/// Name of an edge node's configuration file.
pub(super) fn configuration_file(edge: &EdgePlan) -> String {
    format!("{}.yaml", edge.name)
}

/// Name of an edge node's access log.
pub(super) fn access_log_file(edge: &EdgePlan) -> String {
    format!("{}.access.log", edge.name)
}

/// All documents of one edge node.
pub(super) fn edge_documents(fleet: &Fleet, edge: &EdgePlan, ports: Ports, origins: &[PlacedOrigin]) -> String {
    let parts = [node(edge, ports), regions(), geo(), site(fleet), certificate(), pools(fleet, origins), policy(fleet)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("---\n")
}

fn node(edge: &EdgePlan, ports: Ports) -> String {
    let EdgePlan { name, region, address } = edge;
    let Ports { http, https, admin } = ports;
    let (pop, access_log) = (region.pop(), access_log_file(edge));
    format!(
        "# Written by `tidegate dev` at every start: change a copy.
kind: node
name: {name}
pop: {pop}
listeners:
  - {{ address: \"{address}:{http}\", protocol: http, plaintext: serve }}
  - {{ address: \"{address}:{https}\", protocol: https }}
  - {{ address: \"{address}:{https}\", protocol: quic }}
admin: {{ address: \"{address}:{admin}\", token_file: {TOKEN_FILE} }}
limits:
  # All clients of a development machine come from one address.
  connections_per_address: null
# Several as in production, and few, as many nodes share one machine.
workers: 2
fill_workers: 1
grace: {EDGE_GRACE_SECONDS}s
access_log: {{ file: {access_log} }}
"
    )
}

fn regions() -> String {
    let document = |region: Region| {
        let others: Vec<_> = Region::ALL.into_iter().filter(|other| *other != region).map(Region::name).collect();
        let (pop, failover) = (region.pop(), others.join(", "));
        format!("kind: region\nname: {region}\nfailover: [{failover}]\n---\nkind: pop\nname: {pop}\nregion: {region}\n")
    };
    Region::ALL.map(document).join("---\n")
}

/// A machine has no clients from elsewhere, but many loopback addresses: `curl --interface 127.0.2.5` is an American.
fn geo() -> String {
    let entry = |region: Region| {
        let (network, country, continent) = match region {
            Region::Eu => ("127.0.1.0/24", "DE", "EU"),
            Region::Us => ("127.0.2.0/24", "US", "NA"),
        };
        format!("  - {{ networks: [{network}], region: {region}, country: {country}, continent: {continent} }}\n")
    };
    format!("kind: geo\nname: loopback\noverrides:\n{}", Region::ALL.map(entry).concat())
}

fn site(fleet: &Fleet) -> String {
    let mut text = "kind: site\nname: media\nhosts:\n".to_owned();
    match &fleet.content {
        Content::Own(_) => text.push_str("  - \"*\"\n"),
        Content::Demonstration => {
            let addresses = fleet.addresses().map(|address| address.to_string());
            for host in [SITE_HOST.to_owned(), "localhost".to_owned()].into_iter().chain(addresses) {
                line(&mut text, format_args!("  - \"{host}\""));
            }
        }
    }
    text.push_str("routes:\n");
    let policy = match &fleet.content {
        Content::Own(_) => ", cache_policy: plain",
        Content::Demonstration => "",
    };
    line(&mut text, format_args!("  - {{ name: everything, path: /*, origin_pool: origins{policy} }}"));
    text
}

fn certificate() -> String {
    format!("kind: certificate\nname: site\nchain_file: {CHAIN_FILE}\nkey_file: {KEY_FILE}\ndefault: true\n")
}

fn pools(fleet: &Fleet, origins: &[PlacedOrigin]) -> String {
    let host = match &fleet.content {
        Content::Own(own) => own_host(own),
        Content::Demonstration => "client",
    };
    let health = match &fleet.content {
        // A connection does no harm to whatever the user's origin is.
        Content::Own(_) => "probe: tcp".to_owned(),
        Content::Demonstration => format!("probe: {{http: {{path: {PROBED_PATH}}}}}"),
    };
    let timeouts = match &fleet.content {
        // A user's origin may take its time.
        Content::Own(_) => "",
        Content::Demonstration => "timeouts: {connect: 1s, read: 2s}\n",
    };
    let mut text = format!(
        "kind: origin_pool\nname: origins\nhost: {host}
# Faster than in production: whoever kills an origin watches what happens.
health: {{{health}, interval: 2s, timeout: 1s, fall: 2, rise: 2, slow_start: 10s}}\n{timeouts}origins:\n"
    );
    for PlacedOrigin { name, region, url, .. } in origins {
        line(&mut text, format_args!("  - {{ name: {name}, url: \"{url}\", region: {region} }}"));
    }
    text
}

/// One pool has one rule: when any origin wants its own name, all get theirs.
fn own_host(origins: &[OwnOrigin]) -> &'static str {
    if origins.iter().any(|origin| origin.host == OwnHost::Origin) { "origin" } else { "client" }
}

/// Before the user's own origins nothing but RFC 9111 decides: no defaults for media, no fields of RFC 9213, and the
/// client's directives count (section 5.2.1).
fn policy(fleet: &Fleet) -> String {
    match &fleet.content {
        Content::Own(_) => "kind: cache_policy\nname: plain\nmedia: null\ntargeted_fields: []\n".to_owned(),
        Content::Demonstration => String::new(),
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_config::load_texts;
    use tidegate_config::model::{HostPattern, Model, Probe};

    const PORTS: Ports = Ports { http: 8080, https: 8443, admin: 9900 };

    fn load(fleet: &Fleet, origins: &[PlacedOrigin]) -> Model {
        let text = edge_documents(fleet, &fleet.edges[0], PORTS, origins);
        load_texts(&[("eu-1.yaml".into(), text)]).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn pool(model: &Model) -> &tidegate_config::model::OriginPool {
        model.origin_pools.values().next().expect("a fleet has a pool")
    }

    #[test]
    fn the_demonstration_site_answers_its_name_localhost_and_every_edge_address() {
        let fleet = Fleet::planned(1, Vec::new());
        let origin = |name: &str, region, url: &str| {
            let (name, url) = (name.to_owned(), url.to_owned());
            PlacedOrigin { name, region, url, pid: Some(1) }
        };
        let origins = [
            origin("eu-origin", Region::Eu, "http://127.0.0.1:1000"),
            origin("us-origin", Region::Us, "http://127.0.0.1:1001"),
        ];
        let model = load(&fleet, &origins);
        let hosts = ["media.tidegate.test", "localhost", "127.0.11.1", "127.0.12.1"];
        assert_eq!(model.sites[0].hosts, hosts.map(|host| HostPattern::Exact(host.to_owned())));
        assert_eq!(model.node.limits.connections_per_address, None);
        assert_eq!(model.node.listeners.len(), 3);
        let places = model.geo.overrides.iter().map(|entry| {
            let country = entry.country.map(|country| country.as_str().to_owned());
            (entry.networks[0].to_string(), entry.region.as_ref().map(ToString::to_string), country)
        });
        let place = |network: &str, region: &str, country: &str| {
            (network.to_owned(), Some(region.to_owned()), Some(country.to_owned()))
        };
        assert!(places.eq([place("127.0.1.0/24", "eu", "DE"), place("127.0.2.0/24", "us", "US")]));
        let Probe::Http(probe) = &pool(&model).health.probe else { panic!("{:?}", pool(&model).health) };
        assert_eq!(probe.path, PROBED_PATH);
    }

    #[test]
    fn own_origins_answer_every_host_by_plain_rfc_9111() {
        let own: Vec<OwnOrigin> = vec!["us=http://127.0.0.1:3000".parse().unwrap()];
        let fleet = Fleet::planned(1, own.clone());
        let model = load(&fleet, &super::super::plan::place_own(&own));
        assert_eq!(model.sites[0].hosts, [HostPattern::Any]);
        assert_eq!(pool(&model).health.probe, Probe::Tcp, "nothing is asked of the user's origin that no client asks");
        let policy = &model.cache_policies[&model.sites[0].routes[0].cache_policy];
        assert!(policy.media.is_none() && policy.targeted_fields.is_empty() && policy.honour_request_directives);
    }
}

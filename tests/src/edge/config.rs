//! What a test wants of its edge, and the documents that say so.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::HOST;
use crate::origin::Origin;

/// What the plaintext listener does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Serves.
    Serve,
    /// Redirects to HTTPS.
    Redirect,
}

/// One origin of the pool.
#[derive(Debug, Clone)]
pub struct OriginEntry {
    /// Its name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// `eu` or `us`; the edge stands in `eu`.
    pub region: &'static str,
    /// Further lines of it, such as `weight: 0`.
    pub lines: Vec<String>,
}

impl OriginEntry {
    /// One at this URL in this region; its name is made of both.
    #[must_use]
    pub fn new(region: &'static str, url: &str) -> Self {
        let place = url.rsplit('/').next().unwrap_or_default().replace(':', "-");
        Self { name: format!("{region}-{place}"), url: url.to_owned(), region, lines: Vec::new() }
    }
}

/// Where an edge listens.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Address of all listeners.
    pub address: IpAddr,
    /// Plaintext port.
    pub http: u16,
    /// TLS and QUIC port.
    pub https: u16,
    /// Operator's port.
    pub admin: u16,
}

impl Place {
    /// Free ports of an address that no other test uses.
    #[must_use]
    pub fn free() -> Self {
        let address = crate::address::loopback();
        let [http, https, admin] = crate::address::free_ports(address);
        Self { address, http, https, admin }
    }

    pub(super) fn at(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }
}

/// An edge's configuration: sensible for most tests as [`EdgeConfig::to`] makes it, each part to be changed.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// Hosts of the site.
    pub hosts: Vec<String>,
    /// What the plaintext listener does.
    pub plaintext: Plaintext,
    /// Origins of the one pool.
    pub origins: Vec<OriginEntry>,
    /// Lines of the node's `limits`, such as `body_bytes: 1MiB`.
    pub limits: Vec<String>,
    /// Lines of the node's `cache`, such as `max_object: 1MiB`.
    pub cache: Vec<String>,
    /// Lines of the pool, such as `host: origin`.
    pub pool: Vec<String>,
    /// A port of `[::1]` for TLS and QUIC listeners besides those of the edge's own address.
    pub ipv6: Option<u16>,
    /// Lines of the pool's `timeouts`, such as `read: 1s`.
    pub timeouts: Vec<String>,
    /// Lines of the cache policy, such as `heuristic: false`.
    pub policy: Vec<String>,
    /// Further lines of the node, such as `grace: 5s`.
    pub node: Vec<String>,
}

impl EdgeConfig {
    /// One that fetches from this origin: the site [`HOST`] with all names below, request directives honoured.
    #[must_use]
    pub fn to(origin: &Origin) -> Self {
        Self::to_url(&origin.url())
    }

    /// One that fetches from this URL.
    #[must_use]
    pub fn to_url(url: &str) -> Self {
        Self {
            hosts: vec![HOST.to_owned(), format!("*.{HOST}")],
            plaintext: Plaintext::Serve,
            origins: vec![OriginEntry::new("eu", url)],
            pool: Vec::new(),
            ipv6: None,
            limits: Vec::new(),
            cache: Vec::new(),
            timeouts: Vec::new(),
            policy: vec!["honour_request_directives: true".to_owned()],
            node: vec!["workers: 2".to_owned(), "fill_workers: 1".to_owned()],
        }
    }

    /// The documents; certificate and log files lie in the configuration's own directory.
    #[must_use]
    pub fn documents(&self, place: Place) -> String {
        let parts = [self.node_document(place), self.site_document(), self.pool_document(), self.other_documents()];
        parts.join("---\n")
    }

    fn node_document(&self, place: Place) -> String {
        let (http, https) = (place.at(place.http), place.at(place.https));
        let plaintext = match self.plaintext {
            Plaintext::Serve => String::new(),
            Plaintext::Redirect => format!("    plaintext: redirect\n    https_port: {}\n", place.https),
        };
        let ipv6 = self.ipv6.map_or_else(String::new, |port| {
            let of = |protocol| format!("  - address: \"[::1]:{port}\"\n    protocol: {protocol}\n");
            of("https") + &of("quic")
        });
        let mut text = format!(
            "kind: node\nname: eu-a-1\npop: eu-a\nlisteners:\n  - address: \"{http}\"\n    protocol: http\n{plaintext}  \
             - address: \"{https}\"\n    protocol: https\n  - address: \"{https}\"\n    protocol: quic\n{ipv6}admin:\n  \
             address: \"{}\"\naccess_log:\n  file: access.log\n",
            place.at(place.admin)
        );
        lines(&mut text, "", &self.node);
        section(&mut text, "limits", &self.limits);
        section(&mut text, "cache", &self.cache);
        text
    }

    fn site_document(&self) -> String {
        let mut text = "kind: site\nname: media\nhosts:\n".to_owned();
        for host in &self.hosts {
            writeln!(text, "  - \"{host}\"").expect("writing to a string cannot fail");
        }
        text.push_str("routes:\n  - name: all\n    path: /*\n    origin_pool: origins\n    cache_policy: tested\n");
        text
    }

    fn pool_document(&self) -> String {
        let mut text = "kind: origin_pool\nname: origins\norigins:\n".to_owned();
        for OriginEntry { name, url, region, lines: more } in &self.origins {
            writeln!(text, "  - name: {name}\n    url: {url}\n    region: {region}")
                .expect("writing to a string cannot fail");
            lines(&mut text, "    ", more);
        }
        lines(&mut text, "", &self.pool);
        section(&mut text, "timeouts", &self.timeouts);
        text
    }

    fn other_documents(&self) -> String {
        let mut text = "kind: cache_policy\nname: tested\n".to_owned();
        lines(&mut text, "", &self.policy);
        text.push_str(
            "---\nkind: region\nname: eu\n---\nkind: region\nname: us\n---\nkind: pop\nname: eu-a\nregion: eu\n",
        );
        text.push_str("---\nkind: certificate\nname: site\nchain_file: chain.pem\nkey_file: key.pem\ndefault: true\n");
        text
    }
}

fn section(text: &mut String, name: &str, content: &[String]) {
    if !content.is_empty() {
        writeln!(text, "{name}:").expect("writing to a string cannot fail");
        lines(text, "  ", content);
    }
}

fn lines(text: &mut String, indent: &str, content: &[String]) {
    for line in content {
        writeln!(text, "{indent}{line}").expect("writing to a string cannot fail");
    }
}

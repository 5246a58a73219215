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
    /// `eu` or `us`, or one of [`EdgeConfig::regions`]; the edge stands in `eu`.
    pub region: String,
    /// Further lines of it, such as `weight: 0`.
    pub lines: Vec<String>,
}

impl OriginEntry {
    /// One at this URL in this region; its name is made of both.
    #[must_use]
    pub fn new(region: &str, url: &str) -> Self {
        let authority = url.split("//").nth(1).unwrap_or(url);
        let place = authority.split('/').next().unwrap_or_default().replace([':', '[', ']'], "-");
        Self { name: format!("{region}-{place}"), url: url.to_owned(), region: region.to_owned(), lines: Vec::new() }
    }

    /// This one under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Adds fields of the origin, written as YAML.
    #[must_use]
    pub fn yaml(mut self, text: &str) -> Self {
        self.lines.extend(dedented(text));
        self
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
    /// Name of the node; edges behind one another must differ, as a node ends loops over itself.
    pub name: String,
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
    /// Further lines of the node's `admin`, such as `token_file: token`.
    pub admin: Vec<String>,
    /// Lines of every TCP listener of the edge's own address, such as `proxy_protocol: {from: [127.0.0.0/8]}`.
    pub listener: Vec<String>,
    /// What clients that the harness makes send first over TCP, for listeners with PROXY protocol.
    pub preamble: Vec<u8>,
    /// Regions and lines of each, such as `coordinates: [52.5, 13.4]`.
    pub regions: Vec<(String, Vec<String>)>,
    /// Further lines of the site, such as `error_pages:`.
    pub site: Vec<String>,
    /// Routes in front of the one for everything: items of a list.
    pub routes: Vec<String>,
    /// What answers the route for everything.
    pub destination: Vec<String>,
    /// Further lines of the route for everything, such as `websocket: true`.
    pub route: Vec<String>,
    /// Further documents, each whole.
    pub more_documents: Vec<String>,
    /// Further files in the configuration's directory: names and contents.
    pub files: Vec<(String, String)>,
    /// A shell script that starts it in file systems of its own: `$1` is the configuration's directory, what follows is the
    /// command, to be executed in the place of the shell.
    pub started_by: Option<String>,
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
            name: "eu-a-1".to_owned(),
            hosts: vec![HOST.to_owned(), format!("*.{HOST}")],
            plaintext: Plaintext::Serve,
            origins: vec![OriginEntry::new("eu", url)],
            pool: Vec::new(),
            ipv6: None,
            limits: Vec::new(),
            cache: Vec::new(),
            timeouts: Vec::new(),
            policy: Vec::new(),
            node: vec!["workers: 2".to_owned(), "fill_workers: 1".to_owned()],
            admin: Vec::new(),
            listener: Vec::new(),
            preamble: Vec::new(),
            regions: vec![("eu".to_owned(), Vec::new()), ("us".to_owned(), Vec::new())],
            site: Vec::new(),
            routes: Vec::new(),
            destination: vec!["origin_pool: origins".to_owned()],
            route: Vec::new(),
            more_documents: Vec::new(),
            files: Vec::new(),
            started_by: None,
        }
    }

    /// One with these origins in its pool.
    #[must_use]
    pub fn with_origins(origins: Vec<OriginEntry>) -> Self {
        Self { origins, ..Self::to_url("") }
    }

    /// Adds fields of the node. This and what follows take YAML of one or more lines, indented as the test likes.
    #[must_use]
    pub fn node_yaml(mut self, text: &str) -> Self {
        self.node.extend(dedented(text));
        self
    }

    /// Gives it a directory on disk beneath its memory, of 64 MiB, to which everything is written that is of use at all.
    #[must_use]
    pub fn on_disk(self) -> Self {
        self.on_disks(&["disk"], "64MiB")
    }

    /// The same with these directories, each of this size.
    #[must_use]
    pub fn on_disks(mut self, directories: &[&str], capacity: &str) -> Self {
        self.cache.push("disk:".to_owned());
        self.cache.push("  min_lifetime: 0s".to_owned());
        // Nothing is to depend on how busy the machine is that tests run on.
        self.cache.push("  read_timeout: 30s".to_owned());
        self.cache.push("  devices:".to_owned());
        let device = |directory: &&str| format!("    - {{ directory: \"{directory}\", capacity: {capacity} }}");
        self.cache.extend(directories.iter().map(device));
        self
    }

    /// Adds fields of the node's `admin`.
    #[must_use]
    pub fn admin_yaml(mut self, text: &str) -> Self {
        self.admin.extend(dedented(text));
        self
    }

    /// Adds fields of every TCP listener of the edge's own address.
    #[must_use]
    pub fn listener_yaml(mut self, text: &str) -> Self {
        self.listener.extend(dedented(text));
        self
    }

    /// Adds fields of the pool.
    #[must_use]
    pub fn pool_yaml(mut self, text: &str) -> Self {
        self.pool.extend(dedented(text));
        self
    }

    /// Adds fields of the cache policy.
    #[must_use]
    pub fn policy_yaml(mut self, text: &str) -> Self {
        self.policy.extend(dedented(text));
        self
    }

    /// Adds fields of the site.
    #[must_use]
    pub fn site_yaml(mut self, text: &str) -> Self {
        self.site.extend(dedented(text));
        self
    }

    /// Adds fields of the route for everything, whose name is `all`.
    #[must_use]
    pub fn route_yaml(mut self, text: &str) -> Self {
        self.route.extend(dedented(text));
        self
    }

    /// Lets something else than the pool answer the route for everything, such as `redirect: {location: /}`.
    #[must_use]
    pub fn destination_yaml(mut self, text: &str) -> Self {
        self.destination = dedented(text);
        self
    }

    /// Adds routes in front of the one for everything: items of a list, whole (`- name: …`). Their cache policy may be
    /// `tested`, their pool `origins`.
    #[must_use]
    pub fn routes_yaml(mut self, text: &str) -> Self {
        self.routes.extend(dedented(text));
        self
    }

    /// Adds a region, or fields to one that is there; the edge stands in `eu`.
    #[must_use]
    pub fn region_yaml(mut self, name: &str, text: &str) -> Self {
        match self.regions.iter_mut().find(|(known, _)| known == name) {
            Some((_, lines)) => lines.extend(dedented(text)),
            None => self.regions.push((name.to_owned(), dedented(text))),
        }
        self
    }

    /// Adds whole documents, with `---` between them when there are several.
    #[must_use]
    pub fn extra_documents(mut self, text: &str) -> Self {
        self.more_documents.push(dedented(text).join("\n"));
        self
    }

    /// Mounts a file system in memory, of this size, at `disk` in its directory, for it alone.
    #[must_use]
    pub fn on_a_file_system_of(mut self, size: &str) -> Self {
        let mount = format!("mkdir -p \"$1/disk\" && mount -t tmpfs -o size={size},mode=700 tidegate \"$1/disk\"");
        self.started_by = Some(format!("{mount} && shift && exec \"$@\""));
        self
    }

    /// Has a shell script run before it starts, where it sees its files: `$1` is the configuration's directory.
    #[must_use]
    pub fn prepared_by(mut self, script: &str) -> Self {
        self.started_by = self.started_by.map(|before| before.replace("&& shift", &format!("&& {script} && shift")));
        self
    }

    /// Adds a file to the configuration's directory, against which file names in documents are resolved.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
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
        let mut listener = String::new();
        lines(&mut listener, "    ", &self.listener);
        let mut admin = String::new();
        lines(&mut admin, "  ", &self.admin);
        let mut text = format!(
            "kind: node\nname: {}\npop: eu-a\nlisteners:\n  - address: \"{http}\"\n    protocol: http\n\
             {plaintext}{listener}  - address: \"{https}\"\n    protocol: https\n{listener}  - address: \"{https}\"\n    \
             protocol: quic\n{ipv6}admin:\n  address: \"{}\"\n{admin}access_log:\n  file: access.log\n",
            self.name,
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
        lines(&mut text, "", &self.site);
        text.push_str("routes:\n");
        lines(&mut text, "  ", &self.routes);
        text.push_str("  - name: all\n    path: /*\n    cache_policy: tested\n");
        lines(&mut text, "    ", &self.destination);
        lines(&mut text, "    ", &self.route);
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
        for (name, more) in &self.regions {
            write!(text, "---\nkind: region\nname: {name}\n").expect("writing to a string cannot fail");
            lines(&mut text, "", more);
        }
        text.push_str("---\nkind: pop\nname: eu-a\nregion: eu\n");
        text.push_str("---\nkind: certificate\nname: site\nchain_file: chain.pem\nkey_file: key.pem\ndefault: true\n");
        for document in &self.more_documents {
            write!(text, "---\n{document}\n").expect("writing to a string cannot fail");
        }
        text
    }
}

/// The lines of this text, without the indentation that all of them share and without empty ones.
fn dedented(text: &str) -> Vec<String> {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let indent = lines().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines().map(|line| line[indent..].trim_end().to_owned()).collect()
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

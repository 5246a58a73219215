//! Which Host field an origin gets, and which server name over TLS.

use std::borrow::Cow;

use tidegate_config::model::{HostPolicy, Origin, ServerNamePolicy};

/// The Host field of a request for this origin; the client's stays when absent.
#[must_use]
pub fn host_field<'a>(policy: &'a HostPolicy, origin: &Origin) -> Option<Cow<'a, str>> {
    match policy {
        HostPolicy::Client => None,
        HostPolicy::Origin => Some(Cow::Owned(own_host(origin))),
        HostPolicy::Fixed(host) => Some(Cow::Borrowed(host)),
    }
}

/// The origin's own host, its port added unless it is the scheme's.
fn own_host(origin: &Origin) -> String {
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let usual = if origin.tls.is_some() { 443 } else { 80 };
    if origin.port == usual { host } else { format!("{host}:{}", origin.port) }
}

/// The name sent as SNI and checked against the origin's certificate; none when there is nothing to check against.
#[must_use]
pub(super) fn server_name(
    policy: &ServerNamePolicy,
    host: &HostPolicy,
    origin: &Origin,
    client_host: Option<&str>,
) -> Option<String> {
    let name = match policy {
        ServerNamePolicy::Name(name) => name.clone(),
        ServerNamePolicy::HostField => {
            let field = host_field(host, origin).or_else(|| client_host.map(Cow::Borrowed))?;
            without_port(&field).to_owned()
        }
    };
    (!name.is_empty()).then_some(name)
}

fn without_port(host: &str) -> &str {
    if let Some(literal) = host.strip_prefix('[') {
        return literal.split_once(']').map_or(literal, |(address, _)| address);
    }
    host.rsplit_once(':').filter(|(name, _)| !name.contains(':')).map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_no_part_of_a_server_name() {
        let check = |host: &str, expected: &str| assert_eq!(without_port(host), expected);
        check("media.example", "media.example");
        check("media.example:8443", "media.example");
        check("[2001:db8::1]:443", "2001:db8::1");
        check("[2001:db8::1]", "2001:db8::1");
        check("2001:db8::1", "2001:db8::1");
        check("192.0.2.1:443", "192.0.2.1");
    }
}

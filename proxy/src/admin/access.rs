//! Who may use the operator's listener. Pure: it sees a request's head and two addresses.
//!
//! A loopback client needs no token, as who can connect from there can read the token file as well. That makes the
//! browser on the operator's desk a way in, and it is shut: a request with an Origin field comes from a page, and one
//! whose Host is not this listener's address may come through a name that was rebound to it.

use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;

use super::token::AdminToken;
use crate::routing::CanonicalHost;

/// Port of URLs without one.
const DEFAULT_PORT: u16 = 80;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// A web page sent it.
    CrossOrigin,
    /// Its Host is missing, doubled or not this listener's.
    ForeignHost,
    /// The token is missing or wrong, or none is configured.
    Unauthorized,
}

/// The two ends of the connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
}

/// Decides on a request.
pub(super) fn check_access(head: &Parts, ends: Ends, token: Option<&AdminToken>) -> Result<(), Denied> {
    if head.headers.contains_key(ORIGIN) {
        return Err(Denied::CrossOrigin);
    }
    if !names_this_listener(head, ends.local) {
        return Err(Denied::ForeignHost);
    }
    if ends.peer.ip().to_canonical().is_loopback() || shows_token(head, token) {
        return Ok(());
    }
    Err(Denied::Unauthorized)
}

fn names_this_listener(head: &Parts, local: SocketAddr) -> bool {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    // An absolute-form target counts more than Host (RFC 9112 section 3.2.2); both must be ours.
    let target_fits = head.uri.authority().is_none_or(|authority| is_local_authority(authority.as_str(), local));
    target_fits && is_local_authority(host.as_bytes(), local)
}

fn is_local_authority<T: AsRef<[u8]> + ?Sized>(authority: &T, local: SocketAddr) -> bool {
    let Ok((host, port)) = CanonicalHost::parse(authority) else { return false };
    let host = host.as_str();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host_fits = match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical() == local.ip().to_canonical(),
        Err(_) => host == "localhost",
    };
    host_fits && port.unwrap_or(DEFAULT_PORT) == local.port()
}

fn shows_token(head: &Parts, token: Option<&AdminToken>) -> bool {
    let mut shown = head.headers.get_all(AUTHORIZATION).iter();
    match (token, shown.next(), shown.next()) {
        (Some(token), Some(shown), None) => token.is_shown_by(shown.as_bytes()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::token::TokenUse;
    use http::Request;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    const NEAR: &str = "127.0.0.1:40000";
    const FAR: &str = "192.0.2.7:40000";
    const LOCAL: &str = "192.0.2.1:9901";

    fn check(peer: &str, local: &str, target: &str, fields: &[(&str, &str)], expected: Result<(), Denied>) {
        let mut request = Request::get(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let token = AdminToken::new(TOKEN.as_bytes(), TokenUse::Admin).unwrap();
        let ends = Ends { peer: peer.parse().unwrap(), local: local.parse().unwrap() };
        assert_eq!(check_access(&head, ends, Some(&token)), expected, "{peer} {target} {fields:?}");
    }

    #[test]
    fn loopback_clients_need_no_token() {
        check(NEAR, "127.0.11.1:9901", "/status", &[("host", "127.0.11.1:9901")], Ok(()));
        check(NEAR, "127.0.0.1:9901", "/status", &[("host", "LocalHost:9901")], Ok(()));
        check("[::1]:4", "[::1]:9901", "/status", &[("host", "[0::1]:9901")], Ok(()));
        check("[::ffff:127.0.0.1]:4", "[::ffff:127.0.0.1]:9901", "/", &[("host", "127.0.0.1:9901")], Ok(()));
        check(NEAR, "127.0.0.1:80", "/status", &[("host", "localhost")], Ok(()));
    }

    #[test]
    fn other_clients_need_the_token() {
        let bearer = format!("Bearer {TOKEN}");
        check(FAR, LOCAL, "/", &[("host", LOCAL)], Err(Denied::Unauthorized));
        check(FAR, LOCAL, "/", &[("host", LOCAL), ("authorization", &bearer)], Ok(()));
        check(FAR, LOCAL, "/", &[("host", LOCAL), ("authorization", "Bearer x")], Err(Denied::Unauthorized));
        let twice = [("host", LOCAL), ("authorization", &bearer), ("authorization", &bearer)];
        check(FAR, LOCAL, "/", &twice, Err(Denied::Unauthorized));
    }

    #[test]
    fn pages_and_rebound_names_are_refused_even_with_the_token() {
        let bearer = format!("Bearer {TOKEN}");
        let local = "127.0.0.1:9901";
        let check_denied = |host: &str, more: &[(&str, &str)], denied| {
            let fields: Vec<_> =
                [("host", host), ("authorization", &bearer)].into_iter().chain(more.iter().copied()).collect();
            check(NEAR, local, "/drain", &fields, Err(denied));
        };
        check_denied(local, &[("origin", "http://127.0.0.1:9901")], Denied::CrossOrigin);
        check_denied(local, &[("origin", "null")], Denied::CrossOrigin);
        check_denied("rebound.example:9901", &[], Denied::ForeignHost);
        check_denied("127.0.0.1", &[], Denied::ForeignHost);
        check_denied("127.0.0.1:9902", &[], Denied::ForeignHost);
        check_denied("127.0.0.2:9901", &[], Denied::ForeignHost);
        check_denied("localhost.example:9901", &[], Denied::ForeignHost);
        check_denied("", &[], Denied::ForeignHost);
        check_denied(local, &[("host", local)], Denied::ForeignHost);
        check(NEAR, local, "/", &[], Err(Denied::ForeignHost));
        check(NEAR, local, "http://rebound.example:9901/", &[("host", local)], Err(Denied::ForeignHost));
    }

    #[test]
    fn without_a_configured_token_nobody_from_elsewhere_gets_in() {
        let (head, ()) =
            Request::get("/").header("host", LOCAL).header("authorization", "Bearer ").body(()).unwrap().into_parts();
        let ends = Ends { peer: FAR.parse().unwrap(), local: LOCAL.parse().unwrap() };
        assert_eq!(check_access(&head, ends, None), Err(Denied::Unauthorized));
    }
}

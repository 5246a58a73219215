//! The PROXY protocol header that this node sends to origins which ask for one.
//!
//! Versions 1 and 2 as of <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. Receiving such headers is the
//! listeners' business.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use tidegate_config::model::ProxyProtocolVersion;

/// First bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, command PROXY.
const PROXY: u8 = 0x21;

/// Version 2, command LOCAL: the connection is the sender's own.
const LOCAL: u8 = 0x20;

/// Both ends of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddresses {
    /// The client.
    pub source: SocketAddr,
    /// What it reached.
    pub destination: SocketAddr,
}

/// The header of a connection made for this client, or for none.
#[must_use]
pub(super) fn proxy_header(version: ProxyProtocolVersion, client: Option<ClientAddresses>) -> Bytes {
    let client = client.map(ClientAddresses::of_one_family);
    match version {
        ProxyProtocolVersion::V1 => Bytes::from(text(client)),
        ProxyProtocolVersion::V2 => Bytes::from(binary(client)),
    }
}

impl ClientAddresses {
    /// The protocol has one family for both: addresses of IPv4 that differ from the other's family are mapped.
    fn of_one_family(self) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (source, destination) = (canonical(self.source), canonical(self.destination));
        if source.is_ipv4() == destination.is_ipv4() {
            return Self { source, destination };
        }
        let mapped = |address: SocketAddr| SocketAddr::new(IpAddr::V6(six(address.ip())), address.port());
        Self { source: mapped(source), destination: mapped(destination) }
    }
}

fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
}

fn text(client: Option<ClientAddresses>) -> String {
    let Some(ClientAddresses { source, destination }) = client else { return "PROXY UNKNOWN\r\n".to_owned() };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {} {} {}\r\n", source.ip(), destination.ip(), source.port(), destination.port())
}

fn binary(client: Option<ClientAddresses>) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let Some(ClientAddresses { source, destination }) = client else {
        header.extend_from_slice(&[LOCAL, 0, 0, 0]);
        return header;
    };
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend_from_slice(&[PROXY, 0x11, 0, 12]);
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
        }
        (from, to) => {
            header.extend_from_slice(&[PROXY, 0x21, 0, 36]);
            header.extend_from_slice(&six(from).octets());
            header.extend_from_slice(&six(to).octets());
        }
    }
    header.extend_from_slice(&source.port().to_be_bytes());
    header.extend_from_slice(&destination.port().to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(source: &str, destination: &str) -> Option<ClientAddresses> {
        Some(ClientAddresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
    }

    #[track_caller]
    fn check_text(client: Option<ClientAddresses>, expected: &str) {
        assert_eq!(proxy_header(ProxyProtocolVersion::V1, client), expected.as_bytes());
    }

    #[track_caller]
    fn check_binary(client: Option<ClientAddresses>, expected: &[u8]) {
        let header = proxy_header(ProxyProtocolVersion::V2, client);
        assert_eq!(&header[..12], SIGNATURE);
        assert_eq!(&header[12..], expected);
    }

    #[test]
    fn version_1_names_both_ends() {
        check_text(client("192.0.2.1:4000", "198.51.100.2:443"), "PROXY TCP4 192.0.2.1 198.51.100.2 4000 443\r\n");
        check_text(client("[2001:db8::1]:4000", "[::1]:80"), "PROXY TCP6 2001:db8::1 ::1 4000 80\r\n");
        check_text(client("[::ffff:192.0.2.1]:1", "198.51.100.2:2"), "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n");
        check_text(client("192.0.2.1:1", "[2001:db8::1]:2"), "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n");
        check_text(None, "PROXY UNKNOWN\r\n");
    }

    #[test]
    fn version_2_names_both_ends() {
        let four = [0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 2, 0x0f, 0xa0, 0x01, 0xbb];
        check_binary(client("192.0.2.1:4000", "198.51.100.2:443"), &four);
        let mut six = vec![0x21, 0x21, 0, 36];
        six.extend([0; 15]);
        six.push(1);
        six.extend([0; 15]);
        six.extend([2, 0, 80, 0x01, 0xbb]);
        check_binary(client("[::1]:80", "[::2]:443"), &six);
        check_binary(None, &[0x20, 0, 0, 0]);
    }
}

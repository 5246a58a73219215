//! From the peer of a connection, over trusted proxies, to the client.

use std::net::IpAddr;

use http::{HeaderMap, header};
use ipnet::IpNet;

use super::forwarded::{self, scheme};
use super::{ClientIdentity, Peer, forwarded_for};
use crate::cache::key::Scheme;

/// Proxies in a row that are believed. Real chains have one or two; each costs a look at all trusted networks.
const MOST_PROXIES: usize = 16;

/// Finds the client: the nearest one that no trusted proxy is.
pub(super) fn identify(trusted: &[IpNet], peer: Peer, fields: &HeaderMap) -> ClientIdentity {
    let mut client = ClientIdentity { address: peer.address.to_canonical(), scheme: peer.scheme, proxies: Vec::new() };
    if !is_trusted(trusted, client.address) {
        return client;
    }
    let mut claims = Claims::of(fields);
    let mut told_scheme = None;
    while client.proxies.len() < MOST_PROXIES && is_trusted(trusted, client.address) {
        let Some(hop) = claims.next() else { break };
        told_scheme = hop.scheme;
        client.proxies.push(client.address);
        client.address = hop.address;
    }
    // Collected from the nearest on.
    client.proxies.reverse();
    client.scheme = believed_scheme(told_scheme, fields, client.proxies.len()).unwrap_or(peer.scheme);
    client
}

pub(super) fn is_trusted(trusted: &[IpNet], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// One hop that a trusted proxy tells of.
struct Hop {
    address: IpAddr,
    scheme: Option<Scheme>,
}

/// What the two fields say, nearest hop first. It ends with what cannot be read, and where they disagree: a proxy
/// writes one of them and passes the other on as the client made it, and which is which cannot be known.
struct Claims<F, X> {
    forwarded: Option<F>,
    forwarded_for: Option<X>,
}

impl Claims<(), ()> {
    fn of(
        fields: &HeaderMap,
    ) -> Claims<impl Iterator<Item = Option<forwarded::Element>>, impl Iterator<Item = Option<IpAddr>>> {
        Claims {
            forwarded: fields.contains_key(header::FORWARDED).then(|| forwarded::elements(fields)),
            forwarded_for: fields.contains_key("x-forwarded-for").then(|| forwarded_for::hops(fields)),
        }
    }
}

impl<F, X> Claims<F, X>
where
    F: Iterator<Item = Option<forwarded::Element>>,
    X: Iterator<Item = Option<IpAddr>>,
{
    fn next(&mut self) -> Option<Hop> {
        let element = self.forwarded.as_mut().map(Iterator::next);
        let address = self.forwarded_for.as_mut().map(Iterator::next);
        match (element, address) {
            (Some(element), None) => {
                let element = element??;
                Some(Hop { address: element.address?, scheme: element.scheme })
            }
            (None, Some(address)) => Some(Hop { address: address??, scheme: None }),
            (Some(element), Some(address)) => {
                let (element, address) = (element??, address??);
                (element.address == Some(address)).then_some(Hop { address, scheme: element.scheme })
            }
            (None, None) => None,
        }
    }
}

/// The scheme that the client used, as told by the trusted proxy that it reached. Two fields must not disagree.
fn believed_scheme(told: Option<Scheme>, fields: &HeaderMap, proxies: usize) -> Option<Scheme> {
    let lines: Vec<&[u8]> = fields.get_all("x-forwarded-proto").iter().map(|line| line.as_bytes()).collect();
    // From the right: on the left a client may have written as many as it likes.
    let items = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let mut items = items.filter(|item| !item.is_empty());
    let Some(last) = items.next() else { return told };
    // Most proxies set one value; those that append have one for each hop, the client's as far from the right as the
    // client itself.
    let item = match items.next() {
        None => last,
        Some(_) if proxies <= 1 => last,
        Some(before) if proxies == 2 => before,
        Some(_) => items.nth(proxies - 3)?,
    };
    let stated = scheme(item)?;
    (told.is_none() || told == Some(stated)).then_some(stated)
}

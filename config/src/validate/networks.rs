//! Networks in CIDR notation, each once and by its first address.

use std::net::IpAddr;

use ipnet::IpNet;

use super::range::check_length;
use crate::source::{Place, Report};

/// The networks of a list, telling of those that are none.
pub(super) fn networks(texts: &[String], most: usize, list: &Place<'_>, report: &mut Report) -> Vec<IpNet> {
    let mut networks = Vec::new();
    if !check_length(texts.len(), most, list, report) {
        return networks;
    }
    for (index, text) in texts.iter().enumerate() {
        let place = list.element(index);
        match parse_network(text) {
            Ok(network) if networks.contains(&network) => report.at(&place, "each network once"),
            Ok(network) => networks.push(network),
            Err(expected) => report.at(&place, expected),
        }
    }
    networks
}

/// Like [`networks`], and at least one.
pub(super) fn some_networks(texts: &[String], most: usize, list: &Place<'_>, report: &mut Report) -> Vec<IpNet> {
    if texts.is_empty() {
        report.at(list, "at least one network");
    }
    networks(texts, most, list, report)
}

/// A network, or an address as the network of it alone.
pub(super) fn parse_network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let Ok(network) = text.parse::<IpNet>() else {
        return Err("a network, such as 192.0.2.0/24 or 2001:db8::/32, or an address".to_owned());
    };
    if network.trunc() == network { Ok(network) } else { Err(format!("its first address: {}", network.trunc())) }
}

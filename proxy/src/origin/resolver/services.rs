//! The order of SRV records (RFC 2782), as a pure function.

use std::net::IpAddr;

use tidegate_steering::SplitMix64;

/// One SRV record with the addresses of its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// Lower ones are tried first.
    pub(super) priority: u16,
    /// Share among those of the same priority.
    pub(super) weight: u16,
    /// Port.
    pub(super) port: u16,
    /// Addresses of the target.
    pub(super) addresses: Vec<IpAddr>,
}

/// By priority, and within one by chance according to weight; `seed` is the chance.
pub(super) fn ordered(services: &[Service], seed: usize) -> Vec<&Service> {
    let mut left: Vec<&Service> = services.iter().collect();
    // Those of weight 0 first, so that they have their small chance.
    left.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(left.len());
    let mut chance = SplitMix64::from_seed(seed as u64);
    while let Some(priority) = left.first().map(|service| service.priority) {
        let group = left.iter().take_while(|service| service.priority == priority);
        let total: u64 = group.clone().map(|service| u64::from(service.weight)).sum();
        let drawn = chance.next_u64() % (total + 1);
        let mut sum = 0;
        let place = group.clone().position(|service| {
            sum += u64::from(service.weight);
            sum >= drawn
        });
        ordered.push(left.remove(place.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(priority: u16, weight: u16, port: u16) -> Service {
        Service { priority, weight, port, addresses: vec![] }
    }

    #[test]
    fn a_lower_priority_number_always_comes_first() {
        let services = [service(20, 100, 3), service(10, 0, 1), service(10, 5, 2)];
        for seed in 0..100 {
            let ports: Vec<u16> = ordered(&services, seed).iter().map(|service| service.port).collect();
            assert_eq!(ports.len(), 3);
            assert_eq!(ports[2], 3);
        }
    }

    #[test]
    fn weight_is_the_share_of_first_places() {
        let services = [service(1, 30, 1), service(1, 10, 2), service(1, 0, 3)];
        let mut firsts = [0; 3];
        for seed in 0..10_000 {
            firsts[usize::from(ordered(&services, seed)[0].port - 1)] += 1;
        }
        assert!((6_800..8_000).contains(&firsts[0]), "{firsts:?}");
        assert!((2_000..3_000).contains(&firsts[1]), "{firsts:?}");
        assert!((50..600).contains(&firsts[2]), "weight 0 has a small chance: {firsts:?}");
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(ordered(&[], 1).is_empty());
    }
}

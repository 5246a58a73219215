//! Shares of sites: from percent of the tier, as operators have them, to bytes, as the store does.

use std::collections::HashMap;

use tidegate_config::model::CacheDisk;
use tidegate_store::Share;

use crate::cache::engine::site_tag;

/// The shares of all sites that have one, of a tier with this capacity, by what stands for them in records.
pub(super) fn in_bytes(disk: &CacheDisk, capacity: u64) -> HashMap<u32, Share> {
    let part = |percent: u8| (capacity / 100).saturating_mul(percent.into());
    let share = |(site, share): (&tidegate_config::ids::SiteName, &tidegate_config::model::DiskShare)| {
        (site_tag(site.as_str()), Share { floor: part(share.floor), ceiling: ceiling(share.ceiling, part) })
    };
    disk.shares.iter().map(share).collect()
}

/// All of the tier is no bound at all: also what is beyond the configured capacity by a rounding is in it.
fn ceiling(percent: u8, part: impl Fn(u8) -> u64) -> u64 {
    if percent >= 100 { u64::MAX } else { part(percent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_capacity_that_is_in_force() {
        let text = "kind: node\nname: n\npop: p\ncache: {disk: {devices: [{directory: /a, capacity: 64MiB}], shares: [{site: s, floor: 20%, ceiling: 40%}, {site: t}]}}\n---\n{kind: region, name: \
            eu}\n---\n{kind: pop, name: p, region: eu}\n---\n{kind: site, name: s, hosts: [a.example], routes: [{name: r, redirect: {location: /}}]}\n---\n\
            {kind: site, name: t, hosts: [b.example], routes: [{name: r, redirect: {location: /}}]}\n";
        let model = tidegate_config::load_texts(&[("edge.yaml".into(), text.to_owned())]).unwrap();
        let shares = in_bytes(&model.node.cache.disk.unwrap(), 4000 << 20);
        let expected = [
            (site_tag("s"), Share { floor: 800 << 20, ceiling: 1600 << 20 }),
            (site_tag("t"), Share { floor: 0, ceiling: u64::MAX }),
        ];
        assert_eq!(shares, HashMap::from(expected));
    }
}

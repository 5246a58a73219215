//! Sites whose policies name one host in their keys share what is stored, and so must have it from the same pool.

use std::collections::HashMap;

use super::{Documents, Written};
use crate::document::RouteFields;
use crate::source::Report;

/// Who was the first to store under a host.
struct First<'d> {
    site: &'d str,
    pool: &'d str,
}

/// Tells of routes of another site than the first one's that would answer from what another pool has sent.
pub(super) fn check_shared_hosts(documents: &Documents<'_>, report: &mut Report) {
    let hosts: HashMap<&str, &str> = documents
        .cache_policies
        .iter()
        .filter_map(|Written { document, .. }| Some((document.name.as_str(), document.key.host.as_deref()?)))
        .collect();
    let mut firsts: HashMap<&str, First<'_>> = HashMap::new();
    for Written { document: site, place } in &documents.sites {
        let list = place.field("routes");
        for (index, route) in site.routes.iter().enumerate() {
            let Some((host, pool)) = stores_under(route, &hosts) else { continue };
            let first = firsts.entry(host).or_insert(First { site: &site.name, pool });
            if first.site != site.name && first.pool != pool {
                let expected = format!(
                    "a policy with another key.host, or the origin pool {:?}: the site {:?} stores under {host:?} too",
                    first.pool, first.site
                );
                report.at(&list.element(index).field("cache_policy"), expected);
            }
        }
    }
}

/// The host of the keys, where a policy names one, and the pool of a route.
fn stores_under<'d>(route: &'d RouteFields, hosts: &HashMap<&str, &'d str>) -> Option<(&'d str, &'d str)> {
    Some((hosts.get(route.cache_policy.as_str())?, route.origin_pool.as_deref()?))
}

//! From documents as written to the [`Model`]: names, references and ranges.
//!
//! Owns what makes sense. It goes on after every problem, and says nothing of what `read` already complained about.

mod cache_disk;
mod cache_key;
mod cache_policy;
mod certificate;
mod cors;
mod error_page;
mod failover;
mod geo;
mod header_field;
mod health;
mod host_pattern;
mod kill_switch;
mod media_delivery;
mod names;
mod networks;
mod node;
mod origin;
mod origin_pool;
mod path_pattern;
mod range;
mod region;
mod route;
mod route_actions;
mod shared_host;
mod site;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::{CachePolicyDocument, Document};
use crate::ids::PoolName;
use crate::model::{Model, OriginPool};
use crate::source::{Place, Report, Source};
use crate::units::ByteSize;
use names::Names;

/// The policy of routes that name none.
pub(crate) const DEFAULT_CACHE_POLICY: &str = "default";

/// Whether all that was written could be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// All documents are at hand.
    #[default]
    Complete,
    /// Some document is not known, so nothing can be said to be missing.
    Partial,
}

/// A document of one kind with its place.
struct Written<'s, T> {
    document: &'s T,
    place: Place<'s>,
}

/// What a site's routes and switches refer to.
struct Surroundings<'a> {
    names: &'a Names<'a>,
    origin_pools: &'a BTreeMap<PoolName, Arc<OriginPool>>,
    /// Largest request body that the node takes.
    body_bytes: Option<ByteSize>,
}

/// Everything of a configuration by kind, in the order of the files.
struct Documents<'s> {
    nodes: Vec<Written<'s, crate::document::NodeDocument>>,
    regions: Vec<Written<'s, crate::document::RegionDocument>>,
    pops: Vec<Written<'s, crate::document::PopDocument>>,
    sites: Vec<Written<'s, crate::document::SiteDocument>>,
    origin_pools: Vec<Written<'s, crate::document::OriginPoolDocument>>,
    certificates: Vec<Written<'s, crate::document::CertificateDocument>>,
    cache_policies: Vec<Written<'s, CachePolicyDocument>>,
    geos: Vec<Written<'s, crate::document::GeoDocument>>,
}

/// The model, when nothing was reported and exactly one node is there.
pub(crate) fn validate(sources: &[Source], completeness: Completeness, report: &mut Report) -> Option<Model> {
    let documents = sort(sources);
    let names = Names::collect(sources, completeness, report);
    let regions = region::regions(&documents.regions, &names, report);
    let pops = region::pops(&documents.pops, &names, report);
    let origin_pools = origin_pool::origin_pools(&documents.origin_pools, &names, report);
    let certificates = certificate::certificates(&documents.certificates, &documents.nodes, report);
    let cache_policies = cache_policies(&documents, report);
    let body_bytes = documents.nodes.first().map(|node| node.document.limits.body_bytes.0);
    let surroundings = Surroundings { names: &names, origin_pools: &origin_pools, body_bytes };
    let sites = site::sites(&documents.sites, &surroundings, report);
    shared_host::check_shared_hosts(&documents, report);
    let node = node::node(&documents, &pops, &names, report);
    let geo = geo::geo(&documents.geos, &names, report);
    Some(Model { node: node?, regions, pops, sites, origin_pools, certificates, cache_policies, geo })
}

fn cache_policies(
    documents: &Documents<'_>,
    report: &mut Report,
) -> BTreeMap<crate::ids::CachePolicyName, Arc<crate::model::CachePolicy>> {
    let mut policies = BTreeMap::new();
    let built_in = CachePolicyDocument::named(DEFAULT_CACHE_POLICY);
    if let Some(policy) = cache_policy::convert(&built_in) {
        policies.insert(policy.name.clone(), Arc::new(policy));
    }
    for Written { document, place } in &documents.cache_policies {
        if let Some(policy) = cache_policy::cache_policy(document, place, report) {
            policies.insert(policy.name.clone(), Arc::new(policy));
        }
    }
    policies
}

fn sort(sources: &[Source]) -> Documents<'_> {
    let mut documents = Documents {
        nodes: Vec::new(),
        regions: Vec::new(),
        pops: Vec::new(),
        sites: Vec::new(),
        origin_pools: Vec::new(),
        certificates: Vec::new(),
        cache_policies: Vec::new(),
        geos: Vec::new(),
    };
    for source in sources {
        let place = source.root();
        match &source.document {
            Document::Node(document) => documents.nodes.push(Written { document, place }),
            Document::Region(document) => documents.regions.push(Written { document, place }),
            Document::Pop(document) => documents.pops.push(Written { document, place }),
            Document::Site(document) => documents.sites.push(Written { document, place }),
            Document::OriginPool(document) => documents.origin_pools.push(Written { document, place }),
            Document::Certificate(document) => documents.certificates.push(Written { document, place }),
            Document::CachePolicy(document) => documents.cache_policies.push(Written { document, place }),
            Document::Geo(document) => documents.geos.push(Written { document, place }),
        }
    }
    documents
}

//! The configuration compiled for serving: what a request takes one of and keeps until it ends.
//!
//! Compiled as a whole or not at all; swapped by one pointer.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use tidegate_config::Snapshot;
use tidegate_config::ids::PoolName;
use tidegate_config::model::{Limits, Model};

use crate::client_identity::NodeIdentity;
use crate::geo::{DatabaseError, GeoDatabases, GeoLocator};
use crate::origin::{CompiledPool, OriginError, Registries};
use crate::routing::{RouteTable, SiteEntry};
use crate::telemetry::{Metrics, SiteMetrics};

/// Why a valid model cannot be served on this machine.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// An origin pool; one line for each file of it that is of no use.
    #[error("{}", .errors.iter().map(|error| format!("origin pool {pool}: {error}")).collect::<Vec<_>>().join("\n"))]
    Pool {
        /// Its name.
        pool: String,
        /// The causes.
        errors: Vec<OriginError>,
    },
    /// A geographical database.
    #[error("geo.databases: the file {} {source}", file.display())]
    Geo {
        /// Its file.
        file: PathBuf,
        /// The cause.
        source: Box<DatabaseError>,
    },
}

/// One immutable configuration, ready to serve.
pub struct RuntimeSnapshot {
    /// The validated configuration and its generation.
    pub snapshot: Snapshot,
    /// Hosts and paths to routes.
    pub routes: RouteTable,
    /// `Alt-Svc` for responses over TLS, when HTTP/3 is served.
    pub alt_svc: Option<HeaderValue>,
    /// This node's name as a field value.
    pub edge: HeaderValue,
    /// The same for `Server-Timing`, which scripts may read of requests that a media element made.
    pub server_timing: HeaderValue,
    /// Whom this node believes, and what it calls itself.
    pub identity: NodeIdentity,
    /// Where clients are.
    pub geo: Arc<GeoLocator>,
    pools: HashMap<PoolName, Arc<CompiledPool>>,
    site_metrics: Vec<Arc<SiteMetrics>>,
}

/// How long clients remember that HTTP/3 is served here (RFC 7838 section 3.1): a day, the usual choice; a node
/// that is taken out is left by GOAWAY and DNS, not by this.
const ALT_SVC_MAX_AGE: u32 = 86_400;

impl RuntimeSnapshot {
    /// Compiles a snapshot. What is known of origins lasts longer than any, and so do databases.
    pub fn compile(
        snapshot: Snapshot,
        metrics: &Metrics,
        registries: &Registries,
        databases: &Arc<GeoDatabases>,
    ) -> Result<Self, CompileError> {
        let model = &snapshot.model;
        let routes = RouteTable::build(model);
        let site_metrics = routes.sites().iter().map(|site| metrics.site_handles(&site.site.name)).collect();
        let pools = compile_pools(model, metrics, registries)?;
        let edge = HeaderValue::from_str(model.node.name.as_str()).unwrap_or(HeaderValue::from_static("edge"));
        let timing = HeaderValue::from_str(&format!("edge;desc=\"{}\"", model.node.name));
        let server_timing = timing.unwrap_or(HeaderValue::from_static("edge"));
        let alt_svc = alt_svc(model);
        let identity = NodeIdentity::new(&model.node);
        let geo = GeoLocator::compile(model, databases)
            .map_err(|(file, source)| CompileError::Geo { file, source: Box::new(source) })?;
        let geo = Arc::new(geo);
        Ok(Self { routes, alt_svc, edge, server_timing, identity, geo, pools, site_metrics, snapshot })
    }

    /// The validated configuration.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.snapshot.model
    }

    /// Bounds of requests.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.snapshot.model.node.limits
    }

    /// A pool that a route names.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> Option<&Arc<CompiledPool>> {
        self.pools.get(name)
    }

    /// All of them.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<CompiledPool>> {
        self.pools.values()
    }

    /// Metrics of a site of this snapshot.
    #[must_use]
    pub fn site_metrics(&self, site: &SiteEntry) -> Option<&Arc<SiteMetrics>> {
        self.site_metrics.get(site.index.0)
    }
}

fn compile_pools(
    model: &Model,
    metrics: &Metrics,
    registries: &Registries,
) -> Result<HashMap<PoolName, Arc<CompiledPool>>, CompileError> {
    let compile = |(name, pool): (&PoolName, _)| match CompiledPool::compile(pool, model, metrics, registries) {
        Ok(compiled) => Ok((name.clone(), Arc::new(compiled))),
        Err(errors) => Err(CompileError::Pool { pool: name.to_string(), errors }),
    };
    model.origin_pools.iter().map(compile).collect()
}

fn alt_svc(model: &Model) -> Option<HeaderValue> {
    use tidegate_config::model::ListenerProtocol;
    let quic = model.node.listeners.iter().find(|listener| listener.protocol == ListenerProtocol::Quic)?;
    HeaderValue::from_str(&format!("h3=\":{}\"; ma={ALT_SVC_MAX_AGE}", quic.address.port())).ok()
}

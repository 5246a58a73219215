//! From files to what is in force: everything is made from the new configuration first, then put in force, or
//! nothing is and the old one goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tidegate_certs::{CertificateFiles, SessionTickets, SniResolver, Transport, server_config};
use tidegate_config::Snapshot;
use tidegate_config::ids::Generation;
use tidegate_config::model::Model;

use super::error::StartError;
use crate::admin::{AdminState, AdminToken, TokenError, TokenUse};
use crate::geo::GeoDatabases;
use crate::listener::{ListenerState, SharedListenerState};
use crate::origin::{OriginOverview, Prober, Registries, Resolver, access_files};
use crate::phases::SharedAccessLog;
use crate::runtime_snapshot::RuntimeSnapshot;
use crate::telemetry::{AccessLog, Metrics, ReloadOutcome};

/// Holds what is in force and replaces it.
pub(super) struct Reloader {
    files: Vec<PathBuf>,
    snapshot: Arc<ArcSwap<RuntimeSnapshot>>,
    listener_state: SharedListenerState,
    metrics: Arc<Metrics>,
    registries: Arc<Registries>,
    prober: Prober,
    databases: Arc<GeoDatabases>,
    resolver: Resolver,
    admin: Arc<AdminState>,
    access_log: SharedAccessLog,
    tickets: SessionTickets,
    /// When the files of certificates and secrets last changed, as of the last look.
    seen: Vec<Option<SystemTime>>,
}

/// Everything made from one model.
struct Prepared {
    snapshot: RuntimeSnapshot,
    listener_state: ListenerState,
    token: Option<Arc<AdminToken>>,
    debug_token: Option<Arc<AdminToken>>,
    access_log: Option<AccessLog>,
}

impl Reloader {
    /// Prepares the first configuration.
    pub(super) fn start(
        files: &[PathBuf],
        model: &Arc<Model>,
        metrics: Arc<Metrics>,
        admin: Arc<AdminState>,
        access_log: SharedAccessLog,
        resolver: Resolver,
    ) -> Result<Self, StartError> {
        let tickets = SessionTickets::new().map_err(|error| StartError::Certificates(error.to_string()))?;
        let generation = Generation(1);
        let snapshot = Snapshot { generation, model: Arc::clone(model) };
        let listener_state = listener_state(model, &tickets)?;
        let registries = Arc::new(Registries::default());
        let databases = Arc::new(GeoDatabases::default());
        let compiled = RuntimeSnapshot::compile(snapshot, &metrics, &registries, &databases)?;
        compiled.geo.put_in_force();
        admin.geo.store(Some(Arc::clone(&compiled.geo)));
        admin.origins.store(Some(Arc::new(OriginOverview::new(compiled.pools().cloned()))));
        refresh_origin_figures(&metrics, &admin);
        read_geo_figures(&metrics, &databases);
        admin.token.store(token(model)?);
        admin.debug_token.store(debug_token(model)?);
        admin.kill_switches.put_in_force(model, SystemTime::now());
        metrics.config_read(ReloadOutcome::Applied, generation);
        let seen = modification_times(model);
        Ok(Self {
            files: files.to_vec(),
            snapshot: Arc::new(ArcSwap::from_pointee(compiled)),
            listener_state: Arc::new(ArcSwap::from_pointee(listener_state)),
            metrics,
            registries,
            prober: Prober::new(resolver.clone()),
            databases,
            resolver,
            admin,
            access_log,
            tickets,
            seen,
        })
    }

    pub(super) fn snapshot(&self) -> Arc<ArcSwap<RuntimeSnapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// Begins to probe origins, on the runtime of the caller.
    pub(super) fn start_probing(&self) {
        self.prober.probe(self.snapshot.load().pools());
    }

    pub(super) fn listener_state(&self) -> SharedListenerState {
        Arc::clone(&self.listener_state)
    }

    pub(super) fn grace(&self) -> Duration {
        self.snapshot.load().model().node.grace
    }

    pub(super) fn flush_access_log(&self, wait: Duration) {
        if !self.access_log.load().flush(wait) {
            log::warn!("the last lines of the access log were not written in time");
        }
    }

    /// Reads the files and puts them in force, or says why not.
    pub(super) fn reload(&mut self, cause: &str) {
        self.access_log.load().reopen();
        let before = self.snapshot.load_full();
        let generation = Generation(before.snapshot.generation.0 + 1);
        match self.prepare(&before, generation) {
            Ok(prepared) => {
                self.put_in_force(prepared);
                self.metrics.config_read(ReloadOutcome::Applied, generation);
                log::info!(cause, generation = generation.0; "the configuration was reloaded");
            }
            Err(error) => {
                self.metrics.config_read(ReloadOutcome::Rejected, before.snapshot.generation);
                log::error!(cause, generation = before.snapshot.generation.0; "the configuration was not reloaded: {error}");
            }
        }
        self.seen = modification_times(self.snapshot.load().model());
    }

    /// Looks at geographical databases, which change by themselves and are no part of the configuration. Large ones take
    /// seconds to read, so signals are heard meanwhile.
    pub(super) fn refresh_databases(&self) {
        let databases = Arc::clone(&self.databases);
        drop(tokio::task::spawn_blocking(move || databases.refresh()));
    }

    /// A renewed certificate or secret takes the same way as any change.
    pub(super) fn reload_if_files_changed(&mut self) {
        let now = modification_times(self.snapshot.load().model());
        if now != self.seen {
            self.seen = now;
            self.reload("a file of certificates or secrets changed");
        }
    }

    fn prepare(&self, before: &RuntimeSnapshot, generation: Generation) -> Result<Prepared, StartError> {
        let model = Arc::new(tidegate_config::load_files(&self.files).map_err(StartError::Configuration)?);
        let obstacles = tidegate_config::restart_required(before.model(), &model);
        if !obstacles.is_empty() {
            return Err(StartError::NeedsRestart(obstacles.join("\n")));
        }
        let listener_state = listener_state(&model, &self.tickets)?;
        let (token, debug_token) = (token(&model)?, debug_token(&model)?);
        let moved = model.node.access_log != before.model().node.access_log;
        let access_log = moved.then(|| self.open_access_log(&model)).transpose()?;
        let snapshot = Snapshot { generation, model };
        let snapshot = RuntimeSnapshot::compile(snapshot, &self.metrics, &self.registries, &self.databases)?;
        Ok(Prepared { snapshot, listener_state, token, debug_token, access_log })
    }

    fn open_access_log(&self, model: &Model) -> Result<AccessLog, StartError> {
        AccessLog::start(&model.node.access_log, &model.node.name, self.metrics.access_log())
            .map_err(|source| StartError::AccessLog { target: model.node.access_log.clone(), source })
    }

    /// Nothing in here can fail. New certificates go first: a host that is new needs one before its first request.
    fn put_in_force(&self, prepared: Prepared) {
        self.listener_state.store(Arc::new(prepared.listener_state));
        prepared.snapshot.geo.put_in_force();
        self.prober.probe(prepared.snapshot.pools());
        self.metrics.retain_origins(&prepared.snapshot.model().origin_pools);
        self.resolver.configure(&prepared.snapshot.model().node.resolvers);
        self.admin.kill_switches.put_in_force(&prepared.snapshot.snapshot.model, SystemTime::now());
        let snapshot = Arc::new(prepared.snapshot);
        self.snapshot.store(Arc::clone(&snapshot));
        // Operators are shown what is in force, never what is about to be: a drained origin gets nothing new from here on.
        self.admin.geo.store(Some(Arc::clone(&snapshot.geo)));
        self.admin.origins.store(Some(Arc::new(OriginOverview::new(snapshot.pools().cloned()))));
        self.admin.token.store(prepared.token);
        self.admin.debug_token.store(prepared.debug_token);
        if let Some(access_log) = prepared.access_log {
            self.access_log.store(Arc::new(access_log));
        }
    }
}

/// Weights that grow with time are looked at when somebody asks.
fn refresh_origin_figures(metrics: &Metrics, admin: &Arc<AdminState>) {
    let admin = Arc::clone(admin);
    metrics.refresh_origins_by(move || {
        if let Some(overview) = &*admin.origins.load() {
            overview.refresh_metrics();
        }
    });
}

fn read_geo_figures(metrics: &Metrics, databases: &Arc<GeoDatabases>) {
    let databases = Arc::clone(databases);
    metrics.geo().read_from(move || databases.figures());
}

fn token(model: &Model) -> Result<Option<Arc<AdminToken>>, StartError> {
    let file = model.node.admin.as_ref().and_then(|admin| admin.token_file.as_deref());
    Ok(read_token(file, TokenUse::Admin)?)
}

fn debug_token(model: &Model) -> Result<Option<Arc<AdminToken>>, StartError> {
    let file = model.node.admin.as_ref().and_then(|admin| admin.debug_token_file.as_deref());
    read_token(file, TokenUse::Debug).map_err(StartError::DebugToken)
}

fn read_token(file: Option<&Path>, of: TokenUse) -> Result<Option<Arc<AdminToken>>, TokenError> {
    Ok(file.map(|file| AdminToken::read(file, of)).transpose()?.map(Arc::new))
}

fn listener_state(model: &Model, tickets: &SessionTickets) -> Result<ListenerState, StartError> {
    let limits = model.node.limits.clone();
    if model.certificates.is_empty() {
        return Ok(ListenerState { limits, tls: None, quic_tls: None });
    }
    let files: Vec<CertificateFiles> = model.certificates.iter().map(certificate_files).collect();
    let loaded = SniResolver::load(&files).map_err(|errors| StartError::Certificates(one_line_each(&errors)))?;
    for warning in &loaded.warnings {
        log::warn!("{warning}");
    }
    let config = |transport| {
        server_config(Arc::clone(&loaded.resolver) as _, transport, tickets)
            .map_err(|error| StartError::Certificates(error.to_string()))
    };
    Ok(ListenerState { limits, tls: Some(config(Transport::Tcp)?), quic_tls: Some(config(Transport::Quic)?) })
}

pub(super) fn certificate_files(certificate: &tidegate_config::model::Certificate) -> CertificateFiles {
    CertificateFiles {
        name: certificate.name.to_string(),
        chain_file: certificate.chain_file.clone(),
        key_file: certificate.key_file.clone(),
        default: certificate.default,
    }
}

fn one_line_each(errors: &[impl std::fmt::Display]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn modification_times(model: &Model) -> Vec<Option<SystemTime>> {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let files = model.certificates.iter().flat_map(|certificate| [&certificate.chain_file, &certificate.key_file]);
    files.map(PathBuf::as_path).chain(access_files(model)).map(modified).collect()
}

//! The databases that are loaded, whatever configuration names them: read once, looked at every few seconds, replaced
//! when their file changed and is whole, kept when it is not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::database::{Database, DatabaseError, FileMark};
use crate::telemetry::{GeoDatabaseFigures, GeoFigures};

/// All databases of this process.
#[derive(Default)]
pub struct GeoDatabases {
    /// Those that the configuration in force names, in its order.
    files: Mutex<Vec<Arc<DatabaseFile>>>,
    lookup_failures: AtomicU64,
}

/// A file and what was last read from it.
pub(super) struct DatabaseFile {
    path: PathBuf,
    database: ArcSwap<Database>,
    reload: Mutex<ReloadState>,
    /// Held while the file is read, which one at a time does.
    reading: Mutex<()>,
}

/// What became of the file after it was first read.
#[derive(Default)]
struct ReloadState {
    /// The file that could not be used, so that it is not read again and again; none when it was missing.
    failed: Option<(Option<FileMark>, String)>,
    failures: u64,
    reloads: u64,
}

/// What an operator is told of a database.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseStatus {
    /// Its file.
    pub path: PathBuf,
    /// What it says it is, such as `GeoLite2-City`.
    pub database_type: String,
    /// When it was built, in Unix time.
    pub build_epoch: u64,
    /// When this node read it.
    pub loaded: SystemTime,
    /// Size of the file and of what it takes in memory.
    pub bytes: u64,
    /// Networks in it.
    pub networks: u64,
    /// Why the file that is there now is not in use; none when it is.
    pub failure: Option<String>,
    /// How often it could not be read again.
    pub failures: u64,
    /// How often it was read again.
    pub reloads: u64,
}

impl GeoDatabases {
    /// The databases of a configuration: those already loaded as they are, others read now.
    pub(super) fn open(&self, paths: &[PathBuf]) -> Result<Vec<Arc<DatabaseFile>>, (PathBuf, DatabaseError)> {
        let known = self.files.lock().clone();
        let open = |path: &PathBuf| match known.iter().find(|file| file.path == *path) {
            Some(file) => Ok(Arc::clone(file)),
            None => DatabaseFile::open(path).map(Arc::new).map_err(|error| (path.clone(), error)),
        };
        paths.iter().map(open).collect()
    }

    /// From now on these are in use; others are let go when the last request that uses them ends.
    pub(super) fn use_only(&self, files: &[Arc<DatabaseFile>]) {
        *self.files.lock() = files.to_vec();
    }

    /// Looks at every file in use and reads those that changed. Blocks for as long as that takes.
    pub fn refresh(&self) {
        let files = self.files.lock().clone();
        for file in files {
            file.refresh();
        }
    }

    /// What there is to know of those in use.
    #[must_use]
    pub fn status(&self) -> Vec<DatabaseStatus> {
        let files = self.files.lock().clone();
        files.iter().map(|file| file.status()).collect()
    }

    /// Look-ups that met a damaged record.
    #[must_use]
    pub fn lookup_failures(&self) -> u64 {
        self.lookup_failures.load(Ordering::Relaxed)
    }

    /// The same as metrics show it.
    #[must_use]
    pub fn figures(&self) -> GeoFigures {
        let figures = |status: DatabaseStatus| GeoDatabaseFigures {
            file: status.path.display().to_string(),
            bytes: status.bytes,
            build_epoch: status.build_epoch,
            reloads: status.reloads,
            reload_failures: status.failures,
        };
        GeoFigures {
            databases: self.status().into_iter().map(figures).collect(),
            lookup_failures: self.lookup_failures(),
        }
    }

    pub(super) fn lookup_failed(&self) {
        self.lookup_failures.fetch_add(1, Ordering::Relaxed);
    }
}

impl DatabaseFile {
    fn open(path: &Path) -> Result<Self, DatabaseError> {
        let database = Database::load(path)?;
        log_read(path, &database, "a geographical database was read");
        let database = ArcSwap::from_pointee(database);
        Ok(Self { path: path.to_owned(), database, reload: Mutex::default(), reading: Mutex::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database(&self) -> arc_swap::Guard<Arc<Database>> {
        self.database.load()
    }

    fn refresh(&self) {
        let Some(_reading) = self.reading.try_lock() else { return };
        let found = FileMark::of(&self.path);
        if found == Some(self.database.load().mark) {
            self.reload.lock().failed = None;
            return;
        }
        if self.reload.lock().failed.as_ref().is_some_and(|(mark, _)| *mark == found) {
            return;
        }
        let loaded = Database::load(&self.path);
        let mut reload = self.reload.lock();
        match loaded {
            Ok(database) => {
                log_read(&self.path, &database, "a geographical database was read again");
                self.database.store(Arc::new(database));
                reload.failed = None;
                reload.reloads += 1;
            }
            Err(error) => {
                log::error!(file:% = self.path.display(); "the geographical database in use stays: the new file {error}");
                // One that changed meanwhile is yet another one at the next look.
                let mark = if matches!(error, DatabaseError::Changed) { None } else { found };
                reload.failed = Some((mark, error.to_string()));
                reload.failures += 1;
            }
        }
    }

    fn status(&self) -> DatabaseStatus {
        let (database, reload) = (self.database.load(), self.reload.lock());
        DatabaseStatus {
            path: self.path.clone(),
            database_type: database.metadata().database_type.clone(),
            build_epoch: database.metadata().build_epoch,
            loaded: database.loaded,
            bytes: database.bytes(),
            networks: database.networks,
            failure: reload.failed.as_ref().map(|(_, reason)| reason.clone()),
            failures: reload.failures,
            reloads: reload.reloads,
        }
    }
}

fn log_read(path: &Path, database: &Database, message: &str) {
    let (database_type, networks) = (database.metadata().database_type.as_str(), database.networks);
    log::info!(file:% = path.display(), database_type, networks; "{message}");
}

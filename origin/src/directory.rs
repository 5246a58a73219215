//! Files of a directory, opened so that no path and no symbolic link leads outside it. Directories are not listed.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use cap_std::{ambient_authority, fs::Dir};

use crate::{
    OriginError,
    content_type::ContentType,
    request_path::RequestPath,
    resource::{Lookup, Resource, Source, Validators},
};

/// A directory that is served. Its handle stays open: renaming the directory changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<Dir>);

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Self, OriginError> {
        Dir::open_ambient_dir(path, ambient_authority())
            .map(|directory| Self(Arc::new(directory)))
            .map_err(|source| OriginError::OpenRoot { path: path.to_owned(), source })
    }

    /// Finds and opens a file. Opening blocks, so it happens on a thread kept for such work.
    pub(crate) async fn find(&self, path: RequestPath) -> io::Result<Lookup> {
        let directory = Arc::clone(&self.0);
        let found = tokio::task::spawn_blocking(move || open(&directory, &path)).await;
        let found = found.unwrap_or_else(|failure| Err(io::Error::other(failure)));
        found.or_else(without_a_file)
    }
}

fn open(directory: &Dir, path: &RequestPath) -> io::Result<Lookup> {
    // Asked before opening: opening a named pipe would wait for a writer, perhaps for ever.
    let metadata = directory.metadata(path.as_str())?;
    if metadata.is_dir() {
        return Ok(Lookup::MissingSlash);
    }
    if !metadata.is_file() {
        return Ok(Lookup::Forbidden);
    }
    let file = directory.open(path.as_str())?.into_std();
    // Asked again of the open file: the name may lead to another one by now.
    let metadata = file.metadata()?;
    let modified = metadata.modified()?;
    let content_type = ContentType::of(path.as_str());
    let unchanged_for = SystemTime::now().duration_since(modified).unwrap_or_default();
    Ok(Lookup::Found(Resource {
        content_type,
        cache_control: content_type.lifetime.cache_control(unchanged_for),
        validators: Validators::new(entity_tag(metadata.len(), modified), modified),
        length: metadata.len(),
        source: Source::File(tokio::fs::File::from_std(file)),
    }))
}

/// Strong, as long as no two versions share their length and the nanosecond of their last change. Copies of a file
/// that keep its date (`cp -p`, `rsync -t`) have equal tags on every origin.
fn entity_tag(length: u64, modified: SystemTime) -> String {
    let since_epoch = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("\"{length:x}-{:x}\"", since_epoch.as_nanos())
}

/// What the operating system refuses because of the path is an answer, the rest is a failure of ours.
fn without_a_file(failure: io::Error) -> io::Result<Lookup> {
    use io::ErrorKind;
    match failure.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => Ok(Lookup::NotFound),
        ErrorKind::PermissionDenied => Ok(Lookup::Forbidden),
        _ => Err(failure),
    }
}

//! What is wrong with the files that a configuration names: read by the code that reads them for serving, and nothing
//! kept. For checking a configuration before a node is told of it.

use std::path::Path;

use tidegate_certs::{CertificateError, SniResolver};
use tidegate_config::FileProblem;
use tidegate_config::model::{Certificate, Model, OriginPool};

use super::reload::certificate_files;
use crate::admin::{AdminToken, TokenUse};
use crate::geo::try_database;
use crate::origin::{Access, OriginError};

/// Where the secret fields of an origin stand, by name.
const SECRET_FIELDS: &str = "credentials.fields.";

/// Reads every file that the model names (certificates, token, what origins are shown, databases), looks at directories of the disk tier, and says of each why it
/// is of no use. Changes nothing but the process's provider of cryptography.
#[must_use]
pub fn examine_files(model: &Model) -> Vec<FileProblem> {
    tidegate_certs::install_crypto_provider();
    let mut problems: Vec<FileProblem> = model.certificates.iter().flat_map(of_certificate).collect();
    problems.extend(of_tokens(model));
    problems.extend(model.origin_pools.values().flat_map(|pool| of_origins(pool)));
    problems.extend(of_databases(model));
    problems.extend(of_directories(model));
    problems
}

/// Directories of the disk tier. Nothing is made or locked: a node may be running with them.
fn of_directories(model: &Model) -> impl Iterator<Item = FileProblem> {
    let devices = model.node.cache.disk.iter().flat_map(|disk| &disk.devices).enumerate();
    devices.filter_map(|(index, device)| {
        let why = unusable(&device.directory)?;
        let steps = ["cache", "disk", "devices", &index.to_string(), "directory"].map(str::to_owned).to_vec();
        let found = format!("{}: {why}", device.directory.display());
        let expected = "a directory that can be read and written, or a new one in a directory that is there".to_owned();
        Some(FileProblem { kind: "node", name: Some(model.node.name.to_string()), steps, found, expected })
    })
}

/// Why a directory is of no use; nothing where it is, as far as can be seen without writing.
fn unusable(directory: &Path) -> Option<String> {
    match std::fs::metadata(directory) {
        Ok(known) if !known.is_dir() => Some("is no directory".to_owned()),
        Ok(known) if known.permissions().readonly() => Some("may not be written".to_owned()),
        Ok(_) => std::fs::read_dir(directory).err().map(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (!parent.is_dir()).then(|| format!("{} is no directory", parent.display()))
        }
        Err(error) => Some(error.to_string()),
    }
}

fn of_certificate(certificate: &Certificate) -> Vec<FileProblem> {
    let errors = SniResolver::load(&[certificate_files(certificate)]).err().unwrap_or_default();
    let problem = |error: CertificateError| {
        let is_of = |path: &Path| error.path() == Some(path);
        let field = if is_of(&certificate.chain_file) { "chain_file" } else { "key_file" };
        let expected =
            if field == "chain_file" { "a PEM file with a certificate chain" } else { "its private key in PEM" };
        let (found, expected) = parted(&error.to_string(), expected);
        let name = Some(certificate.name.to_string());
        FileProblem { kind: "certificate", name, steps: vec![field.to_owned()], found, expected }
    };
    errors.into_iter().map(problem).collect()
}

fn of_tokens(model: &Model) -> impl Iterator<Item = FileProblem> {
    let admin = model.node.admin.as_ref();
    let files = admin.into_iter().flat_map(|admin| {
        let (token, debug) = (admin.token_file.as_deref(), admin.debug_token_file.as_deref());
        [("token_file", TokenUse::Admin, token), ("debug_token_file", TokenUse::Debug, debug)]
    });
    files.filter_map(|(field, of, path)| of_token(model, field, of, path?))
}

fn of_token(model: &Model, field: &str, of: TokenUse, path: &Path) -> Option<FileProblem> {
    let error = AdminToken::read(path, of).err()?;
    let (found, expected) =
        parted(&format!("{}: {error}", path.display()), "a token of 32 to 4,096 visible ASCII characters");
    let steps = ["admin", field].map(str::to_owned).to_vec();
    Some(FileProblem { kind: "node", name: Some(model.node.name.to_string()), steps, found, expected })
}

fn of_origins(pool: &OriginPool) -> Vec<FileProblem> {
    let problem = |error: OriginError| {
        let (origin, field, found, expected) = match error {
            OriginError::Read { origin, field, file, source } => {
                (origin, field, format!("{}: {source}", file.display()), "a file that can be read")
            }
            OriginError::Content { origin, field, file, reason, expected } => {
                (origin, field, format!("{}: {reason}", file.display()), expected)
            }
        };
        // Names of fields may have dots themselves.
        let field: Vec<&str> = match field.strip_prefix(SECRET_FIELDS).and_then(|field| field.rsplit_once('.')) {
            Some((name, file)) => SECRET_FIELDS.split_terminator('.').chain([name, file]).collect(),
            None => field.split('.').collect(),
        };
        let steps = ["origins", &origin].into_iter().chain(field).map(str::to_owned).collect();
        let (name, expected) = (Some(pool.name.to_string()), expected.to_owned());
        FileProblem { kind: "origin_pool", name, steps, found, expected }
    };
    pool.origins.iter().filter_map(|origin| Access::load(origin).err()).flatten().map(problem).collect()
}

fn of_databases(model: &Model) -> impl Iterator<Item = FileProblem> {
    model.geo.databases.iter().enumerate().filter_map(|(index, path)| {
        let error = try_database(path).err()?;
        let (found, expected) =
            parted(&format!("{}, which {error}", path.display()), "a whole database in MaxMind's format (mmdb)");
        let steps = vec!["databases".to_owned(), index.to_string()];
        Some(FileProblem { kind: "geo", name: None, steps, found, expected })
    })
}

/// Many errors of files say themselves what they expect, after a semicolon.
fn parted(error: &str, otherwise: &str) -> (String, String) {
    let (found, expected) = error.split_once("; expected ").unwrap_or((error, otherwise));
    (found.to_owned(), expected.to_owned())
}

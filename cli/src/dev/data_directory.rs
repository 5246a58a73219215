//! The folder of a development fleet: certificates, token, configuration and logs. Nobody else may read it, as keys
//! lie in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tidegate_certs::DevelopmentCa;

use super::error::DevError;
use super::plan::SITE_HOST;

/// Names of files in the folder, as the configuration names them too.
pub(super) const CHAIN_FILE: &str = "site.pem";
pub(super) const KEY_FILE: &str = "site.key";
pub(super) const TOKEN_FILE: &str = "admin-token";
const LOCK_FILE: &str = "lock";

/// For the owner alone.
const DIRECTORY_MODE: u32 = 0o700;
const SECRET_MODE: u32 = 0o600;

/// Randomness of the admin token; 256 bits.
const TOKEN_BYTES: usize = 32;

/// The folder, held by this process alone.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    /// Locked; the lock ends with the process.
    _lock: File,
}

impl DataDirectory {
    /// Makes or takes the folder, unless another fleet has it.
    pub(super) fn open(path: &Path) -> Result<Self, DevError> {
        let refused = |source| DevError::Write { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path).map_err(refused)?;
        let path = path.canonicalize().map_err(refused)?;
        let lock = lock(&path.join(LOCK_FILE))?;
        // A folder that was there before may be open to others.
        fs::set_permissions(&path, Permissions::from_mode(DIRECTORY_MODE)).map_err(refused)?;
        let directory = Self { path, _lock: lock };
        // Its keys shall not end in somebody's repository.
        directory.write(".gitignore", "*\n")?;
        Ok(directory)
    }

    /// Where it is, absolute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate of the development authority.
    pub(super) fn authority_file(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// The operator's token.
    pub(super) fn token_file(&self) -> PathBuf {
        self.path.join(TOKEN_FILE)
    }

    /// Issues the site's certificate for its name, localhost and these addresses; the authority stays the same, so that
    /// it is imported once. Gives the hash of its public key, by which browsers can be told to accept it.
    pub(super) fn issue_certificate(&self, addresses: &[Ipv4Addr]) -> Result<String, DevError> {
        let authority = DevelopmentCa::load_or_create(&self.path)?;
        let addresses: Vec<IpAddr> = addresses.iter().copied().map(IpAddr::V4).collect();
        let certificate = authority.issue(&[SITE_HOST, "localhost"], &addresses)?;
        certificate.write(&self.path.join(CHAIN_FILE), &self.path.join(KEY_FILE))?;
        Ok(certificate.public_key_sha256)
    }

    /// Makes a new token for operators.
    pub(super) fn write_token(&self) -> Result<(), DevError> {
        let mut random = [0; TOKEN_BYTES];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).map_err(DevError::Randomness)?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(TOKEN_FILE, &token)
    }

    /// Writes a file of this name, readable by its owner alone.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), DevError> {
        let path = self.path.join(name);
        write_secret(&path, text).map_err(|source| DevError::Write { path, source })
    }

    /// An empty file of this name.
    pub(super) fn empty_file(&self, name: &str) -> Result<(), DevError> {
        self.write(name, "")
    }
}

fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(SECRET_MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(SECRET_MODE))?;
    file.write_all(text.as_bytes())
}

fn lock(path: &Path) -> Result<File, DevError> {
    let refused = |source| DevError::Write { path: path.to_owned(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(SECRET_MODE).open(path);
    let file = file.map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(DevError::DirectoryInUse(path.parent().map_or_else(PathBuf::new, Path::to_path_buf)))
        }
        Err(TryLockError::Error(source)) => Err(refused(source)),
    }
}

//! The operating system's files.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use rustix::process::{getegid, geteuid, getgroups};

use super::{Io, IoFile, IoLock};

/// Only the node's user reads what it stores: bodies may come from sites that are not public.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;
/// The system's own user, who can change everything anyway.
const ROOT: u32 = 0;
/// A link in the stead of a file was put there by somebody else, to have another file written over.
const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// The operating system's files.
#[derive(Debug, Default, Clone, Copy)]
pub struct RealIo;

impl Io for RealIo {
    fn open(&self, path: &Path) -> io::Result<Box<dyn IoFile>> {
        Ok(Box::new(RealFile(OpenOptions::new().read(true).write(true).custom_flags(NO_LINK).open(path)?)))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn IoFile>> {
        Ok(Box::new(RealFile(create(path)?)))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            done => done,
        }
    }

    fn others_who_may_write(&self, directory: &Path) -> io::Result<Option<String>> {
        let found = std::fs::metadata(directory)?;
        // Services are often given directories by a further group.
        let mut groups: Vec<u32> = getgroups()?.into_iter().map(|group| group.as_raw()).collect();
        groups.push(getegid().as_raw());
        Ok(others_who_may_write(found.uid(), found.gid(), found.mode(), geteuid().as_raw(), &groups))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)?;
        let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn IoLock>> {
        let file = create(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(RealLock { file })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(NO_LINK)
        .open(path)
}

/// Its own groups may write: a directory is often given to a service in that way.
fn others_who_may_write(owner: u32, group: u32, mode: u32, user: u32, own_groups: &[u32]) -> Option<String> {
    match () {
        () if owner != user && owner != ROOT => Some(format!("its owner, user {owner},")),
        () if mode & WRITABLE_BY_ALL != 0 => Some("everybody".to_owned()),
        () if mode & WRITABLE_BY_GROUP != 0 && !own_groups.contains(&group) => Some(format!("group {group}")),
        () => None,
    }
}

struct RealFile(File);

impl IoFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn read_at_now(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        match preadv2(&self.0, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(Some(read)),
            // Not in the page cache, or a file system or system that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match fallocate(&self.0, FallocateFlags::empty(), 0, length) {
            // Without room reserved a full file system shows itself later, when it is written.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) if self.length()? < length => self.0.set_len(length),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            done => Ok(done?),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn let_go(&self, offset: u64, length: u64) {
        let Some(length) = std::num::NonZeroU64::new(length) else { return };
        // A file system that takes no hints is none the worse.
        fadvise(&self.0, offset, Some(length), Advice::DontNeed).unwrap_or_default();
    }
}

/// The system lets the lock go with the last descriptor of the file, also when the process is killed.
struct RealLock {
    file: File,
}

impl IoLock for RealLock {}

impl Drop for RealLock {
    fn drop(&mut self) {
        // A process being started right now has this descriptor for a moment; unlocking does not wait for it to go.
        drop(self.file.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_stead_of_a_file_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        std::fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(RealIo.open(&link).is_err() && RealIo.create(&link).is_err() && RealIo.lock(&link).is_err());
        assert!(RealIo.open(&target).is_ok() && RealIo.create(&target).is_ok());
    }

    #[test]
    fn what_is_read_without_waiting_is_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = RealIo.create(&directory.path().join("file")).unwrap();
        file.write_at(b"0123456789", 0).unwrap();
        let mut buffer = [0; 4];
        // Whether the file system can tell depends on which one it is.
        if let Some(read) = file.read_at_now(&mut buffer, 3).unwrap() {
            assert_eq!((read, &buffer), (4, b"3456"));
        }
        assert!(matches!(file.read_at_now(&mut buffer, 10), Ok(None | Some(0))));
    }

    #[test]
    fn a_directory_that_others_may_write_is_told() {
        const US: (u32, [u32; 2]) = (100, [200, 201]);
        let check = |owner: u32, group: u32, mode: u32, who: Option<&str>| {
            let told = others_who_may_write(owner, group, mode | 0o40_000, US.0, &US.1);
            assert_eq!(told.as_deref(), who, "{owner}:{group} {mode:o}");
        };
        for mode in [0o700, 0o750, 0o755, 0o770, 0o775, 0o1755] {
            check(100, 200, mode, None);
        }
        check(100, 300, 0o755, None);
        check(ROOT, 201, 0o2775, None);
        check(ROOT, 200, 0o770, None);
        check(100, 300, 0o775, Some("group 300"));
        check(100, 200, 0o777, Some("everybody"));
        check(ROOT, ROOT, 0o1777, Some("everybody"));
        check(101, 200, 0o700, Some("its owner, user 101,"));
    }

    #[test]
    fn a_directory_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let made = directory.path().join("made");
        RealIo.create_directory(&made).unwrap();
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, DIRECTORY_MODE);
    }
}

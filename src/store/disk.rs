//! The seam between the store and the file system: the few operations that it needs, and the real directory.
//!
//! Owns how a file comes to be: private to the user, and whole or not at all. Never knows what is in a file.
//! Names are relative to the data directory, with `/` between their parts. Tests put a failing disk here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What a file's directory entry says, by which an unchanged file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub bytes: u64,
    /// When it was last written, in nanoseconds since the Unix epoch.
    pub modified: u64,
}

/// An open file that only grows.
pub trait AppendFile: Send {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content durable. After a failure nobody knows what is.
    fn sync(&mut self) -> io::Result<()>;
}

/// A directory of files.
pub trait Disk: Send + Sync {
    /// Puts the first `bytes` bytes of a file into `into` (all where there are fewer), which is emptied first.
    fn read(&self, name: &str, bytes: u64, into: &mut Vec<u8>) -> io::Result<()>;
    /// Puts up to `bytes` bytes of a file from `offset` on into `into`, which is emptied first; fewer only at its end.
    fn read_part(
        &self,
        name: &str,
        offset: u64,
        bytes: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<()>;
    /// The names in a directory, in any order.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;
    fn metadata(&self, name: &str) -> io::Result<Metadata>;
    /// Makes a directory for this user alone, and those above it; one that exists is fine.
    fn create_directory(&self, directory: &str) -> io::Result<()>;
    /// Opens an existing file.
    fn append(&self, name: &str) -> io::Result<Box<dyn AppendFile>>;
    /// Gives a file this content: written beside it, synced, renamed. Durable after [`Disk::sync_directory`].
    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes durable which names the directory has.
    fn sync_directory(&self, directory: &str) -> io::Result<()>;
}

/// The suffix of a file that is being written.
pub const TEMPORARY: &str = ".tmp";

/// A directory of the file system.
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    pub fn new(root: &Path) -> RealDisk {
        RealDisk {
            root: root.to_owned(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Disk for RealDisk {
    fn read(&self, name: &str, bytes: u64, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        let mut file = File::open(self.path(name))?;
        if file.metadata()?.len() <= bytes {
            // A whole file is read in one go; a part of one, with smaller calls, is the exception.
            file.read_to_end(into)?;
        } else {
            file.take(bytes).read_to_end(into)?;
        }
        Ok(())
    }

    fn read_part(
        &self,
        name: &str,
        offset: u64,
        bytes: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<()> {
        into.clear();
        into.reserve(bytes);
        let mut file = File::open(self.path(name))?;
        file.seek(SeekFrom::Start(offset))?;
        file.take(bytes as u64).read_to_end(into)?;
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(self.path(directory))?;
        // A name that is not Unicode is not one of ours.
        entries
            .filter_map(|entry| entry.map(|e| e.file_name().into_string().ok()).transpose())
            .collect()
    }

    fn metadata(&self, name: &str) -> io::Result<Metadata> {
        let metadata = fs::metadata(self.path(name))?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
        Ok(Metadata {
            bytes: metadata.len(),
            modified: modified.map_or(0, |age| age.as_nanos() as u64),
        })
    }

    fn create_directory(&self, directory: &str) -> io::Result<()> {
        create_private_directory(&self.path(directory))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        let file = OpenOptions::new().append(true).open(self.path(name))?;
        Ok(Box::new(file))
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let beside = self.path(&format!("{name}{TEMPORARY}"));
        let write = || -> io::Result<()> {
            let mut file = private_file().truncate(true).open(&beside)?;
            Write::write_all(&mut file, content)?;
            file.sync_all()?;
            drop(file);
            fs::rename(&beside, self.path(name))
        };
        write().inspect_err(|_| {
            // On a full disk the half-written file would hold on to space that others need.
            let _ = fs::remove_file(&beside);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        sync_entries(&self.path(directory))
    }
}

impl AppendFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Makes the data directory, and those above it, durably; one that exists is fine.
pub fn create_root(dir: &Path) -> io::Result<()> {
    let missing = dir
        .ancestors()
        .take_while(|path| !is_current(path) && !path.exists());
    let missing = missing.count();
    create_private_directory(dir)?;
    for parent in dir.ancestors().skip(1).take(missing) {
        let parent = if is_current(parent) {
            Path::new(".")
        } else {
            parent
        };
        // One may make a directory where one may not look; then its entry is the system's care.
        let _ = sync_entries(parent);
    }
    Ok(())
}

/// The last ancestor of a relative path.
fn is_current(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Makes durable which names a directory has.
pub fn sync_entries(directory: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file, and its entries are the file system's own care.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Options that create a file which only this user may read.
pub fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

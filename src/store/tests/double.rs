//! A disk in memory that knows what is durable, fails when told to, and can lose what a power cut loses.

use super::super::disk::{AppendFile, Disk, Metadata};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::ThreadId;

/// What an operation does that reports an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing; as a disk that is full from the first byte on (`ENOSPC`).
    Nothing,
    /// Half of it; as a disk that fills up meanwhile (a short write, then `ENOSPC`).
    Half,
    /// All of it; as a disk that fails behind it (`EIO`).
    Done,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Fault::Nothing | Fault::Half => {
                io::Error::new(io::ErrorKind::StorageFull, "no space left on the double")
            }
            Fault::Done => io::Error::other("input/output error on the double"),
        }
    }
}

pub const FAULTS: [Fault; 3] = [Fault::Nothing, Fault::Half, Fault::Done];

/// What is left after the process or the machine died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Everything that was written: the process was killed.
    All,
    /// What was synced: the power went.
    Synced,
    /// What was synced, and half of the rest.
    Torn,
}

pub const SURVIVALS: [Survival; 3] = [Survival::All, Survival::Synced, Survival::Torn];

/// Which changing operations fail, counted from 0.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub first: u64,
    pub count: u64,
    pub fault: Fault,
}

#[derive(Clone, Default)]
pub struct File {
    /// Tells it from a file that has its name later.
    pub id: u64,
    pub content: Vec<u8>,
    /// How much of it is durable.
    pub synced: usize,
    pub modified: u64,
    /// A write or sync of it failed: it must be left alone.
    pub failed: bool,
}

pub type Shared = Arc<Mutex<File>>;

/// What was done to the disk, and what was said of it: enough to rebuild every state that a power cut could have left.
#[derive(Clone, Debug)]
pub enum Step {
    /// An empty file gets a name.
    Create {
        name: String,
        id: u64,
        modified: u64,
    },
    Write {
        id: u64,
        bytes: Vec<u8>,
    },
    Sync {
        id: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    MakeDirectory {
        name: String,
    },
    SyncDirectory {
        name: String,
    },
    /// So many events were handed to the store.
    Pushed(u64),
    /// So many were acked.
    Acked(u64),
}

/// Called before every changing operation of one thread.
type Interruption = (ThreadId, Arc<dyn Fn() + Send + Sync>);

#[derive(Default)]
struct Inner {
    /// Where it is wanted.
    trace: Option<Vec<Step>>,
    interruption: Option<Interruption>,
    files: BTreeMap<String, Shared>,
    durable_files: BTreeMap<String, Shared>,
    directories: BTreeSet<String>,
    durable_directories: BTreeSet<String>,
    operations: u64,
    plan: Option<Plan>,
    /// Reads that fail from now on.
    failing_reads: u64,
    /// Reads of every kind so far, and the one of them that fails alone.
    reads: u64,
    failing_read: Option<u64>,
    longest_read: usize,
    time: u64,
}

#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Inner>>);

struct Handle {
    disk: MemoryDisk,
    file: Shared,
}

pub fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl MemoryDisk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub fn plan(&self, plan: Option<Plan>) {
        let mut inner = self.lock();
        inner.plan = plan.map(|plan| Plan {
            first: inner.operations + plan.first,
            ..plan
        });
    }

    /// A disk that tells afterwards what was done to it.
    pub fn traced() -> MemoryDisk {
        let disk = MemoryDisk::default();
        disk.lock().trace = Some(Vec::new());
        disk
    }

    /// A disk with these directories and files, all of them durable.
    pub fn rebuilt(
        directories: BTreeSet<String>,
        files: BTreeMap<String, Shared>,
        time: u64,
    ) -> MemoryDisk {
        MemoryDisk(Arc::new(Mutex::new(Inner {
            durable_files: files.clone(),
            files,
            durable_directories: directories.clone(),
            directories,
            time,
            ..Inner::default()
        })))
    }

    pub fn take_trace(&self) -> Vec<Step> {
        self.lock().trace.take().expect("a traced disk")
    }

    /// Writes a step down, where steps are.
    pub fn note(&self, step: Step) {
        if let Some(trace) = &mut self.lock().trace {
            trace.push(step);
        }
    }

    /// Calls `interruption` before every changing operation of this thread.
    pub fn interrupt(&self, interruption: Option<Arc<dyn Fn() + Send + Sync>>) {
        let here = std::thread::current().id();
        self.lock().interruption = interruption.map(|call| (here, call));
    }

    /// The identity of a file.
    pub fn id(&self, name: &str) -> u64 {
        self.lock().files[name].lock().unwrap().id
    }

    pub fn fail_reads(&self, count: u64) {
        self.lock().failing_reads = count;
    }

    /// Reads of every kind so far.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// The read that comes after `before` others fails, and no other.
    pub fn fail_read(&self, before: u64) {
        let mut inner = self.lock();
        inner.failing_read = Some(inner.reads + before);
    }

    /// A file from outside, durable, in a directory that is there.
    pub fn add(&self, name: &str, content: &[u8]) {
        self.insert(name, content);
    }

    /// The most bytes that were read at once since this was asked last.
    pub fn longest_read(&self) -> usize {
        std::mem::take(&mut self.lock().longest_read)
    }

    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Every file with its content.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let inner = self.lock();
        let content =
            |(name, file): (&String, &Shared)| (name.clone(), file.lock().unwrap().content.clone());
        inner.files.iter().map(content).collect()
    }

    /// Changes a file from outside. `notice`: whether its time changes.
    pub fn put(&self, name: &str, content: Vec<u8>, notice: bool) {
        let mut inner = self.lock();
        inner.time += u64::from(notice);
        let time = inner.time;
        let mut file = inner.files[name].lock().unwrap();
        file.synced = content.len();
        file.content = content;
        if notice {
            file.modified = time;
        }
    }

    pub fn delete(&self, name: &str) {
        self.lock().files.remove(name);
    }

    /// The disk as the next process finds it.
    pub fn survivor(&self, survival: Survival) -> MemoryDisk {
        let inner = self.lock();
        let (files, directories) = match survival {
            Survival::Synced => (&inner.durable_files, &inner.durable_directories),
            _ => (&inner.files, &inner.directories),
        };
        let mut left = Inner {
            time: inner.time,
            directories: directories.clone(),
            durable_directories: directories.clone(),
            ..Inner::default()
        };
        for (name, file) in files {
            if !parent(name).is_empty() && !directories.contains(parent(name)) {
                continue;
            }
            let mut file = file.lock().unwrap().clone();
            let unsynced = file.content.len() - file.synced;
            match survival {
                Survival::All => {}
                Survival::Synced => file.content.truncate(file.synced),
                Survival::Torn => file.content.truncate(file.synced + unsynced / 2),
            }
            file.synced = file.content.len();
            file.failed = false;
            let file = Arc::new(Mutex::new(file));
            left.durable_files.insert(name.clone(), file.clone());
            left.files.insert(name.clone(), file);
        }
        MemoryDisk(Arc::new(Mutex::new(left)))
    }

    /// Counts a changing operation; says how it fails, if it does.
    fn fault(&self) -> Option<Fault> {
        let interruption = self.lock().interruption.clone();
        if let Some((thread, call)) = interruption
            && thread == std::thread::current().id()
        {
            call();
        }
        let mut inner = self.lock();
        let number = inner.operations;
        inner.operations += 1;
        let plan = inner.plan?;
        let failing = plan.first..plan.first.saturating_add(plan.count);
        failing
            .contains(&number)
            .then_some(if number == plan.first {
                plan.fault
            } else {
                Fault::Nothing
            })
    }

    fn insert(&self, name: &str, content: &[u8]) {
        let mut inner = self.lock();
        inner.time += 1;
        let (id, modified) = (inner.time, inner.time);
        if let Some(trace) = &mut inner.trace {
            let beside = format!("{name}.tmp");
            trace.extend([
                Step::Create {
                    name: beside.clone(),
                    id,
                    modified,
                },
                Step::Write {
                    id,
                    bytes: content.to_vec(),
                },
                Step::Sync { id },
                Step::Rename {
                    from: beside,
                    to: name.to_owned(),
                },
            ]);
        }
        let file = File {
            id,
            content: content.to_vec(),
            synced: content.len(),
            modified,
            failed: false,
        };
        inner
            .files
            .insert(name.to_owned(), Arc::new(Mutex::new(file)));
    }

    fn reading(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let mut inner = self.lock();
        inner.reads += 1;
        if inner.failing_read == Some(inner.reads - 1) {
            return Err(io::Error::other("the double does not read"));
        }
        if inner.failing_reads > 0 {
            inner.failing_reads -= 1;
            return Err(io::Error::other("the double does not read"));
        }
        Ok(inner)
    }

    fn file(inner: &Inner, name: &str) -> io::Result<Shared> {
        let found = inner.files.get(name).cloned();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for MemoryDisk {
    fn read(&self, name: &str, bytes: u64, into: &mut Vec<u8>) -> io::Result<()> {
        self.read_part(name, 0, usize::try_from(bytes).unwrap_or(usize::MAX), into)
    }

    fn read_part(
        &self,
        name: &str,
        offset: u64,
        bytes: usize,
        into: &mut Vec<u8>,
    ) -> io::Result<()> {
        into.clear();
        let mut inner = self.reading()?;
        let file = MemoryDisk::file(&inner, name)?;
        let file = file.lock().unwrap();
        let rest = file.content.get(offset as usize..).unwrap_or_default();
        into.extend_from_slice(&rest[..rest.len().min(bytes)]);
        inner.longest_read = inner.longest_read.max(into.len());
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let inner = self.reading()?;
        let names = inner.files.keys().chain(&inner.directories);
        let here = names.filter(|name| parent(name) == directory);
        Ok(here
            .map(|name| name.rsplit('/').next().unwrap().to_owned())
            .collect())
    }

    fn metadata(&self, name: &str) -> io::Result<Metadata> {
        let inner = self.reading()?;
        let file = MemoryDisk::file(&inner, name)?;
        let file = file.lock().unwrap();
        Ok(Metadata {
            bytes: file.content.len() as u64,
            modified: file.modified,
        })
    }

    fn create_directory(&self, directory: &str) -> io::Result<()> {
        let fault = self.fault();
        if matches!(fault, None | Some(Fault::Done)) {
            let mut inner = self.lock();
            let mut made = Vec::new();
            let mut path = directory;
            while !path.is_empty() {
                if inner.directories.insert(path.to_owned()) {
                    made.push(path.to_owned());
                }
                path = parent(path);
            }
            if let Some(trace) = &mut inner.trace {
                let step = |name| Step::MakeDirectory { name };
                trace.extend(made.into_iter().rev().map(step));
            }
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn append(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        if let Some(fault) = self.fault() {
            return Err(fault.error());
        }
        let file = MemoryDisk::file(&self.lock(), name)?;
        Ok(Box::new(Handle {
            disk: self.clone(),
            file,
        }))
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        assert!(
            parent(name).is_empty() || self.lock().directories.contains(parent(name)),
            "{name} has a directory"
        );
        let fault = self.fault();
        match fault {
            None | Some(Fault::Done) => self.insert(name, content),
            Some(Fault::Half) => self.insert(&format!("{name}.tmp"), &content[..content.len() / 2]),
            Some(Fault::Nothing) => {}
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let fault = self.fault();
        if matches!(fault, None | Some(Fault::Done)) && self.lock().files.remove(name).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.note(Step::Remove {
            name: name.to_owned(),
        });
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        let fault = self.fault();
        if matches!(fault, None | Some(Fault::Done)) {
            let mut guard = self.lock();
            let inner = &mut *guard;
            if !directory.is_empty() && !inner.directories.contains(directory) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if let Some(trace) = &mut inner.trace {
                trace.push(Step::SyncDirectory {
                    name: directory.to_owned(),
                });
            }
            inner
                .durable_files
                .retain(|name, _| parent(name) != directory);
            let here = inner
                .files
                .iter()
                .filter(|(name, _)| parent(name) == directory);
            inner
                .durable_files
                .extend(here.map(|(name, file)| (name.clone(), file.clone())));
            let here = inner
                .directories
                .iter()
                .filter(|name| parent(name) == directory);
            inner.durable_directories.extend(here.cloned());
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }
}

impl AppendFile for Handle {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fault = self.disk.fault();
        let mut file = self.file.lock().unwrap();
        assert!(!file.failed, "a failed file is written again");
        let written = match fault {
            None | Some(Fault::Done) => bytes,
            Some(Fault::Half) => &bytes[..bytes.len() / 2],
            Some(Fault::Nothing) => &[],
        };
        file.content.extend_from_slice(written);
        file.failed = fault.is_some();
        let id = file.id;
        // Whoever looks through all files locks them in the other order.
        drop(file);
        let bytes = written.to_vec();
        self.disk.note(Step::Write { id, bytes });
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn sync(&mut self) -> io::Result<()> {
        let fault = self.disk.fault();
        let mut file = self.file.lock().unwrap();
        assert!(!file.failed, "a failed file is synced again");
        file.synced = match fault {
            None | Some(Fault::Done) => file.content.len(),
            Some(Fault::Half) => file.synced + (file.content.len() - file.synced) / 2,
            Some(Fault::Nothing) => file.synced,
        };
        file.failed = fault.is_some();
        let id = file.id;
        drop(file);
        self.disk.note(Step::Sync { id });
        fault.map_or(Ok(()), |_| {
            Err(io::Error::other("the double does not sync"))
        })
    }
}

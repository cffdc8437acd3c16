//! Power cuts: what a disk may hold after one, for every moment of a life that was written down as steps.
//!
//! Owns the model of a disk that forgets. Of every write that was not synced any beginning may be left, with pages in
//! it that never arrived; of the changes of a directory that was not synced each may be done or undone by itself.

use super::super::torn::SECTOR;
use super::double::{File, MemoryDisk, Shared, Step, parent};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

/// Numbers that are the same in every run (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// How many states of one moment are looked at; where there are more, so many are drawn.
#[derive(Clone, Copy)]
pub struct Effort {
    /// A write of up to so many bytes is torn at each of them.
    pub every_byte: usize,
    /// Lengths that are drawn for a longer one, besides its ends and the borders of its lines.
    pub between: usize,
    /// Most combinations of a moment's undone changes of directories.
    pub combinations: usize,
}

/// A change of a directory that may be undone.
#[derive(Clone)]
enum Change {
    Link(String, u64),
    Rename(String, String, u64),
    Unlink(String),
    Directory(String),
}

impl Change {
    fn directory(&self) -> &str {
        match self {
            Change::Link(name, _)
            | Change::Rename(_, name, _)
            | Change::Unlink(name)
            | Change::Directory(name) => parent(name),
        }
    }
}

#[derive(Default)]
struct Inode {
    content: Vec<u8>,
    synced: usize,
    modified: u64,
}

/// The bytes that are left of a file whose last write was not synced.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Left {
    id: u64,
    length: usize,
    /// Bytes that never arrived, and read as NUL.
    hole: Option<(usize, usize)>,
}

/// What a power cut left: its parts, by which equal ones are known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remains {
    directories: BTreeSet<String>,
    files: BTreeMap<String, Left>,
}

impl Remains {
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// What the disk holds for sure, and what it may have forgotten.
#[derive(Default)]
pub struct Model {
    inodes: HashMap<u64, Inode>,
    directories: BTreeSet<String>,
    files: BTreeMap<String, u64>,
    changes: Vec<Change>,
    /// Where every name leads now.
    now: BTreeMap<String, u64>,
    time: u64,
    shared: HashMap<Left, Shared>,
}

impl Model {
    pub fn apply(&mut self, step: &Step) {
        match step.clone() {
            Step::Create { name, id, modified } => {
                self.time = self.time.max(modified);
                let inode = Inode {
                    modified,
                    ..Inode::default()
                };
                self.inodes.insert(id, inode);
                self.now.insert(name.clone(), id);
                self.changes.push(Change::Link(name, id));
            }
            Step::Write { id, bytes } => self.inode(id).content.extend(bytes),
            Step::Sync { id } => self.inode(id).synced = self.inode(id).content.len(),
            Step::Rename { from, to } => {
                let id = self.now.remove(&from).expect("a file is renamed");
                self.now.insert(to.clone(), id);
                self.changes.push(Change::Rename(from, to, id));
            }
            Step::Remove { name } => {
                self.now.remove(&name);
                self.changes.push(Change::Unlink(name));
            }
            Step::MakeDirectory { name } => self.changes.push(Change::Directory(name)),
            Step::SyncDirectory { name } => {
                let all = std::mem::take(&mut self.changes);
                let (done, open) = all.into_iter().partition(|c| c.directory() == name);
                self.changes = open;
                let done: Vec<Change> = done;
                apply_changes(done.iter(), &mut self.directories, &mut self.files);
            }
            Step::Pushed(_) | Step::Acked(_) => {}
        }
    }

    fn inode(&mut self, id: u64) -> &mut Inode {
        self.inodes.get_mut(&id).expect("a file that was made")
    }

    /// Calls `each` with every state that a power cut may leave now.
    pub fn remains(&self, effort: &Effort, random: &mut Random, mut each: impl FnMut(Remains)) {
        for chosen in self.subsets(effort, random) {
            let mut directories = self.directories.clone();
            let mut files = self.files.clone();
            let done = self.changes.iter().zip(&chosen);
            let done = done.filter_map(|(change, done)| done.then_some(change));
            apply_changes(done, &mut directories, &mut files);
            files.retain(|name, _| parent(name).is_empty() || directories.contains(parent(name)));
            let mut states = vec![Remains {
                directories,
                files: BTreeMap::new(),
            }];
            for (name, id) in files {
                let left = self.left(id, effort, random);
                states = left
                    .iter()
                    .flat_map(|left| {
                        states.iter().cloned().map(|mut state| {
                            state.files.insert(name.clone(), left.clone());
                            state
                        })
                    })
                    .collect();
            }
            states.into_iter().for_each(&mut each);
        }
    }

    /// Which of the open changes are done: all choices, or where these are too many none, all, and some.
    fn subsets(&self, effort: &Effort, random: &mut Random) -> Vec<Vec<bool>> {
        let count = self.changes.len();
        if count < 32 && 1usize << count <= effort.combinations {
            let bits = |chosen: usize| (0..count).map(|bit| chosen >> bit & 1 == 1).collect();
            return (0..1usize << count).map(bits).collect();
        }
        let mut drawn = vec![vec![false; count], vec![true; count]];
        drawn.resize_with(effort.combinations, || {
            (0..count).map(|_| random.below(2) == 1).collect()
        });
        drawn
    }

    /// What may be left of a file: all that was synced, and any beginning of the rest.
    fn left(&self, id: u64, effort: &Effort, random: &mut Random) -> Vec<Left> {
        let inode = &self.inodes[&id];
        let (synced, end) = (inode.synced, inode.content.len());
        let whole = |length| Left {
            id,
            length,
            hole: None,
        };
        if end - synced <= effort.every_byte {
            return (synced..=end).map(whole).collect();
        }
        let mut holed = Vec::new();
        for hole in holes(synced, end) {
            for length in [end, hole.1 + random.below(end - hole.1 + 1)] {
                let hole = Some(hole);
                holed.push(Left { id, length, hole });
            }
        }
        let mut lengths = BTreeSet::from([synced, synced + 1, synced + 2, end - 2, end - 1, end]);
        for at in synced..end {
            if inode.content[at] == b'\n' {
                lengths.extend([at, at + 1, (at + 2).min(end)]);
            }
        }
        lengths.extend((0..effort.between).map(|_| synced + random.below(end - synced)));
        lengths.into_iter().map(whole).chain(holed).collect()
    }

    /// The disk that the next process finds. Files are shared with other states, since none is ever written again.
    pub fn rebuild(&mut self, remains: &Remains) -> MemoryDisk {
        let files = remains.files.iter();
        let files = files.map(|(name, left)| (name.clone(), self.file(left)));
        let files = files.collect();
        MemoryDisk::rebuilt(remains.directories.clone(), files, self.time)
    }

    fn file(&mut self, left: &Left) -> Shared {
        if let Some(known) = self.shared.get(left) {
            return known.clone();
        }
        let inode = &self.inodes[&left.id];
        let mut content = inode.content[..left.length].to_vec();
        if let Some((from, to)) = left.hole {
            content[from..to].fill(0);
        }
        let file = Arc::new(Mutex::new(File {
            id: left.id,
            synced: content.len(),
            content,
            modified: inode.modified,
            ..File::default()
        }));
        // What is torn is looked at once.
        if left.length == inode.synced {
            self.shared.insert(left.clone(), file.clone());
        }
        file
    }
}

/// The sectors of a write, and pairs of neighbours among them, each of which may be missing while the others are there.
fn holes(synced: usize, end: usize) -> Vec<(usize, usize)> {
    let first = synced / SECTOR;
    let last = (end - 1) / SECTOR;
    let clip = |from: usize, to: usize| ((from * SECTOR).max(synced), (to * SECTOR).min(end));
    let single = (first..=last).map(|sector| clip(sector, sector + 1));
    let double = (first..last).map(|sector| clip(sector, sector + 2));
    single.chain(double).collect()
}

fn apply_changes<'a>(
    changes: impl Iterator<Item = &'a Change>,
    directories: &mut BTreeSet<String>,
    files: &mut BTreeMap<String, u64>,
) {
    for change in changes {
        match change {
            Change::Link(name, id) => {
                files.insert(name.clone(), *id);
            }
            Change::Rename(from, to, id) => {
                files.remove(from);
                files.insert(to.clone(), *id);
            }
            Change::Unlink(name) => {
                files.remove(name);
            }
            Change::Directory(name) => {
                directories.insert(name.clone());
            }
        }
    }
}

//! `log.txt` and its predecessors: appends whole lines and rotates.
//!
//! Owns `log.txt` and `log.1.txt` (the newest) to `log.5.txt`. Knows nothing of what is in a line.

use crate::limits::LOG_FILES;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Opened when first needed, and again after each failure.
pub struct RotatingFile {
    dir: PathBuf,
    rotate_bytes: u64,
    open: Option<Open>,
}

struct Open {
    file: File,
    bytes: u64,
}

/// Lines that were not written, and why.
pub struct Lost {
    pub lines: u64,
    pub error: io::Error,
}

impl RotatingFile {
    pub fn new(dir: &Path, rotate_bytes: u64) -> RotatingFile {
        RotatingFile {
            dir: dir.to_owned(),
            rotate_bytes,
            open: None,
        }
    }

    /// Appends `lines`, each ended by a newline, and begins a new file wherever the next line would pass the bound.
    /// What is in the file is whole lines, after an error too.
    pub fn append(&mut self, mut lines: &[u8]) -> Result<(), Lost> {
        while !lines.is_empty() {
            match self.append_some(lines) {
                Ok(written) => lines = &lines[written..],
                Err(error) => {
                    self.open = None;
                    let lines = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
                    return Err(Lost { lines, error });
                }
            }
        }
        Ok(())
    }

    /// As many of `lines` as the file takes; none where it was full and a new one is begun.
    fn append_some(&mut self, lines: &[u8]) -> io::Result<usize> {
        let bound = self.rotate_bytes;
        let open = self.ready()?;
        let room = bound.saturating_sub(open.bytes);
        let mut fitting = whole_lines(lines, usize::try_from(room).unwrap_or(usize::MAX));
        if fitting == 0 && open.bytes > 0 {
            self.rotate()?;
            return Ok(0);
        }
        if fitting == 0 {
            // A line that is longer than a whole file may be: it gets one to itself.
            fitting = 1 + lines.iter().take_while(|byte| **byte != b'\n').count();
        }
        let fitting = fitting.min(lines.len());
        if let Err(error) = open.file.write_all(&lines[..fitting]) {
            // A part may be there; where it cannot be cut off, the next opening ends its line.
            let _ = open.file.set_len(open.bytes);
            return Err(error);
        }
        open.bytes += fitting as u64;
        Ok(fitting)
    }

    /// The file, opened if it is not, or if somebody moved it away.
    fn ready(&mut self) -> io::Result<&mut Open> {
        let path = self.dir.join("log.txt");
        let open = match self.open.take() {
            Some(open) if path.exists() => open,
            _ => Open::at(&path)?,
        };
        Ok(self.open.insert(open))
    }

    fn rotate(&mut self) -> io::Result<()> {
        // Windows renames no open file.
        self.open = None;
        for number in (1..LOG_FILES).rev() {
            rename_if_there(&self.numbered(number), &self.numbered(number + 1))?;
        }
        rename_if_there(&self.dir.join("log.txt"), &self.numbered(1))
    }

    fn numbered(&self, number: usize) -> PathBuf {
        self.dir.join(format!("log.{number}.txt"))
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Open> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let mut bytes = file.metadata()?.len();
        if bytes > 0 && last_byte(&mut file)? != b'\n' {
            // Torn by a crash; a new line must not continue it.
            file.write_all(b"\n")?;
            bytes += 1;
        }
        Ok(Open { file, bytes })
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The length of as many whole lines as fit into `room`.
fn whole_lines(lines: &[u8], room: usize) -> usize {
    let fitting = &lines[..lines.len().min(room)];
    let last_end = fitting.iter().rposition(|byte| *byte == b'\n');
    last_end.map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dir: &Path, name: &str) -> String {
        fs::read_to_string(dir.join(name)).unwrap_or_default()
    }

    #[test]
    fn files_are_rotated_at_the_bound_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(dir.path(), 10);
        for number in 0..16 {
            assert!(file.append(format!("{number:04}\n").as_bytes()).is_ok());
        }
        assert_eq!(read(dir.path(), "log.txt"), "0014\n0015\n");
        assert_eq!(read(dir.path(), "log.1.txt"), "0012\n0013\n");
        assert_eq!(read(dir.path(), "log.5.txt"), "0004\n0005\n");
        assert!(!dir.path().join("log.6.txt").exists());
    }

    #[test]
    fn a_large_batch_is_spread_over_files_at_line_ends() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(dir.path(), 8);
        assert!(
            file.append(b"a\nbcd\nefgh\nlonger than a file\nz\n")
                .is_ok()
        );
        assert_eq!(read(dir.path(), "log.3.txt"), "a\nbcd\n");
        assert_eq!(read(dir.path(), "log.2.txt"), "efgh\n");
        assert_eq!(read(dir.path(), "log.1.txt"), "longer than a file\n");
        assert_eq!(read(dir.path(), "log.txt"), "z\n");
    }

    #[test]
    fn a_file_is_continued_and_a_torn_line_ended() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("log.txt"), "old\nto").unwrap();
        assert!(RotatingFile::new(dir.path(), 100).append(b"new\n").is_ok());
        assert!(RotatingFile::new(dir.path(), 100).append(b"er\n").is_ok());
        assert_eq!(read(dir.path(), "log.txt"), "old\nto\nnew\ner\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(dir.path(), 100);
        assert!(file.append(b"a\n").is_ok());
        fs::rename(dir.path().join("log.txt"), dir.path().join("moved")).unwrap();
        assert!(file.append(b"b\n").is_ok());
        assert_eq!(read(dir.path(), "moved"), "a\n");
        assert_eq!(read(dir.path(), "log.txt"), "b\n");
    }

    #[test]
    fn lost_lines_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::new(&dir.path().join("missing"), 100);
        let lost = file.append(b"a\nb\nc\n").unwrap_err();
        assert_eq!(lost.lines, 3);
        assert_eq!(lost.error.kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        assert!(RotatingFile::new(dir.path(), 100).append(b"a\n").is_ok());
        let mode = fs::metadata(dir.path().join("log.txt"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

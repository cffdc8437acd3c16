//! The key that tokens are signed with.
//!
//! Owns the file `secret`: 32 random bytes as base64url text, a full stop and their checksum, readable by the owner alone,
//! made once. Older versions wrote no checksum; such a file is a key too.

use super::disk::{Disk, RealDisk};
use super::error::OpenError;
use crate::limits::{SECRET_BYTES, SECRET_BYTES_MIN};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::ffi::OsString;
use std::io;
use std::path::Path;

const FILE: &str = "secret";

/// The key that tokens are signed with, if there is one. `env` is the value of `JWT_SECRET`: where it is set its bytes
/// are the key, and fewer than [`SECRET_BYTES_MIN`] of them an error; else the key is in the file `secret`.
///
/// Changes nothing, so that a start that is refused because of the key leaves everything as it was.
pub fn known_secret(dir: &Path, env: Option<OsString>) -> Result<Option<Vec<u8>>, OpenError> {
    match env {
        Some(value) => from_environment(value).map(Some),
        None => from_file(&RealDisk::new(dir)),
    }
}

/// Makes a key and keeps it in the file `secret`. To be called after [`open`](super::open), which holds the lock.
pub fn make_secret(dir: &Path) -> Result<Vec<u8>, OpenError> {
    generate(&RealDisk::new(dir))
}

/// Removes the file `secret`, so that the next start makes a new key and everybody signs in again.
pub(super) fn remove(disk: &dyn Disk) -> io::Result<()> {
    disk.remove(FILE)?;
    disk.sync_directory("")
}

fn from_environment(value: OsString) -> Result<Vec<u8>, OpenError> {
    let key = value.into_encoded_bytes();
    if key.len() < SECRET_BYTES_MIN {
        return Err(OpenError::new(format!(
            "JWT_SECRET has {} bytes; use at least {SECRET_BYTES_MIN}, or unset it to use a generated one.",
            key.len()
        )));
    }
    Ok(key)
}

/// The key in the file `secret`, if there is one.
pub(super) fn from_file(disk: &dyn Disk) -> Result<Option<Vec<u8>>, OpenError> {
    /// More than the file ever has.
    const MOST: u64 = 4096;
    let mut content = Vec::new();
    match disk.read(FILE, MOST, &mut content) {
        Ok(()) => {}
        // Where the directory itself is none, opening it says so.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(OpenError::io("read", FILE, &e)),
    }
    decode(content.trim_ascii_end()).map(Some).ok_or_else(|| {
        OpenError::new(format!(
            "{FILE} is damaged: it is not {SECRET_BYTES} bytes as base64url text with their checksum. Nothing was changed. Put back a backup \
             of it, or remove it: then a new one is made, and everybody signs in again."
        ))
    })
}

fn encode(key: &[u8]) -> String {
    let text = URL_SAFE_NO_PAD.encode(key);
    format!("{text}.{:08x}\n", crc32fast::hash(text.as_bytes()))
}

fn decode(content: &[u8]) -> Option<Vec<u8>> {
    let text = match content.split_last_chunk() {
        // Without it a changed letter would be another key, and everybody's session over without a word.
        Some((text, checksum)) if text.contains(&b'.') => {
            let checksum: &[u8; 8] = checksum;
            let expected = format!("{:08x}", crc32fast::hash(text.strip_suffix(b".")?));
            (checksum == expected.as_bytes()).then_some(())?;
            text.strip_suffix(b".")?
        }
        _ => content,
    };
    let key = URL_SAFE_NO_PAD.decode(text).ok()?;
    (key.len() == SECRET_BYTES).then_some(key)
}

fn generate(disk: &dyn Disk) -> Result<Vec<u8>, OpenError> {
    let mut key = vec![0; SECRET_BYTES];
    getrandom::fill(&mut key).map_err(|e| {
        OpenError::new(format!(
            "The system gives no random bytes for {FILE}: {e}. Set JWT_SECRET instead."
        ))
    })?;
    disk.replace(FILE, encode(&key).as_bytes())
        .and_then(|()| disk.sync_directory(""))
        .map_err(|e| OpenError::io("write", FILE, &e))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn it_is_made_once_and_only_the_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(known_secret(dir.path(), None).unwrap(), None);
        let first = make_secret(dir.path()).unwrap();
        assert_eq!(first.len(), SECRET_BYTES);
        assert_eq!(known_secret(dir.path(), None).unwrap(), Some(first));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(dir.path().join(FILE))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_file_is_refused_by_name_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let whole = "A".repeat(43);
        for content in [
            "",
            "short",
            "*".repeat(43).as_str(),
            &whole[1..],
            &format!("{whole}AAAA"),
        ] {
            fs::write(dir.path().join(FILE), content).unwrap();
            let error = known_secret(dir.path(), None).unwrap_err().to_string();
            assert!(error.starts_with("secret is damaged"), "{error}");
            assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), content);
        }
        fs::write(dir.path().join(FILE), whole).unwrap();
        assert_eq!(
            known_secret(dir.path(), None).unwrap(),
            Some(vec![0; SECRET_BYTES])
        );
    }

    #[test]
    fn a_file_with_a_changed_or_missing_byte_is_refused_or_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let key = make_secret(dir.path()).unwrap();
        let content = fs::read(&path).unwrap();
        let mut tried = 0;
        let mut check = |changed: &[u8], may_be_whole: bool| {
            fs::write(&path, changed).unwrap();
            match known_secret(dir.path(), None) {
                Ok(found) => assert!(may_be_whole && found.as_ref() == Some(&key), "{changed:?}"),
                Err(error) => assert!(
                    error.to_string().starts_with("secret is damaged"),
                    "{error}"
                ),
            }
            assert_eq!(fs::read(&path).unwrap(), changed, "it is left as it is");
            tried += 1;
        };
        for index in 0..content.len() {
            for bit in 0..8 {
                let mut changed = content.clone();
                changed[index] ^= 1 << bit;
                check(&changed, false);
            }
        }
        // An older version wrote the text alone.
        let text = content.iter().position(|&b| b == b'.').unwrap();
        for length in 0..content.len() {
            check(
                &content[..length],
                length == text || length + 1 == content.len(),
            );
        }
        println!("{tried} changed secrets");
    }

    #[test]
    fn the_environment_decides_where_it_is_set() {
        let dir = tempfile::tempdir().unwrap();
        for short in ["", "fifteen bytes..", "x"] {
            assert!(known_secret(dir.path(), Some(short.into())).is_err());
        }
        assert_eq!(
            known_secret(dir.path(), Some("sixteen bytes...".into()))
                .unwrap()
                .unwrap(),
            b"sixteen bytes..."
        );
        assert!(!dir.path().join(FILE).exists());
    }
}

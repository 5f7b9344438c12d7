//! Small files that are whole or refused: snapshots and the like.
//!
//! Layout, version 1: `TMFILE`, version (u16), payload length (u64), SHA-256 of length and
//! payload, payload; integers little-endian. Written beside the target, made durable, then
//! moved over it, so that a crash leaves the old file or the new one. One writer per path.
//! These functions block; call them where that is right.

use crate::error::DataError;
use crate::store::{corrupt, io_error};
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use trustmesh_types::Digest;

const MAGIC: &[u8; 6] = b"TMFILE";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 6 + 2 + 8 + 32;

/// Writes a file such that a crash at any moment leaves the old one or the new one.
///
/// # Errors
/// [`DataError::Io`]; the old file is then untouched.
pub fn write_atomic(path: &Path, payload: &[u8]) -> Result<(), DataError> {
    let temporary = temporary_of(path);
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(&header(payload))?;
        file.write_all(payload)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| io_error("write", path, &error))?;
    sync_directory_of(path)
}

/// Reads a file of at most `bytes_max` payload bytes; `None` when there is none.
///
/// # Errors
/// [`DataError::Corrupt`] when it isn't whole, `TooLarge`, or `Io`.
pub fn read_checked(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, DataError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open", path, &error)),
    };
    // One byte more than is allowed tells a file that is too long, however long it is.
    let most = bytes_max.saturating_add(HEADER_BYTES).saturating_add(1) as u64;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(|error| io_error("read", path, &error))?;
    let Some((head, payload)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(corrupt(path, "it is cut off in its header"));
    };
    if !head.starts_with(MAGIC) {
        return Err(corrupt(path, "it does not start as one"));
    }
    if let Some([low, high]) = head.get(MAGIC.len()..MAGIC.len() + 2)
        && u16::from_le_bytes([*low, *high]) != VERSION
    {
        let found = u16::from_le_bytes([*low, *high]);
        let reason = format!("its format is {found}, this program knows {VERSION}");
        return Err(corrupt(path, &reason));
    }
    DataError::check_size("the file's payload", payload.len(), bytes_max)?;
    if head != header(payload) {
        return Err(corrupt(path, "its length or checksum does not match"));
    }
    Ok(Some(payload.to_vec()))
}

/// Makes a created or renamed entry of a directory durable.
pub(crate) fn sync_directory_of(path: &Path) -> Result<(), DataError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| io_error("make durable the directory", directory, &error))
}

fn header(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_le_bytes();
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&length);
    header.extend_from_slice(&Digest::of_parts(&[&length, payload]).0);
    header
}

fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_replaced_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        assert_eq!(read_checked(&path, 100).unwrap(), None);
        for payload in [&b"one"[..], b"", b"another one"] {
            write_atomic(&path, payload).unwrap();
            assert_eq!(read_checked(&path, 100).unwrap().unwrap(), payload);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
        let missing = folder.path().join("no such folder").join("snapshot");
        assert!(matches!(write_atomic(&missing, b"x"), Err(DataError::Io { .. })));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        write_atomic(&path, b"payload").unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(matches!(read_checked(&path, 100), Err(DataError::Corrupt { .. })), "cut {at}");
            let mut flipped = whole.clone();
            flipped[at] ^= 0x40;
            std::fs::write(&path, flipped).unwrap();
            assert!(matches!(read_checked(&path, 100), Err(DataError::Corrupt { .. })), "at {at}");
        }
        let longer = [whole, vec![0]].concat();
        std::fs::write(&path, longer).unwrap();
        assert!(matches!(read_checked(&path, 100), Err(DataError::Corrupt { .. })));
    }

    #[test]
    fn golden_bytes_and_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot");
        write_atomic(&path, b"abc").unwrap();
        let digest = Digest::of(b"\x03\0\0\0\0\0\0\0abc");
        let golden = format!("544d46494c4501000300000000000000{digest}616263");
        assert_eq!(hex::encode(std::fs::read(&path).unwrap()), golden);
        assert!(read_checked(&path, 3).is_ok());
        assert!(matches!(
            read_checked(&path, 2),
            Err(DataError::TooLarge { got_bytes: 3, max_bytes: 2, .. })
        ));
    }
}

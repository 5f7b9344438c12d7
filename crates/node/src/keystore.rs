//! Key files: the hexadecimal 32-byte seed of an ed25519 key on one line.
//!
//! Invariants: a key file is created for its owner alone (mode 0600) and never written
//! over; one that others can read is refused; the seed is never shown or logged.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use trustmesh_types::SecretKey;
use zeroize::Zeroizing;

/// Longest key file that is read.
const FILE_BYTES_MAX: u64 = 1024;

/// A key file can't be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system refused.
    #[error("can't {action} key file {}: {reason}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// A file is there already.
    #[error("key file {} exists: a key is never overwritten, choose another path", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error(
        "key file {} can be read by others (mode {mode:o}): run `chmod 600 {}`, and make a new key if somebody may have read it",
        path.display(), path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error("{} is not a key file: it must hold 64 hexadecimal digits", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no randomness.
    #[error("no randomness for a new key: {reason}")]
    Randomness {
        /// What it said.
        reason: String,
    },
}

fn io(action: &'static str, path: &Path, error: &std::io::Error) -> KeyError {
    KeyError::Io { action, path: path.to_owned(), reason: error.to_string() }
}

/// A new key from the operating system's randomness.
///
/// # Errors
/// [`KeyError::Randomness`].
pub fn random() -> Result<SecretKey, KeyError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())
        .map_err(|e| KeyError::Randomness { reason: e.to_string() })?;
    Ok(SecretKey::from_seed(*seed))
}

/// Makes a new key and its file, and the folder that it lies in.
///
/// # Errors
/// [`KeyError`]; nothing is left half written.
pub fn generate(path: &Path) -> Result<SecretKey, KeyError> {
    let key = random()?;
    store(path, &key)?;
    Ok(key)
}

/// Writes a key to a new file.
///
/// # Errors
/// As [`generate`].
pub fn store(path: &Path, key: &SecretKey) -> Result<(), KeyError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|e| io("make the folder of", path, &e))?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(
        |e| match e.kind() {
            ErrorKind::AlreadyExists => KeyError::Exists { path: path.to_owned() },
            _ => io("create", path, &e),
        },
    )?;
    let text = Zeroizing::new(format!("{}\n", hex::encode(key.seed())));
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|e| {
        // Ours, made a moment ago, and of no use.
        let _ = std::fs::remove_file(path);
        io("write", path, &e)
    })
}

/// Reads a key file.
///
/// # Errors
/// [`KeyError`] when it can't be read, others can read it, or it holds no key.
pub fn load(path: &Path) -> Result<SecretKey, KeyError> {
    let file = File::open(path).map_err(|e| io("open", path, &e))?;
    let mode = file.metadata().map_err(|e| io("open", path, &e))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Readable { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    let malformed = || KeyError::Malformed { path: path.to_owned() };
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|e| match e.kind() {
        ErrorKind::InvalidData => malformed(),
        _ => io("read", path, &e),
    })?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), seed.as_mut_slice()).map_err(|_| malformed())?;
    Ok(SecretKey::from_seed(*seed))
}

//! Arguments that several commands take.

use crate::failure::{Done, Failure};
use clap::ValueEnum;
use std::{io::Read as _, path::Path, str::FromStr};
use trustmesh_types::{PublicKey, records::Runtime};

/// Longest file or standard input that is read whole.
const INPUT_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// How an application is run.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RuntimeArg {
    /// A WebAssembly module: JSON on stdin and stdout
    Wasm,
    /// A container: JSON over TCP 12345
    Container,
}

impl From<RuntimeArg> for Runtime {
    fn from(runtime: RuntimeArg) -> Self {
        match runtime {
            RuntimeArg::Wasm => Self::Wasm,
            RuntimeArg::Container => Self::Container,
        }
    }
}

/// A name or id of some kind; the message says what it must look like.
pub fn id<T: FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Done<T> {
    text.parse().map_err(|e| Failure::usage(format!("{what} {text:?}: {e}")))
}

/// A file's bytes, or standard input's for `-`.
pub fn read(path: &Path) -> Done<Vec<u8>> {
    read_at_most(path, INPUT_BYTES_MAX)
}

/// The same, of at most so many bytes: what the network would refuse is not sent.
pub fn read_at_most(path: &Path, bytes_max: u64) -> Done<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(bytes_max + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
    };
    read.map_err(|e| Failure::unreadable(path, &e))?;
    if bytes.len() as u64 > bytes_max {
        let message =
            format!("{} has more than {bytes_max} bytes, the most allowed", path.display());
        return Err(Failure::usage(message));
    }
    Ok(bytes)
}

/// A public key: 64 hexadecimal digits, or a `.pub` file as `key generate` writes it.
pub fn public_key(text: &str) -> Done<PublicKey> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let path = Path::new(text);
    let content = std::fs::read_to_string(path).map_err(|e| {
        Failure::usage(format!("{text:?} is neither a public key nor a readable file: {e}"))
            .advise("give 64 hexadecimal digits, or the .pub file beside a key file")
    })?;
    content.trim().parse().map_err(|_| {
        Failure::usage(format!("{text} holds no public key (64 hexadecimal digits)"))
            .advise("give the .pub file that `trustmesh key generate` wrote, not the key file")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_its_limit_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        std::fs::write(&path, [b'1'; 10]).unwrap();
        assert_eq!(read_at_most(&path, 10).unwrap().len(), 10);
        let refused = read_at_most(&path, 9).unwrap_err().to_string();
        assert!(refused.contains("data.json") && refused.contains("9 bytes"), "{refused}");
    }
}

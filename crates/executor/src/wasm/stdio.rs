//! What an application writes, kept within a bound: stdout whole or the call ends, stderr as
//! a tail.

use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::error::Stop;

/// What a stream says it takes at once; the engine passes on less.
const WRITE_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum Overflow {
    StopCall,
    DropOldest,
}

/// A bounded buffer; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    buffer: Arc<Mutex<Vec<u8>>>,
    bytes_max: usize,
    overflow: Overflow,
}

impl Capture {
    /// Keeps everything and ends the call that writes more than `bytes_max`.
    pub(crate) fn whole(bytes_max: usize) -> Self {
        Self { buffer: Arc::default(), bytes_max, overflow: Overflow::StopCall }
    }

    /// Keeps the last `bytes_max` bytes.
    pub(crate) fn tail(bytes_max: usize) -> Self {
        Self { buffer: Arc::default(), bytes_max, overflow: Overflow::DropOldest }
    }

    /// What was written so far; empties the buffer.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }

    /// The same as text; what is not UTF-8 is replaced.
    pub(crate) fn take_text(&self) -> String {
        String::from_utf8_lossy(&self.take()).into_owned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, bytes: &[u8]) -> Result<(), Stop> {
        let mut buffer = self.lock();
        match self.overflow {
            Overflow::StopCall if bytes.len() > self.bytes_max - buffer.len() => {
                return Err(Stop::OutputFull);
            }
            Overflow::StopCall => buffer.extend_from_slice(bytes),
            Overflow::DropOldest => {
                let start = bytes.len().saturating_sub(self.bytes_max);
                let new = bytes.get(start..).unwrap_or_default();
                let excess = (buffer.len() + new.len()).saturating_sub(self.bytes_max);
                buffer.drain(..excess);
                buffer.extend_from_slice(new);
            }
        }
        Ok(())
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Asked for by WASI preview 3 only, which applications don't get.
        Box::new(tokio::io::sink())
    }
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes).map_err(|stop| StreamError::Trap(stop.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_output_stops_at_its_bound() {
        let output = Capture::whole(5);
        output.append(b"abc").unwrap();
        assert_eq!(output.append(b"def"), Err(Stop::OutputFull));
        output.append(b"de").unwrap();
        assert_eq!(output.take(), b"abcde");
    }

    #[test]
    fn a_tail_keeps_the_end_whatever_the_pieces() {
        let text: Vec<u8> = (b'a'..=b'z').collect();
        for piece in 1..=26 {
            let tail = Capture::tail(5);
            for bytes in text.chunks(piece) {
                tail.append(bytes).unwrap();
                assert!(tail.lock().len() <= 5);
            }
            assert_eq!(tail.take_text(), "vwxyz", "pieces of {piece}");
        }
    }
}

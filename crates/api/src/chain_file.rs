//! A piece of a ledger as a file: blocks, their finality certificates and receipts, to be kept
//! or checked where no node is (docs/operations.md).
//!
//! Layout, version 1; integers little-endian, values in borsh:
//!
//! | part | bytes |
//! |---|---|
//! | magic | `TMCHAIN1` |
//! | [`Head`] | length (u32, above 0), value |
//! | each [`Entry`], in order of height | length (u32, above 0), value |
//! | end | 0 (u32), the checksum |
//!
//! The checksum begins as SHA-256 of the magic; each part (length and value) makes it SHA-256
//! of what it was and the part. The end's 0 is not part of it.
//!
//! Invariants: a file that reads to its end holds exactly the heights that its head names, and
//! is as it was written; nothing after the end is read over. Whether its blocks belong to a
//! ledger is for whoever has the genesis to check. Memory is bounded by one entry.

use borsh::{BorshDeserialize, BorshSerialize};
use std::io::{self, Read, Write};
use trustmesh_types::{Digest, NetworkId, Receipt, block::BLOCK_ENCODED_BYTES_MAX, codec};

const MAGIC: &[u8; 8] = b"TMCHAIN1";
/// Largest encoded head.
const HEAD_BYTES_MAX: usize = 1024;
/// Largest encoded entry: a block, a certificate of all validators, a receipt per transaction.
pub const ENTRY_BYTES_MAX: usize = 8 * BLOCK_ENCODED_BYTES_MAX;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Head {
    /// The network.
    pub network: NetworkId,
    /// Height of the first block, at least 1.
    pub first: u64,
    /// Height of the last block.
    pub last: u64,
}

/// A block and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    /// Its height.
    pub height: u64,
    /// The encoded block.
    pub block: Vec<u8>,
    /// Its finality certificate; empty where a later one makes it final.
    pub certificate: Vec<u8>,
    /// What became of its transactions; `None` where the node no longer knew.
    pub receipts: Option<Vec<Receipt>>,
}

/// A file can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ChainFileError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is none, or damaged.
    #[error("it is not a whole chain file: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
}

fn malformed(what: impl Into<String>) -> ChainFileError {
    ChainFileError::Malformed { what: what.into() }
}

/// Writes a file, entry by entry.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    checksum: Digest,
    next: u64,
    last: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`ChainFileError`] when it can't be written, or the head names no blocks.
    pub fn new(out: W, head: &Head) -> Result<Self, ChainFileError> {
        check(head)?;
        let checksum = Digest::of(MAGIC);
        let mut file = Self { out, checksum, next: head.first, last: head.last };
        file.out.write_all(MAGIC)?;
        file.framed(&codec::encode(head))?;
        Ok(file)
    }

    /// Adds the next block.
    ///
    /// # Errors
    /// [`ChainFileError`] when it can't be written, is too large, or is not the next one.
    pub fn push(&mut self, entry: &Entry) -> Result<(), ChainFileError> {
        if entry.height != self.next || entry.height > self.last {
            return Err(malformed(format!("block {} where {} comes", entry.height, self.next)));
        }
        let bytes = codec::encode(entry);
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(malformed(format!("block {} has {} bytes", entry.height, bytes.len())));
        }
        self.framed(&bytes)?;
        self.next += 1;
        Ok(())
    }

    /// Ends the file, and gives back what it was written to.
    ///
    /// # Errors
    /// [`ChainFileError`] when it can't be written, or blocks are missing.
    pub fn end(mut self) -> Result<W, ChainFileError> {
        if self.next <= self.last {
            return Err(malformed(format!("block {} is missing", self.next)));
        }
        self.out.write_all(&0u32.to_le_bytes())?;
        self.out.write_all(self.checksum.as_ref())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn framed(&mut self, bytes: &[u8]) -> Result<(), ChainFileError> {
        let length = u32::try_from(bytes.len()).map_err(|_| malformed("a part over 4 GiB"))?;
        self.checksum = add(&self.checksum, length, bytes);
        self.out.write_all(&length.to_le_bytes())?;
        Ok(self.out.write_all(bytes)?)
    }
}

fn add(checksum: &Digest, length: u32, bytes: &[u8]) -> Digest {
    Digest::of_parts(&[checksum.as_ref(), &length.to_le_bytes(), bytes])
}

/// Reads a file, entry by entry.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    checksum: Digest,
    head: Head,
    next: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`ChainFileError`] when it is none.
    pub fn new(from: R) -> Result<Self, ChainFileError> {
        let head = Head { network: NetworkId::default(), first: 1, last: 1 };
        let mut file = Self { from, checksum: Digest::of(MAGIC), head, next: 1, ended: false };
        let magic: [u8; 8] = file.exactly()?;
        if magic != *MAGIC {
            return Err(malformed("it does not begin as one, or has another version"));
        }
        let bytes = file.framed(HEAD_BYTES_MAX)?.ok_or_else(|| malformed("it has no head"))?;
        file.head = decode("its head", &bytes)?;
        check(&file.head)?;
        file.next = file.head.first;
        Ok(file)
    }

    /// What it says it holds.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The checksum of what was read so far; at the end, the file's.
    pub const fn checksum(&self) -> &Digest {
        &self.checksum
    }

    /// The next block; `None` when the file has ended and its checksum holds.
    ///
    /// # Errors
    /// [`ChainFileError`] when it is cut short or damaged.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ChainFileError> {
        if self.ended {
            return Ok(None);
        }
        let Some(bytes) = self.framed(ENTRY_BYTES_MAX)? else {
            self.end()?;
            return Ok(None);
        };
        let entry: Entry = decode("an entry", &bytes)?;
        if entry.height != self.next || entry.height > self.head.last {
            return Err(malformed(format!("block {} where {} comes", entry.height, self.next)));
        }
        self.next += 1;
        Ok(Some(entry))
    }

    fn end(&mut self) -> Result<(), ChainFileError> {
        self.ended = true;
        if self.next <= self.head.last {
            return Err(malformed(format!("block {} is missing", self.next)));
        }
        let checksum: [u8; 32] = self.exactly()?;
        if checksum != self.checksum.0 {
            return Err(malformed("its checksum does not hold"));
        }
        if self.from.read(&mut [0])? > 0 {
            return Err(malformed("something stands after its end"));
        }
        Ok(())
    }

    /// The next framed part; `None` at the end's mark.
    fn framed(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, ChainFileError> {
        let length = u32::from_le_bytes(self.exactly()?);
        if length == 0 {
            return Ok(None);
        }
        if length as usize > bytes_max {
            return Err(malformed(format!("a part of {length} bytes, at most {bytes_max} fit")));
        }
        // Grows with what is there, not with what the length promises.
        let mut bytes = Vec::new();
        (&mut self.from).take(length.into()).read_to_end(&mut bytes)?;
        if bytes.len() < length as usize {
            return Err(malformed("it is cut short"));
        }
        self.checksum = add(&self.checksum, length, &bytes);
        Ok(Some(bytes))
    }

    fn exactly<const N: usize>(&mut self) -> Result<[u8; N], ChainFileError> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => malformed("it is cut short"),
            _ => e.into(),
        })?;
        Ok(bytes)
    }
}

fn decode<T: BorshDeserialize>(what: &'static str, bytes: &[u8]) -> Result<T, ChainFileError> {
    codec::decode(what, bytes, bytes.len()).map_err(|e| malformed(e.to_string()))
}

fn check(head: &Head) -> Result<(), ChainFileError> {
    if head.first == 0 || head.first > head.last || head.last == u64::MAX {
        return Err(malformed(format!("its head names blocks {} to {}", head.first, head.last)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::{PublicKey, TxId, receipt::Outcome};

    fn sample() -> Vec<u8> {
        let head = Head { network: NetworkId(Digest([1; 32])), first: 7, last: 8 };
        let mut file = Writer::new(Vec::new(), &head).unwrap();
        let receipt = Receipt {
            transaction: TxId(Digest([2; 32])),
            signer: PublicKey([3; 32]),
            outcome: Outcome::Applied,
        };
        let entry =
            |height, receipts| Entry { height, block: vec![4], certificate: vec![], receipts };
        file.push(&entry(7, Some(vec![receipt]))).unwrap();
        assert!(file.push(&entry(9, None)).is_err());
        file.push(&entry(8, None)).unwrap();
        assert!(file.push(&entry(9, None)).is_err());
        file.end().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Entry>, ChainFileError> {
        let mut file = Reader::new(bytes)?;
        let mut entries = Vec::new();
        while let Some(entry) = file.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = sample();
        assert_eq!(Reader::new(bytes.as_slice()).unwrap().head().last, 8);
        let entries = read(&bytes).unwrap();
        assert_eq!(entries.iter().map(|it| it.height).collect::<Vec<_>>(), [7, 8]);
        assert_eq!(entries[0].receipts.as_ref().map(Vec::len), Some(1));
        // Version 1, for ever.
        let golden = "17dac13c0efa1d1b0130c73b4e4305157e4787773df59f9c42765b39221adb74";
        assert_eq!(Digest::of(&bytes).to_string(), golden);
    }

    #[test]
    fn every_cut_every_flipped_bit_and_every_added_byte_is_found() {
        let whole = sample();
        for at in 0..whole.len() {
            assert!(read(&whole[..at]).is_err(), "cut at {at}");
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(read(&flipped).is_err(), "flipped at {at}");
        }
        assert!(read(&[whole.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn a_promised_length_takes_no_memory_and_a_missing_block_is_told() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::MAX.to_le_bytes());
        assert!(read(&bytes).unwrap_err().to_string().contains("at most"));
        let head = Head { network: NetworkId::default(), first: 1, last: 2 };
        let file = Writer::new(Vec::new(), &head).unwrap();
        assert!(file.end().unwrap_err().to_string().contains("block 1 is missing"));
        let none = Head { first: 0, ..head };
        assert!(Writer::new(Vec::new(), &none).is_err());
    }
}

//! What a node keeps of its network's committees, so that it can go on after a restart before
//! it has a state: each committee, and how the one before handed over to it.
//!
//! On disk, blobs of one partition. A committee is a blob named `number ‖ stage` (8 bytes
//! big-endian, 1 byte): stage 0 from when it is decided, stage 1 with its [`Handover`] from
//! when it is to begin. The blob `votes` holds the number of the first committee in which this
//! node votes (8 bytes); the blob `floor` a block that the node went on from, and its certificate. Every blob ends with the SHA-256 of what stands before; it is synced
//! before what follows from it is done.

use borsh::{BorshDeserialize, BorshSerialize};
use commonware_runtime::{
    Blob as _, Buf as _, Error as RuntimeError, ReadOptions, Storage, WriteOptions,
};
use std::collections::BTreeMap;
use trustmesh_state::Handover;
use trustmesh_types::{Block, Digest, committee::Committee};

const CHECKSUM_BYTES: usize = 32;
const VOTES: &[u8] = b"votes";
const FLOOR: &[u8] = b"floor";

/// What is kept of a committee.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Entry {
    Decided(Committee),
    Begins(Box<Handover>),
}

/// Reads a kept committee of bytes whose checksum holds.
pub(crate) fn read_entry(bytes: &[u8]) {
    if let Ok(entry) = borsh::from_slice::<Entry>(bytes) {
        assert_eq!(borsh::to_vec(&entry).ok().as_deref(), Some(bytes), "a second encoding");
    }
}

/// What a node knows of the committees after the first one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    /// In order of number, without a gap.
    pub(crate) committees: Vec<Committee>,
    /// Those that have begun, by number.
    pub(crate) handovers: BTreeMap<u64, Handover>,
    /// The first committee in which this node votes, where something says so.
    pub(crate) votes_from: Option<u64>,
    /// A final block that the node went on from without those before, and its certificate.
    pub(crate) floor: Option<(Block, Vec<u8>)>,
}

impl Past {
    /// The newest committee that has begun.
    pub(crate) fn begun(&self) -> u64 {
        self.handovers.last_key_value().map_or(0, |(number, _)| *number)
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct CommitteeStore {
    partition: String,
}

impl CommitteeStore {
    pub(crate) fn new(partition: &str) -> Self {
        Self { partition: format!("{partition}-committees") }
    }

    /// All that is kept; a damaged blob is an error, since what it held may have been acted on.
    pub(crate) async fn load(&self, storage: &impl Storage) -> Result<Past, RuntimeError> {
        let mut names = match storage.scan(&self.partition).await {
            Ok(names) => names,
            Err(RuntimeError::PartitionMissing(_)) => return Ok(Past::default()),
            Err(error) => return Err(error),
        };
        names.sort_unstable();
        let mut past = Past::default();
        let mut found: BTreeMap<u64, Committee> = BTreeMap::new();
        for name in names {
            // Cut short while it was written: nothing has followed from it.
            let Some(bytes) = self.read(storage, &name).await? else { continue };
            if name == VOTES {
                past.votes_from = Some(bytes.try_into().map_or(u64::MAX, u64::from_be_bytes));
                continue;
            }
            if name == FLOOR {
                past.floor = borsh::from_slice(&bytes).ok();
                continue;
            }
            match borsh::from_slice(&bytes) {
                Ok(Entry::Decided(committee)) => {
                    found.insert(committee.number, committee);
                }
                Ok(Entry::Begins(handover)) => {
                    found.insert(handover.committee.number, handover.committee.clone());
                    past.handovers.insert(handover.committee.number, *handover);
                }
                Err(_) => tracing::warn!("a committee on disk can't be read and is passed over"),
            }
        }
        let mut next = 1;
        for (number, committee) in found {
            if number != next {
                break;
            }
            past.committees.push(committee);
            next += 1;
        }
        past.handovers.retain(|number, _| *number < next);
        Ok(past)
    }

    async fn read(
        &self,
        storage: &impl Storage,
        name: &[u8],
    ) -> Result<Option<Vec<u8>>, RuntimeError> {
        let (blob, length) = storage.open(&self.partition, name).await?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let mut read = blob.read_at(0, length, ReadOptions::default()).await?;
        let mut bytes = read.copy_to_bytes(read.remaining()).to_vec();
        let Some(end) = length.checked_sub(CHECKSUM_BYTES) else { return Ok(None) };
        let checksum = bytes.split_off(end);
        Ok((Digest::of(&bytes).as_ref() == checksum.as_slice()).then_some(bytes))
    }

    async fn write(
        &self,
        storage: &impl Storage,
        name: &[u8],
        mut bytes: Vec<u8>,
    ) -> Result<(), RuntimeError> {
        bytes.extend_from_slice(Digest::of(&bytes).as_ref());
        let (blob, _) = storage.open(&self.partition, name).await?;
        blob.resize(bytes.len() as u64).await?;
        blob.write_at(0, bytes, WriteOptions::default()).await?;
        blob.sync().await
    }

    async fn put(
        &self,
        storage: &impl Storage,
        number: u64,
        stage: u8,
        entry: &Entry,
    ) -> Result<(), RuntimeError> {
        let name = [number.to_be_bytes().as_slice(), &[stage]].concat();
        let bytes = borsh::to_vec(entry).map_err(|_| RuntimeError::WriteFailed)?;
        self.write(storage, &name, bytes).await
    }

    /// A committee is decided.
    pub(crate) async fn decided(
        &self,
        storage: &impl Storage,
        committee: &Committee,
    ) -> Result<(), RuntimeError> {
        self.put(storage, committee.number, 0, &Entry::Decided(committee.clone())).await
    }

    /// A committee is to begin.
    pub(crate) async fn begins(
        &self,
        storage: &impl Storage,
        handover: &Handover,
    ) -> Result<(), RuntimeError> {
        let entry = Entry::Begins(Box::new(handover.clone()));
        self.put(storage, handover.committee.number, 1, &entry).await
    }

    /// The node goes on from a block, without those before it.
    pub(crate) async fn floor(
        &self,
        storage: &impl Storage,
        block: &Block,
        certificate: &[u8],
    ) -> Result<(), RuntimeError> {
        let bytes = borsh::to_vec(&(block, certificate)).map_err(|_| RuntimeError::WriteFailed)?;
        self.write(storage, FLOOR, bytes).await
    }

    /// The node votes in no committee before that number.
    pub(crate) async fn votes_from(
        &self,
        storage: &impl Storage,
        number: u64,
    ) -> Result<(), RuntimeError> {
        self.write(storage, VOTES, number.to_be_bytes().to_vec()).await
    }
}

//! Messages between nodes, beside consensus: inputs and outputs to keep, storage receipts,
//! completions, and pieces of blobs (PROTOCOL §4, Execution; §7).
//!
//! They travel on an authenticated channel, so a receiver knows the sender; it still
//! believes nothing in them before its signature or digest is checked.
//!
//! Variants are only ever added at the end: their position is their tag on the wire.

use crate::{
    crypto::{PublicKey, Signature},
    digest::Digest,
    evidence::SignedCompletion,
    ids::{RequestId, TaskId},
    request::{RequestBody, StorageReceipt},
};
use borsh::{BorshDeserialize, BorshSerialize};

/// Version of the messages, the first byte of each.
pub const MESSAGE_VERSION: u8 = 1;

/// A message between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// "Keep this request's input and sign for it." Answer: [`Message::Stored`].
    StoreInput {
        /// What the device signed.
        body: RequestBody,
        /// By the device.
        signature: Signature,
        /// The input, when it fits one message; else the receiver fetches it from the sender.
        data: Option<Vec<u8>>,
    },
    /// "Keep this task's output and sign for it." Answer: [`Message::Stored`].
    StoreOutput {
        /// What the worker signed of it.
        completion: SignedCompletion,
        /// The output, when it fits one message; else the receiver fetches it from the sender.
        data: Option<Vec<u8>>,
    },
    /// "Keep this artifact and sign for it." The receiver fetches it from the sender, or the
    /// registry. Answer: [`Message::Stored`].
    StoreArtifact {
        /// Digest of its contents.
        contents: Digest,
        /// Bytes of its blobs.
        bytes: u64,
        /// A repository of an OCI registry that has it, too.
        registry: Option<String>,
    },
    /// The receipt asked for.
    Stored(StorageReceipt),
    /// Why there is no receipt.
    NotStored {
        /// As in the receipt that was asked for.
        subject: Digest,
        /// Digest of the bytes.
        digest: Digest,
        /// Why, for people.
        reason: String,
    },
    /// A task is complete; its output, when the receiver needs it and it fits one message.
    Completed {
        /// What the worker signed.
        completion: SignedCompletion,
        /// The output.
        data: Option<Vec<u8>>,
    },
    /// Receipts for an output, for whoever finalizes or records progress.
    Receipts {
        /// The request.
        request: RequestId,
        /// The task whose output it is.
        task: TaskId,
        /// Validators' receipts for it.
        receipts: Vec<StorageReceipt>,
    },
    /// "What have you of this request?" Answer: [`Message::Completed`] for each task that the
    /// receiver completed, and [`Message::Receipts`] that it holds.
    AskCompletions {
        /// The request.
        request: RequestId,
    },
    /// "Send a piece of this blob." Answer: [`Message::Piece`] or [`Message::NoBlob`].
    AskPiece {
        /// Digest of the whole blob.
        digest: Digest,
        /// Offset of the piece in bytes.
        offset: u64,
    },
    /// A piece of a blob, at most [`crate::limits::BLOB_MESSAGE_BYTES_MAX`] bytes.
    Piece {
        /// Digest of the whole blob.
        digest: Digest,
        /// Length of the whole blob.
        total: u64,
        /// Offset of the piece in bytes.
        offset: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// The receiver does not have that blob.
    NoBlob {
        /// Digest of the blob.
        digest: Digest,
    },
    /// "I am here." A scheduler avoids nodes that it has not heard from lately.
    Alive,
}

/// A message as it travels.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Envelope {
    /// [`MESSAGE_VERSION`].
    pub version: u8,
    /// The message.
    pub message: Message,
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// One node.
    Node(PublicKey),
    /// Every other validator.
    Validators,
}

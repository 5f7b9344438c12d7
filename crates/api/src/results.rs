//! Results: what is sealed to a device, and the sealed form as it is pulled.

use crate::bytes::HexBytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use trustmesh_types::{PublicKey, RequestId, TaskId, evidence::SignedCompletion};

/// What is sealed: its JSON bytes are the plaintext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultBundle {
    /// The request.
    pub request: RequestId,
    /// Output of every sink: the `data` that its application wrote.
    pub outputs: BTreeMap<TaskId, Value>,
    /// Every task's completion, as the ledger finalized them (one per agreeing replica).
    pub completions: Vec<SignedCompletion>,
}

impl ResultBundle {
    /// The bytes to seal.
    ///
    /// # Errors
    /// None in practice: every part has a JSON form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads what was sealed.
    ///
    /// # Errors
    /// When the bytes are no bundle.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// A sealed result as a holder gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedResult {
    /// The request: the seal's associated data.
    pub request: RequestId,
    /// The node that gives it.
    pub holder: PublicKey,
    /// Bytes of `trustmesh_delivery::Sealed`.
    pub sealed: HexBytes,
}

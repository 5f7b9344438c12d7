//! What a device signs to have its data processed, and what validators sign to hold it
//! (PROTOCOL §4, phase 1).

use crate::{
    codec,
    crypto::{BadSignature, Claim, Domain, PublicKey, SecretKey, Signature},
    digest::Digest,
    ids::{NetworkId, RequestId, WorkflowId},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// How a device takes its result.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The device asks for it.
    Pull,
    /// A holder sends it to this address.
    Push(String),
}

/// The body of a request. Its digest is the request's id.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RequestBody {
    /// The network it is meant for.
    pub network: NetworkId,
    /// The device.
    pub device: PublicKey,
    /// Anything the device has not used with an otherwise equal body.
    pub nonce: u64,
    /// The workflow to run.
    pub workflow: WorkflowId,
    /// Digest of the input: SHA-256 of the canonical JSON of `data` (RFC 8785).
    pub input: Digest,
    /// Length of those bytes.
    pub input_bytes: u64,
    /// The X25519 public key that the result is sealed to.
    pub result_key: Digest,
    /// How the result gets to the device.
    pub endpoint: Endpoint,
    /// Whether input and outputs are kept after the request ends.
    pub persist: bool,
    /// When it must have ended, in Unix milliseconds.
    pub deadline_ms: u64,
}

impl RequestBody {
    /// The request's id.
    #[must_use]
    pub fn id(&self) -> RequestId {
        RequestId(Digest::of(&codec::encode(self)))
    }

    /// The device's signature over the body.
    #[must_use]
    pub fn sign(&self, key: &SecretKey) -> Signature {
        key.sign(Domain::Request, &self.network, &codec::encode(self))
    }

    /// Checks that the device signed the body.
    ///
    /// # Errors
    /// [`BadSignature`] when it did not.
    pub fn verify(&self, signature: &Signature) -> Result<(), BadSignature> {
        self.claim(signature).verify()
    }

    /// What [`Self::verify`] checks.
    #[must_use]
    pub fn claim(&self, signature: &Signature) -> Claim {
        Claim::new(self.device, Domain::Request, &self.network, &codec::encode(self), *signature)
    }

    /// Checks that the deadline lies after `now_ms` (Unix milliseconds), by at most
    /// `lifetime_ms`, and `slack_ms` for clocks that differ.
    ///
    /// # Errors
    /// A sentence that says how far off it is.
    pub fn check_deadline(
        &self,
        now_ms: u64,
        lifetime_ms: u64,
        slack_ms: u64,
    ) -> Result<(), String> {
        let deadline_ms = self.deadline_ms;
        let at = format!("the deadline (Unix ms {deadline_ms}; the network's time is {now_ms})");
        if deadline_ms <= now_ms {
            let late = seconds(now_ms - deadline_ms);
            return Err(format!(
                "{at} passed {late} ago; give a later one, and check the clock it was made by"
            ));
        }
        let ahead_ms = deadline_ms - now_ms;
        if ahead_ms > lifetime_ms.saturating_add(slack_ms) {
            let (ahead, most) = (seconds(ahead_ms), seconds(lifetime_ms));
            let over = seconds(ahead_ms.saturating_sub(lifetime_ms));
            return Err(format!(
                "{at} lies {ahead} ahead, {over} more than the {most} allowed; give an earlier one"
            ));
        }
        Ok(())
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

/// A validator's word that it holds some bytes durably for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct StorageReceipt {
    /// The validator.
    pub validator: PublicKey,
    /// What the bytes belong to: a request's id, or an artifact's own digest. Binds the
    /// receipt to its purpose, so that one for bytes long since dropped can't be used again.
    pub subject: Digest,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Length of the bytes.
    pub bytes: u64,
    /// Over everything above.
    pub signature: Signature,
}

impl StorageReceipt {
    fn message(validator: &PublicKey, subject: &Digest, digest: &Digest, bytes: u64) -> Vec<u8> {
        codec::encode(&(*validator, *subject, *digest, bytes))
    }

    /// Signs a receipt; only after the bytes are durable.
    #[must_use]
    pub fn sign(
        key: &SecretKey,
        network: &NetworkId,
        subject: Digest,
        digest: Digest,
        bytes: u64,
    ) -> Self {
        let validator = key.public();
        let message = Self::message(&validator, &subject, &digest, bytes);
        let signature = key.sign(Domain::Storage, network, &message);
        Self { validator, subject, digest, bytes, signature }
    }

    /// Checks the signature (not whether the signer is a validator).
    ///
    /// # Errors
    /// [`BadSignature`] when it does not verify.
    pub fn verify(&self, network: &NetworkId) -> Result<(), BadSignature> {
        self.claim(network).verify()
    }

    /// What [`Self::verify`] checks.
    #[must_use]
    pub fn claim(&self, network: &NetworkId) -> Claim {
        let message = Self::message(&self.validator, &self.subject, &self.digest, self.bytes);
        Claim::new(self.validator, Domain::Storage, network, &message, self.signature)
    }
}

/// The transaction that brings a request onto the ledger, made by its entry node.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Submission {
    /// What the device asks for.
    pub body: RequestBody,
    /// By the device, over the body.
    pub signature: Signature,
    /// By at least f+1 distinct validators, for the input, with the request as subject.
    pub receipts: Vec<StorageReceipt>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(deadline_ms: u64) -> Result<(), String> {
        let body = RequestBody {
            network: NetworkId::default(),
            device: PublicKey([1; 32]),
            nonce: 1,
            workflow: WorkflowId::new("w").unwrap(),
            input: Digest::default(),
            input_bytes: 1,
            result_key: Digest::default(),
            endpoint: Endpoint::Pull,
            persist: false,
            deadline_ms,
        };
        body.check_deadline(100_000, 60_000, 5_000)
    }

    #[test]
    fn a_deadline_that_does_not_fit_says_how_far_off_it_is() {
        for good in [100_001, 160_000, 165_000] {
            assert_eq!(verdict(good), Ok(()));
        }
        for (deadline_ms, parts) in [
            (100_000, ["passed 0.000 s ago", "Unix ms 100000", "clock"]),
            (97_750, ["passed 2.250 s ago", "network's time is 100000", "later"]),
            (165_001, ["65.001 s ahead", "5.001 s more than the 60.000 s allowed", "earlier"]),
            (u64::MAX, ["s ahead", "more than the 60.000 s", "earlier"]),
        ] {
            let refused = verdict(deadline_ms).unwrap_err();
            for part in parts {
                assert!(refused.contains(part), "{part:?} is not in {refused:?}");
            }
        }
    }
}

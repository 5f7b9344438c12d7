//! Storage receipts: f+1 validators hold some bytes, so one honest validator does
//! (PROTOCOL §4, phase 1).

use crate::machine::Draft;
use std::collections::BTreeSet;
use trustmesh_types::{
    Digest, PublicKey, limits,
    mutants::{Mutant, mutated},
    reject::{RejectCode, Rejection},
    request::StorageReceipt,
};

/// The validators, sorted, whose receipts say that they hold `bytes` bytes of `digest` for
/// `subject`. Receipts that are bad, doubled or about something else count for nothing.
pub(crate) fn check_receipts(
    draft: &Draft<'_>,
    subject: Digest,
    digest: Digest,
    bytes: u64,
    receipts: &[StorageReceipt],
) -> Result<Vec<PublicKey>, Rejection> {
    if receipts.len() > limits::STORAGE_RECEIPTS_MAX {
        let reason = format!(
            "{} storage receipts, at most {} are allowed; send one per validator",
            receipts.len(),
            limits::STORAGE_RECEIPTS_MAX
        );
        return Err(Rejection::new(RejectCode::InvalidValue, reason));
    }
    let mut holders = BTreeSet::new();
    let mut counted: usize = 0;
    for receipt in receipts {
        let fits = (receipt.subject, receipt.digest, receipt.bytes) == (subject, digest, bytes);
        let counts = fits
            && draft.is_validator(&receipt.validator)
            && (!holders.contains(&receipt.validator) || mutated(Mutant::ReceiptCountedTwice))
            && draft.proven.check(&receipt.claim(&draft.network));
        if counts {
            holders.insert(receipt.validator);
            counted = counted.saturating_add(1);
        }
    }
    let needed = draft.faults_tolerated().saturating_add(1);
    if counted < needed {
        let reason = format!(
            "{} validators signed to hold the {bytes} bytes of {} for {}, {needed} are needed; \
             collect more storage receipts and submit again",
            counted,
            digest.short(),
            subject.short()
        );
        return Err(Rejection::new(RejectCode::TooFewReceipts, reason));
    }
    Ok(holders.into_iter().collect())
}

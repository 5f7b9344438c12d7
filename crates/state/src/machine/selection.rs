//! Selection: what a leader puts into a block.

use super::validity::Signers;
use crate::state::State;
use std::collections::BTreeSet;
use trustmesh_types::{SignedTransaction, TxId, limits};

impl State {
    /// Places of the candidates (id, encoded length in bytes, transaction) that the next
    /// block may hold together, in their order. One that does not fit is passed over.
    pub fn select<'a>(
        &self,
        candidates: impl Iterator<Item = (TxId, usize, &'a SignedTransaction)>,
    ) -> Vec<usize> {
        let mut selected = Vec::new();
        let mut signers = Signers::default();
        let mut ids = BTreeSet::new();
        let mut bytes = 0_usize;
        for (place, (id, length, tx)) in candidates.enumerate() {
            if selected.len() >= limits::BLOCK_TRANSACTIONS_MAX {
                break;
            }
            let with_it = bytes.saturating_add(length);
            let fits = with_it <= limits::BLOCK_BYTES_MAX
                && !ids.contains(&id)
                && self.check_form(tx, &id).is_ok()
                && signers.count(self, &tx.transaction.signer).is_ok();
            if fits {
                bytes = with_it;
                ids.insert(id);
                selected.push(place);
            }
        }
        selected
    }
}

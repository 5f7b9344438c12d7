//! Faults that the history keeps: the state forgets one when it no longer counts.
//!
//! Invariant: a fault leaves with its block; one that an operator pardons is written again.

use super::{
    History, HistoryError,
    tables::{FAULTS, HISTORY, fault_key, faults_at, read, read_fault_key},
};
use bytes::Bytes;
use trustmesh_data::{Entry, Order};
use trustmesh_state::Finalized;
use trustmesh_types::{PublicKey, codec, events::Event, faults::FaultRecord};

/// Faults looked at for one page; a filter that few pass gives short pages.
const LOOKED_AT_MAX: usize = 8_192;
/// Faults looked at for what they say of one request.
const OF_REQUEST_MAX: usize = 256;

/// A place in the list of faults: height, node and number.
pub(crate) type FaultPlace = (u64, PublicKey, u32);

/// Where a fault stands in the list.
pub(crate) const fn place(fault: &FaultRecord) -> FaultPlace {
    (fault.height, fault.node, fault.number)
}

/// The entries of the faults that a block records, and of those that it pardons.
pub(super) fn entries(finalized: &Finalized, first_kept: u64) -> Vec<Entry> {
    let mut changed: Vec<FaultRecord> = Vec::new();
    for event in &finalized.events {
        let (node, only) = match event {
            Event::Fault { node, number, .. } => (node, Some(*number)),
            Event::QuarantineLifted { node } => (node, None),
            _ => continue,
        };
        let of = finalized.state.faults_of(node);
        changed.extend(of.filter(|fault| only.is_none_or(|number| number == fault.number)));
    }
    let kept = changed.into_iter().filter(|fault| fault.height >= first_kept);
    kept.map(|fault| (fault_key(&place(&fault)), Bytes::from(codec::encode(&fault)))).collect()
}

impl History {
    /// Faults that pass, newest first, after a place in the list. The second part is where to
    /// go on when there may be more.
    ///
    /// # Errors
    /// [`HistoryError`] when they can't be read.
    pub(crate) fn faults(
        &self,
        takes: impl Fn(&FaultRecord) -> bool,
        after: Option<FaultPlace>,
        limit: usize,
    ) -> Result<(Vec<FaultRecord>, Option<FaultPlace>), HistoryError> {
        let to = match after {
            Some(place) => fault_key(&place),
            // Above every fault: one more than their prefix.
            None => FAULTS.iter().map(|byte| byte.saturating_add(1)).collect(),
        };
        let found = self.documents.range(HISTORY, FAULTS, &to, LOOKED_AT_MAX, Order::Descending)?;
        let may_have_more = found.len() == LOOKED_AT_MAX;
        let (mut faults, mut last) = (Vec::new(), None);
        for (key, value) in &found {
            if faults.len() == limit {
                return Ok((faults, last));
            }
            last = read_fault_key(key);
            let fault: FaultRecord = read(value)?;
            if takes(&fault) {
                faults.push(fault);
            }
        }
        Ok((faults, last.filter(|_| may_have_more)))
    }

    /// Faults recorded from a height on, oldest first, a bounded number.
    ///
    /// # Errors
    /// [`HistoryError`] when they can't be read.
    pub(crate) fn faults_since(&self, height: u64) -> Result<Vec<FaultRecord>, HistoryError> {
        let from = faults_at(height);
        let to: Vec<u8> = FAULTS.iter().map(|byte| byte.saturating_add(1)).collect();
        let found = self.documents.range(HISTORY, &from, &to, OF_REQUEST_MAX, Order::Ascending)?;
        Ok(found.iter().map(|(_, value)| read(value)).collect::<Result<_, _>>()?)
    }
}

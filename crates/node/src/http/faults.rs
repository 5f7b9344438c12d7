//! Faults, as the ledger's state and this node's history have them.
//!
//! The state knows best: it has those that count, with whether they were pardoned. The
//! history adds those that no longer do.

use super::{
    app::{Http, Shared},
    extract::Asked,
    refusal::Refusal,
};
use crate::history::{FaultPlace, place};
use axum::{Json, extract::State};
use std::collections::BTreeMap;
use trustmesh_api::{FaultQuery, FaultView, Page, page};
use trustmesh_types::faults::FaultRecord;

pub(super) async fn faults(
    State(http): State<Shared>,
    Asked(query): Asked<FaultQuery>,
) -> Result<Json<Page<FaultView>>, Refusal> {
    let after = query.after.as_deref().map(read_place).transpose()?;
    list(&http, &query, after).map(Json)
}

fn list(
    http: &Http,
    query: &FaultQuery,
    after: Option<FaultPlace>,
) -> Result<Page<FaultView>, Refusal> {
    let limit = page::entries(query.limit);
    let (kept, rest) = http.app.history.faults(|fault| query.takes(fault), after, limit)?;
    let state = http.app.consensus.state();
    let counting: Vec<FaultRecord> = match &query.node {
        Some(node) => state.faults_of(node).collect(),
        None => state.faults().collect(),
    };
    let counting = counting.into_iter().filter(|fault| query.takes(fault));
    let (items, next) = merge(kept, counting, (after, rest), limit);
    let now_ms = state.timestamp_ms();
    let view = |(record, in_state)| FaultView::new(record, now_ms, in_state);
    let items = items.into_iter().map(view).collect();
    Ok(Page { items, next: next.as_ref().map(write_place) })
}

/// Puts the faults of both together, newest first, each once; with each, whether the state has
/// it. `rest` is where the history goes on: the state's beyond that are for the next page.
fn merge(
    kept: Vec<FaultRecord>,
    counting: impl Iterator<Item = FaultRecord>,
    (after, rest): (Option<FaultPlace>, Option<FaultPlace>),
    limit: usize,
) -> (Vec<(FaultRecord, bool)>, Option<FaultPlace>) {
    let mut all: BTreeMap<FaultPlace, (FaultRecord, bool)> =
        kept.into_iter().map(|fault| (place(&fault), (fault, false))).collect();
    let mut beyond = false;
    for fault in counting {
        let at = place(&fault);
        if rest.is_some_and(|rest| at < rest) {
            beyond = true;
        } else if after.is_none_or(|after| at < after) {
            all.insert(at, (fault, true));
        }
    }
    let cut = all.len() > limit;
    let items: Vec<(FaultRecord, bool)> = all.into_values().rev().take(limit).collect();
    let last = items.last().map(|(fault, _)| place(fault));
    let next = if cut { last } else { rest.or(last.filter(|_| beyond)) };
    (items, next)
}

fn write_place((height, node, number): &FaultPlace) -> String {
    format!("{height}-{node}-{number}")
}

fn read_place(text: &str) -> Result<FaultPlace, Refusal> {
    let read = || {
        let mut parts = text.split('-');
        let (height, node, number) = (parts.next()?, parts.next()?, parts.next()?);
        let place = (height.parse().ok()?, node.parse().ok()?, number.parse().ok()?);
        parts.next().is_none().then_some(place)
    };
    read().ok_or_else(|| Refusal::parameter("`after`", "give `next` of the page before"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_types::{
        Digest, PublicKey, TxId,
        faults::FaultEvidence,
        reject::{RejectCode, Rejection},
    };

    fn fault(height: u64) -> FaultRecord {
        FaultRecord {
            node: PublicKey([7; 32]),
            number: height as u32,
            height,
            at_ms: height,
            until_ms: height + 10,
            rejection: Rejection::fault(RejectCode::NotDesignated, "why"),
            evidence: FaultEvidence::Transaction(TxId(Digest([1; 32]))),
            pardoned: false,
        }
    }

    /// What the history gives: newest first after a place, and where it goes on.
    fn history(
        heights: &[u64],
        after: Option<FaultPlace>,
        limit: usize,
    ) -> (Vec<FaultRecord>, Option<FaultPlace>) {
        let all = heights.iter().rev().map(|height| fault(*height));
        let all: Vec<_> = all.filter(|f| after.is_none_or(|after| place(f) < after)).collect();
        let found: Vec<_> = all.iter().take(limit).cloned().collect();
        let more = all.len() > limit;
        let last = found.last().map(place).filter(|_| more);
        (found, last)
    }

    #[test]
    fn both_sources_make_one_list_without_gap_or_overlap() {
        let tables: [(&[u64], &[u64]); 5] = [
            (&[1, 2, 3, 4, 5], &[3, 4, 5]),
            (&[], &[1, 2, 3]),
            (&[1, 2, 3], &[]),
            (&[4, 5], &[1, 2, 3, 4, 5, 6]),
            (&[1, 5], &[2, 3, 4]),
        ];
        for (kept, counting) in tables {
            let mut want: Vec<u64> = kept.iter().chain(counting).copied().collect();
            want.sort_unstable();
            want.dedup();
            want.reverse();
            for limit in 1..=6 {
                let (mut seen, mut after) = (Vec::new(), None);
                loop {
                    let (found, rest) = history(kept, after, limit);
                    let state = counting.iter().map(|height| fault(*height));
                    let (items, next) = merge(found, state, (after, rest), limit);
                    assert!(items.len() <= limit);
                    for (item, in_state) in items {
                        assert_eq!(in_state, counting.contains(&item.height));
                        seen.push(item.height);
                    }
                    let Some(next) = next else { break };
                    after = Some(next);
                }
                assert_eq!(seen, want, "{kept:?} {counting:?} by {limit}");
            }
        }
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        let at = place(&fault(3));
        assert_eq!(read_place(&write_place(&at)).unwrap(), at);
        for text in ["", "3", "3-x-1", "3-07-1-1"] {
            assert!(read_place(text).is_err(), "{text}");
        }
    }
}

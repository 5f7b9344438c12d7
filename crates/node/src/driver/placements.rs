//! Why this node's plans are as they are, kept for people who ask (PROTOCOL §6). Nothing of
//! the protocol reads it: a placement that gets lost costs an explanation, no more.
//!
//! Key: request id ‖ designation ‖ height that the plan was made at, both big-endian: a plan
//! that is sent again may have been made anew. Value: until in Unix milliseconds, 8 bytes
//! big-endian, then a [`PlacementView`] as JSON.

use trustmesh_agent::{Choice, Explained, Fit, Misfit, Verdict};
use trustmesh_api::{CandidateView, ChoiceView, DeclinedView, PlacementView, UnfitView};
use trustmesh_data::{DataError, Order, Store, Table};
use trustmesh_types::RequestId;

const TABLE: Table = Table::new("placements");
/// Placements of one request that are given out, at most.
const PER_REQUEST_MAX: usize = 64;
/// Placements that a sweep looks at, or removes, at once.
const SWEPT_MAX: usize = 256;
/// Largest document: above what `trustmesh_agent` lets into one.
const BYTES_MAX: usize = 2 * 1024 * 1024;

fn key(explained: &Explained) -> Vec<u8> {
    let mut key = explained.request.0.0.to_vec();
    key.extend_from_slice(&explained.designation.to_be_bytes());
    key.extend_from_slice(&explained.made_at.to_be_bytes());
    key
}

/// Keeps a placement.
pub(super) async fn keep(store: &Store, explained: Explained) -> Result<(), DataError> {
    let key = key(&explained);
    let mut value = explained.until_ms.to_be_bytes().to_vec();
    if let Err(error) = serde_json::to_writer(&mut value, &view(explained)) {
        tracing::error!(%error, "a placement has no JSON form; it is not kept");
        return Ok(());
    }
    if value.len() > BYTES_MAX {
        tracing::warn!(bytes = value.len(), "a placement is too large; it is not kept");
        return Ok(());
    }
    store.documents().put_many(TABLE, vec![(key, value.into())]).await
}

/// What this node placed for a request, by designation.
pub(crate) fn of(store: &Store, request: &RequestId) -> Result<Vec<PlacementView>, DataError> {
    let (prefix, limit) = (request.0.0, PER_REQUEST_MAX);
    let mut entries = store.documents().scan(TABLE, &prefix, limit, Order::Descending)?;
    entries.reverse();
    let views = entries.iter().filter_map(|(_, value)| {
        let view = serde_json::from_slice(value.get(8..)?);
        view.inspect_err(|error| tracing::error!(%request, %error, "a placement is damaged")).ok()
    });
    Ok(views.collect())
}

/// Removes what has expired.
pub(crate) async fn expire(store: &Store, now_ms: u64) -> Result<(), DataError> {
    let mut from = Vec::new();
    loop {
        let end = [u8::MAX; 48];
        let documents = store.documents();
        let entries = documents.range(TABLE, &from, &end, SWEPT_MAX, Order::Ascending)?;
        let Some((last, _)) = entries.last() else { return Ok(()) };
        // The least key above the last one seen.
        from = [last.as_slice(), &[0]].concat();
        let gone = entries.into_iter().filter(|(_, value)| until_ms(value) <= now_ms);
        let keys: Vec<Vec<u8>> = gone.map(|(key, _)| key).collect();
        if !keys.is_empty() {
            documents.remove(TABLE, keys).await?;
        }
    }
}

/// A document without a time is no longer wanted.
fn until_ms(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn view(explained: Explained) -> PlacementView {
    let (choices, declined) = match explained.outcome {
        Verdict::Placed(choices) => (choices.into_iter().map(choice).collect(), None),
        Verdict::Declined { task, unfit, left_out } => {
            let unfit = unfit.into_iter().map(misfit).collect();
            (Vec::new(), Some(DeclinedView { task, unfit, left_out }))
        }
    };
    PlacementView {
        designation: explained.designation,
        made_at: explained.made_at,
        made_ms: explained.made_ms,
        scheduler: explained.scheduler,
        // Known only when somebody asks.
        confirmed: false,
        choices,
        declined,
    }
}

fn choice(one: Choice) -> ChoiceView {
    ChoiceView {
        task: one.task,
        replica: one.replica,
        node: one.node,
        name: one.name,
        why: one.why,
        candidates: one.candidates.into_iter().map(candidate).collect(),
        unfit: one.unfit.into_iter().map(misfit).collect(),
        left_out: one.left_out,
    }
}

fn candidate(fit: Fit) -> CandidateView {
    CandidateView {
        node: fit.node,
        name: fit.name,
        load: fit.load,
        weight: fit.weight,
        probability: fit.probability,
        why_not: fit.why_not,
    }
}

fn misfit(it: Misfit) -> UnfitView {
    UnfitView { node: it.node, name: it.name, reason: it.reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_data::StoreConfig;
    use trustmesh_types::{Digest, PublicKey, TaskId};

    fn explained(request: u8, designation: u32, made_at: u64, until_ms: u64) -> Explained {
        let choice = Choice {
            task: TaskId::new("a").unwrap(),
            replica: 0,
            node: PublicKey([1; 32]),
            name: "node-1".to_owned(),
            why: "the only node that fits".to_owned(),
            candidates: vec![Fit {
                node: PublicKey([1; 32]),
                name: "node-1".to_owned(),
                load: 0.25,
                weight: 2.5,
                probability: 1.0,
                why_not: None,
            }],
            unfit: vec![Misfit {
                node: PublicKey([2; 32]),
                name: "node-2".to_owned(),
                reason: "is no worker".to_owned(),
            }],
            left_out: 0,
        };
        Explained {
            request: RequestId(Digest([request; 32])),
            designation,
            made_at,
            made_ms: 5,
            scheduler: "lcdwrr".to_owned(),
            outcome: Verdict::Placed(vec![choice]),
            until_ms,
        }
    }

    #[tokio::test]
    async fn placements_are_kept_in_order_until_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), StoreConfig::default()).unwrap();
        let numbers = |request: u8| -> Vec<(u32, u64)> {
            let views = of(&store, &RequestId(Digest([request; 32]))).unwrap();
            views.iter().map(|v| (v.designation, v.made_at)).collect()
        };
        for (designation, made_at, until_ms) in [(256, 3, 20), (2, 300, 20), (2, 7, 10)] {
            keep(&store, explained(1, designation, made_at, until_ms)).await.unwrap();
        }
        keep(&store, explained(255, 1, 1, 20)).await.unwrap();
        assert_eq!(numbers(1), [(2, 7), (2, 300), (256, 3)]);
        let kept = of(&store, &RequestId(Digest([255; 32]))).unwrap();
        assert_eq!(kept, [view(explained(255, 1, 1, 20))]);
        expire(&store, 10).await.unwrap();
        assert_eq!(numbers(1), [(2, 300), (256, 3)]);
        expire(&store, 20).await.unwrap();
        assert_eq!((numbers(1).len(), numbers(255).len()), (0, 0));
    }

    #[tokio::test]
    async fn a_sweep_goes_through_the_whole_table() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), StoreConfig::default()).unwrap();
        let all = u32::try_from(SWEPT_MAX * 2 + 1).unwrap();
        let entries = (0..all).map(|n| {
            let one = explained(1, n, 1, u64::from(n));
            (key(&one), one.until_ms.to_be_bytes().to_vec().into())
        });
        store.documents().put_many(TABLE, entries.collect()).await.unwrap();
        expire(&store, u64::from(all) - 2).await.unwrap();
        let left = store.documents().scan(TABLE, &[], 10, Order::Ascending).unwrap();
        assert_eq!(left.len(), 1);
    }
}

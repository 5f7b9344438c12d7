//! Bare ledger transactions: notes of 512 bytes, signed by many devices, handed over in
//! batches to every node at once, counted when their block is final.

use super::load::Load;
use crate::{
    failure::{Done, Failure},
    output::Progress,
};
use futures::future::try_join_all;
use serde::Serialize;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;
use trustmesh_api::{ErrorCode, Fate};
use trustmesh_client::{Client, ClientError};
use trustmesh_types::{
    NetworkId, Payload, SecretKey, SignedTransaction, Transaction, TxId, codec,
    transaction::TRANSACTION_VERSION,
};

/// Encoded length of a signed transaction.
const BYTES: usize = 512;
/// Heights within which they are included.
pub const LIFETIME_BLOCKS: u64 = 1_000;
/// How often the ledger is asked how far it is.
const POLL: Duration = Duration::from_millis(50);
/// Without a new block with transactions for this long, the rest is lost.
const STALLED: Duration = Duration::from_secs(20);

/// How fast the ledger took them.
#[derive(Debug, Serialize)]
pub struct Rate {
    /// Transactions that became final.
    pub transactions: u64,
    /// Encoded length of each.
    pub bytes_each: usize,
    /// From the first hand-over to the last one's final block.
    pub per_s: f64,
    /// Blocks that hold them.
    pub blocks: u64,
}

/// Signs `count` notes, sends them, and waits until all are final.
pub async fn measure(load: &Load, count: u32, batch: usize) -> Done<Rate> {
    let client = load.mesh.client()?;
    let height = client.status().await?.height;
    let signed = sign_all(load, count, height + LIFETIME_BLOCKS).await?;
    let ours: BTreeSet<TxId> = signed.iter().map(SignedTransaction::id).collect();
    let nodes = load.mesh.nodes();
    let mut shares: Vec<Vec<Vec<SignedTransaction>>> = vec![Vec::new(); nodes];
    for (index, chunk) in signed.chunks(batch).enumerate() {
        if let Some(share) = shares.get_mut(index % nodes) {
            share.push(chunk.to_vec());
        }
    }
    let progress = Progress::bar(count.into(), "transactions");
    let start = Instant::now();
    let senders = shares.into_iter().enumerate().map(|(node, share)| async move {
        let client = load.mesh.client_from(node)?;
        for batch in share {
            hand_over(&client, batch).await?;
        }
        Done::Ok(())
    });
    let (_, (end, blocks)) =
        tokio::try_join!(try_join_all(senders), await_final(&client, height, &ours, &progress),)?;
    let seconds = end.duration_since(start).as_secs_f64().max(0.001);
    let per_s = (f64::from(count) / seconds).round();
    Ok(Rate { transactions: count.into(), bytes_each: BYTES, per_s, blocks })
}

/// Hands a batch to a node; waits and tries again what it has no room for.
async fn hand_over(client: &Client, batch: Vec<SignedTransaction>) -> Done {
    let mut rest = batch;
    while !rest.is_empty() {
        let answers = match client.submit_transactions(&rest, Duration::ZERO).await {
            Ok(answers) => answers,
            // All of it is over the rate of its signers.
            Err(ClientError::Limited { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let mut again = Vec::new();
        for (signed, answer) in rest.into_iter().zip(answers) {
            match answer.fate {
                Fate::Refused { code: ErrorCode::Unavailable | ErrorCode::RateLimited, .. } => {
                    again.push(signed);
                }
                Fate::Refused { detail, .. } => return Err(Failure::failed(detail)),
                Fate::Pending | Fate::Included { .. } => {}
            }
        }
        rest = again;
        if !rest.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

/// Waits until all of `ours` stand in blocks above `from`, and gives the moment and the
/// number of blocks that hold any.
async fn await_final(
    client: &Client,
    from: u64,
    ours: &BTreeSet<TxId>,
    progress: &Progress,
) -> Done<(Instant, u64)> {
    let count = ours.len() as u64;
    let (mut seen, mut blocks, mut height) = (0, 0, from);
    let mut last = Instant::now();
    loop {
        let newest = client.status().await?.height;
        while height < newest {
            height += 1;
            let block = client.block(height).await?;
            let held = block.transactions.iter().filter(|id| ours.contains(id)).count() as u64;
            seen += held;
            blocks += u64::from(held > 0);
            if held > 0 {
                last = Instant::now();
            }
        }
        progress.at(seen);
        if seen >= count {
            return Ok((Instant::now(), blocks));
        }
        if last.elapsed() > STALLED {
            let lost = count - seen;
            return Err(Failure::failed(format!(
                "{lost} of {count} transactions never became final"
            ))
            .advise("look at the nodes' logs, or send fewer at a time with --batch"));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Signs `count` notes, the devices taking turns.
async fn sign_all(load: &Load, count: u32, valid_until: u64) -> Done<Vec<SignedTransaction>> {
    let progress = Progress::spinner(&format!("signing {count} transactions"));
    let network = load.mesh.network();
    let keys = load.keys.clone();
    let signed = tokio::task::spawn_blocking(move || {
        let cycle = keys.iter().cycle();
        (0..u64::from(count))
            .zip(cycle)
            .map(|(nonce, key)| note(key, network, valid_until, nonce))
            .collect()
    });
    let signed = signed.await.map_err(Failure::failed)?;
    drop(progress);
    Ok(signed)
}

/// A note whose signed encoding has [`BYTES`] bytes.
pub fn note(
    key: &SecretKey,
    network: NetworkId,
    valid_until: u64,
    nonce: u64,
) -> SignedTransaction {
    let unsigned = |bytes: Vec<u8>| Transaction {
        version: TRANSACTION_VERSION,
        network,
        signer: key.public(),
        valid_until_height: valid_until,
        nonce,
        payload: Payload::Note { bytes },
    };
    // The signature has 64 bytes; all else but the note is the same whatever the note holds.
    let around = codec::encode(&unsigned(Vec::new())).len() + 64;
    unsigned(vec![0x5a; BYTES.saturating_sub(around)]).sign(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_its_length_and_verifies() {
        let key = SecretKey::from_seed([7; 32]);
        let signed = note(&key, NetworkId::default(), 9, 1);
        assert_eq!(codec::encode(&signed).len(), BYTES);
        signed.verify().unwrap();
    }
}

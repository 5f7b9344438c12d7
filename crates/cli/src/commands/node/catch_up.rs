//! Before a node starts: whether it is so far behind that it takes a state from another node
//! instead of all blocks (docs/membership.md, Catching up). The state is verified by the
//! genesis; when none can be had the node starts all the same and goes through the blocks.

use super::contacts;
use crate::{
    commands::ledger::finality,
    failure::{Done, Failure},
    output::Progress,
};
use std::path::Path;
use trustmesh_client::Client;
use trustmesh_consensus::StateSnapshot;
use trustmesh_node::{NodeConfig, keystore, snapshot_path};
use trustmesh_types::{codec, genesis::Genesis};

/// Blocks behind the others from which on a state is taken.
const BLOCKS_MIN: u64 = 8_192;

/// Fetches a state for the node of a configuration, if it needs one.
pub async fn prepare(config: &NodeConfig) -> Done {
    let genesis = config.load_genesis().map_err(Failure::usage)?;
    let me = keystore::load(&config.key).map_err(Failure::usage)?.public();
    let known = contacts::known(config, &genesis).map_err(Failure::usage)?;
    let Some(client) = contacts::client(&genesis, &known, &me)? else { return Ok(()) };
    let own = newest_snapshot(&config.data_dir);
    // Without an answer there is nothing to catch up with.
    let Ok(status) = client.status().await else { return Ok(()) };
    let behind = status.height.saturating_sub(own);
    let pruned = status.oldest_block > own.saturating_add(1);
    if behind < BLOCKS_MIN && !(pruned && behind > 0) {
        return Ok(());
    }
    tell(&format!("{behind} blocks behind: fetching a snapshot of the ledger"));
    match fetch(&client, &genesis).await {
        Ok(bytes) => {
            std::fs::create_dir_all(&config.data_dir)
                .map_err(|e| Failure::unwritable(&config.data_dir, &e))?;
            let path = snapshot_path(&config.data_dir);
            std::fs::write(&path, bytes).map_err(|e| Failure::unwritable(&path, &e))
        }
        Err(why) => {
            tell(&format!("no snapshot: {why}; going through the blocks instead"));
            Ok(())
        }
    }
}

/// The node's log is not open yet.
fn tell(what: &str) {
    eprintln!("{what}");
}

async fn fetch(client: &Client, genesis: &Genesis) -> Done<Vec<u8>> {
    let progress = Progress::bar(0, "bytes");
    let bytes = client.snapshot(|have, of| progress.of(have, of)).await?;
    drop(progress);
    let snapshot: StateSnapshot =
        codec::decode("snapshot", &bytes, bytes.len()).map_err(Failure::failed)?;
    let mut rng: rand_chacha::ChaCha20Rng = rand_core::SeedableRng::from_seed(finality::entropy()?);
    snapshot.verify(&mut rng, genesis).map_err(Failure::failed)?;
    Ok(bytes)
}

/// Height of the newest snapshot that the node keeps: files named by it in hexadecimal.
fn newest_snapshot(data: &Path) -> u64 {
    let names = std::fs::read_dir(data.join("ledger").join("ledger-snapshots"));
    let names = names.into_iter().flatten().flatten().map(|entry| entry.file_name());
    let height = |name: std::ffi::OsString| u64::from_str_radix(name.to_str()?, 16).ok();
    names.filter_map(height).max().unwrap_or(0)
}

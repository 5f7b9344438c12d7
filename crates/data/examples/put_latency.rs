//! Prints what durable puts cost on this machine's disk: rate, latency and commits, for one
//! caller and for 64 at once. `cargo run --release -p trustmesh-data --example put_latency`

use bytes::Bytes;
use std::time::{Duration, Instant};
use trustmesh_data::{BlobKind, DataError, Store, StoreConfig};
use trustmesh_types::Digest;

const BLOB_BYTES: usize = 1_024;
const PUTS: usize = 2_048;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store");
    let store = Store::open(&path, StoreConfig::default())?;
    println!("blobs of {BLOB_BYTES} bytes");
    for callers in [1, 64] {
        measure(&store, callers).await?;
    }
    let (file, kept) = (std::fs::metadata(&path)?.len(), store.usage().bytes());
    println!("file: {} KiB for {} KiB of blobs", file / 1024, kept / 1024);
    Ok(())
}

async fn measure(store: &Store, callers: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (before, started) = (store.usage(), Instant::now());
    let tasks: Vec<_> =
        (0..callers).map(|caller| tokio::spawn(put_some(store.clone(), callers, caller))).collect();
    let mut latencies = Vec::with_capacity(PUTS);
    for task in tasks {
        latencies.extend(task.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let share = |part: usize| latencies.get(latencies.len() * part / 100).copied();
    println!(
        "{callers:>3} callers: {:>6.0} puts/s, p50 {:>8.2?}, p99 {:>8.2?}, {} puts in {} commits",
        latencies.len() as f64 / seconds,
        share(50).unwrap_or_default(),
        share(99).unwrap_or_default(),
        latencies.len(),
        store.usage().commits - before.commits,
    );
    Ok(())
}

async fn put_some(store: Store, callers: usize, caller: usize) -> Result<Vec<Duration>, DataError> {
    let mut latencies = Vec::new();
    for number in 0..PUTS / callers {
        let mut bytes = vec![0; BLOB_BYTES];
        for (slot, value) in bytes.iter_mut().zip(format!("{callers} {caller} {number}").bytes()) {
            *slot = value;
        }
        let (digest, started) = (Digest::of(&bytes), Instant::now());
        store.blobs().put(digest, BlobKind::Other, Bytes::from(bytes), u64::MAX).await?;
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

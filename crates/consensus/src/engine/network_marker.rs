//! Which network a data directory is of: its id in a blob, checked before anything else is
//! opened, so that a wrong genesis is told apart from damage.

use commonware_runtime::{Blob as _, Buf as _, Error, ReadOptions, Storage, WriteOptions};
use trustmesh_types::{Digest, NetworkId};

const ID_BYTES: usize = 32;

/// Marks fresh storage with `network`; gives the network it is marked with.
pub(super) async fn claim(
    storage: &impl Storage,
    partition: &str,
    network: NetworkId,
) -> Result<NetworkId, Error> {
    let partition = format!("{partition}-network");
    let (blob, length) = storage.open(&partition, b"id").await?;
    // Shorter: the process died while it marked fresh storage.
    if length < ID_BYTES as u64 {
        blob.write_at(0, network.0.as_ref().to_vec(), WriteOptions::default()).await?;
        blob.sync().await?;
        return Ok(network);
    }
    let mut read = blob.read_at(0, ID_BYTES, ReadOptions::default()).await?;
    let mut id = [0; ID_BYTES];
    read.copy_to_slice(&mut id);
    Ok(NetworkId(Digest(id)))
}

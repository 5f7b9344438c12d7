//! Whether the nodes' ledgers agree in the end, and charge nobody: none of them lied.

use crate::{commands::mesh::Mesh, failure::Done};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use trustmesh_api::ListQuery;
use trustmesh_client::{Client, Options};
use trustmesh_types::Digest;

/// For the slowest node to have the block that is compared.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Compares the block at the greatest height that a node has now; gives that height, and what
/// is not as it must be.
pub async fn compare(mesh: &Mesh) -> Done<(u64, Vec<String>)> {
    let options = || Options { rounds: 1, ..Options::default() };
    let clients: Vec<Client> =
        (0..mesh.nodes()).map(|index| mesh.client_of(index, options())).collect::<Done<_>>()?;
    let (mut height, mut flaws) = (0, Vec::new());
    for client in &clients {
        height = height.max(client.status().await.map_or(0, |status| status.height));
    }
    let until = Instant::now() + PATIENCE;
    let mut first: Option<Digest> = None;
    for (index, client) in clients.iter().enumerate() {
        let name = mesh.name(index);
        match digest_at(client, height, until).await {
            Ok(digest) if *first.get_or_insert(digest) == digest => {}
            Ok(digest) => flaws.push(format!("{name} has another block at {height}: {digest}")),
            Err(why) => flaws.push(format!("{name} has no block at {height}: {why}")),
        }
    }
    for node in mesh.client()?.nodes(&ListQuery::default()).await?.items {
        if node.faults > 0 {
            flaws.push(format!("{} is charged with {} faults", node.info.name, node.faults));
        }
    }
    Ok((height, flaws))
}

async fn digest_at(client: &Client, height: u64, until: Instant) -> Result<Digest, String> {
    loop {
        match client.block(height).await {
            Ok(block) => return Ok(block.digest),
            Err(error) if Instant::now() >= until => return Err(error.to_string()),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

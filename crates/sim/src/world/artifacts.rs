//! Artifacts between simulated nodes: asked for one node after another, and believed only when
//! the digest fits, as the daemon does chunk by chunk. A registry there is not.

use super::{driver::Local, mesh::Doors};
use commonware_runtime::{Clock as _, deterministic::Context};
use commonware_utils::channel::oneshot;
use std::time::Duration;
use trustmesh_agent::{Bytes, Obtain};
use trustmesh_types::{Digest, PublicKey};

/// An artifact from the first source that serves it, with what an operator should know of the
/// others; or why there is none. `way`: from one node to another.
pub(super) async fn fetch(
    context: &Context,
    doors: &Doors,
    way: Duration,
    wanted: &Obtain,
) -> Result<(Bytes, Option<String>), String> {
    let mut trouble = Vec::new();
    for source in &wanted.sources {
        context.sleep(way).await;
        let served = ask(doors, source, wanted.contents).await;
        context.sleep(way).await;
        match served {
            Some(bytes) if Digest::of(&bytes) == wanted.contents => {
                let note = (!trouble.is_empty()).then(|| trouble.join("; "));
                return Ok((bytes, note));
            }
            Some(_) => trouble.push(format!("{} serves another artifact", source.short())),
            None => {}
        }
    }
    Err(format!("none of {} nodes has it: {}", wanted.sources.len(), trouble.join("; ")))
}

async fn ask(doors: &Doors, source: &PublicKey, contents: Digest) -> Option<Bytes> {
    let door = doors.of_key(source)?;
    let (reply, answer) = oneshot::channel();
    door.inbox.send(Local::Fetch { contents, reply }).ok()?;
    // A node that dies drops what it was asked.
    answer.await.ok().flatten()
}

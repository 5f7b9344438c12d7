//! Says on the ledger that this node is ready to vote, when it is to be a validator and has
//! not said so, or does not know all the votes that it may have cast (docs/membership.md).
//!
//! It speaks only once it follows the chain: the committee counts on it from then on.

use crate::http::App;
use std::time::Duration;
use trustmesh_types::{
    Payload, SecretKey, Transaction, records::Standing, transaction::TRANSACTION_VERSION,
};

/// Between two looks whether there is something to say.
const INTERVAL: Duration = Duration::from_secs(1);
/// What was said is said again after this time, if it had no effect.
const AGAIN: Duration = Duration::from_secs(60);
/// Heights within which it must be on the ledger.
const LIFETIME_BLOCKS: u64 = 256;

/// Looks until the node stops.
pub(crate) async fn run(app: App, key: SecretKey) {
    loop {
        let pause = if is_due(&app) { say(&app, &key).await } else { INTERVAL };
        tokio::select! {
            () = app.stop.requested() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn is_due(app: &App) -> bool {
    let state = app.consensus.state();
    let Some(node) = state.node(&app.node).filter(|node| node.info.roles.validator) else {
        return false;
    };
    let wanted = match node.standing {
        Standing::Joining { .. } => true,
        Standing::Ready => app.consensus.votes_unknown(),
        Standing::Barred | Standing::Removed => false,
    };
    wanted && app.ready().ready
}

/// Says it; gives how long to wait.
async fn say(app: &App, key: &SecretKey) -> Duration {
    let state = app.consensus.state();
    let mut nonce = [0; 8];
    if getrandom::fill(&mut nonce).is_err() {
        return INTERVAL;
    }
    let lifetime = LIFETIME_BLOCKS.min(state.parameters().transaction_lifetime_blocks);
    let ready = Transaction {
        version: TRANSACTION_VERSION,
        network: app.network,
        signer: app.node,
        valid_until_height: state.height().saturating_add(lifetime),
        nonce: u64::from_be_bytes(nonce),
        payload: Payload::Ready,
    };
    match app.consensus.announce(ready.sign(key)).await {
        Ok(_) => {
            tracing::info!(
                "said that this node is ready to vote: it votes from a later committee on"
            );
            AGAIN
        }
        Err(error) => {
            tracing::warn!(%error, "can't say that this node is ready to vote");
            INTERVAL
        }
    }
}

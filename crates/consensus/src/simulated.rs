//! A ledger on the deterministic runtime, for simulations: the same code, virtual time, a
//! simulated network. Equal seeds give equal traces.

use crate::{
    engine::{self, CHANNELS, Network, Transport, channel_quota},
    error::StartError,
    handle::{Handle, Streams},
    keys::EngineKey,
    options::Options,
};
use commonware_p2p::simulated;
use commonware_runtime::{Handle as Task, deterministic};
use futures::future::BoxFuture;

/// The simulated network.
#[derive(Debug)]
pub struct Simulated;

impl Transport for Simulated {
    type Peers = simulated::Manager<EngineKey, deterministic::Context>;
    type Blocker = simulated::Control<EngineKey, deterministic::Context>;
    type Sender = simulated::Sender<EngineKey, deterministic::Context>;
    type Receiver = simulated::Receiver<EngineKey>;
}

/// The simulated network's switchboard.
pub type Oracle = simulated::Oracle<EngineKey, deterministic::Context>;

/// A node's end of the simulated network.
///
/// # Errors
/// When the network is gone or knows no such node.
pub async fn simulated_network(
    oracle: &Oracle,
    node: &EngineKey,
) -> Result<Network<Simulated>, simulated::Error> {
    let control = oracle.control(node.clone());
    let mut channels = Vec::with_capacity(CHANNELS);
    for channel in 0..CHANNELS {
        channels.push(control.register(channel as u64, channel_quota(channel)).await?);
    }
    let channels = channels.try_into().map_err(|_| simulated::Error::NetworkClosed)?;
    Ok(Network { peers: oracle.manager(), blocker: control, channels })
}

/// What a started ledger is used by: its handle, what it tells, and its task.
pub type Started = Result<(Handle, Streams, Task<()>), StartError>;

/// Starts a node's ledger. Aborting the task is a crash: what is on the runtime's storage
/// stays, and the node can be started again from it.
///
/// Boxed, so that the engine is compiled here and not once more in each crate that awaits it.
///
/// # Errors
/// [`StartError`].
pub fn start_sim(
    context: deterministic::Context,
    options: Options,
    network: Network<Simulated>,
) -> BoxFuture<'static, Started> {
    let directory = options.partition.clone();
    Box::pin(engine::start(context, options, network, directory))
}

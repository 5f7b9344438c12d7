//! A ledger on the deterministic runtime, for simulations: the same code, virtual time, a
//! simulated network. Equal seeds give equal traces.

use crate::{
    conduct::Conduct,
    engine::{self, CHANNELS, Network, Transport},
    error::StartError,
    handle::{Handle, Streams},
    keys::EngineKey,
    options::Options,
    tap::{self, Meter, Tap, Voice},
};
use commonware_p2p::simulated;
use commonware_runtime::{Handle as Task, deterministic};
use futures::future::BoxFuture;
use std::sync::Arc;

/// The simulated network.
#[derive(Debug)]
pub struct Simulated;

impl Transport for Simulated {
    type Peers = simulated::Manager<EngineKey, deterministic::Context>;
    type Blocker = simulated::Control<EngineKey, deterministic::Context>;
    type Sender = tap::Sender;
    type Receiver = tap::Receiver;
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
    let channels = tap::register(&control).await?;
    let channels = channels.map(|(sender, receiver)| (tap::Sender::plain(sender), receiver));
    Ok(Network { peers: oracle.manager(), blocker: control, channels })
}

/// A node's end of the simulated network whose messages a meter counts.
///
/// # Errors
/// When the network is gone or knows no such node.
pub async fn metered_network(
    oracle: &Oracle,
    node: &EngineKey,
    meter: Arc<dyn Meter>,
) -> Result<Network<Simulated>, simulated::Error> {
    let control = oracle.control(node.clone());
    let channels = tap::register(&control).await?;
    let inners = channels.each_ref().map(|(sender, _)| sender.clone());
    let mut senders = tap::Sender::metered(inners, &meter).into_iter();
    let channels = channels.map(|(plain, receiver)| {
        (senders.next().unwrap_or_else(|| tap::Sender::plain(plain)), receiver)
    });
    Ok(Network { peers: oracle.manager(), blocker: control, channels })
}

/// A node's end of the simulated network behind a tap, and a voice to speak in its name.
///
/// # Errors
/// When the network is gone or knows no such node.
pub async fn tapped_network(
    context: &deterministic::Context,
    oracle: &Oracle,
    node: &EngineKey,
    tap: Arc<dyn Tap>,
) -> Result<(Network<Simulated>, Voice), simulated::Error> {
    let control = oracle.control(node.clone());
    let channels = tap::register(&control).await?;
    let (senders, voice) =
        tap::Sender::tapped(context, channels.each_ref().map(|(sender, _)| sender.clone()), &tap);
    let mut senders = senders.into_iter();
    let mut ends = Vec::with_capacity(CHANNELS);
    for (plain, receiver) in channels {
        ends.push((senders.next().unwrap_or_else(|| tap::Sender::plain(plain)), receiver));
    }
    let channels = ends.try_into().map_err(|_| simulated::Error::NetworkClosed)?;
    Ok((Network { peers: oracle.manager(), blocker: control, channels }, voice))
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
    start_with(context, options, network, None)
}

/// Starts an evil node's ledger: a real one that does otherwise what `conduct` says.
///
/// # Errors
/// [`StartError`].
pub fn start_evil(
    context: deterministic::Context,
    options: Options,
    network: Network<Simulated>,
    conduct: Arc<dyn Conduct>,
) -> BoxFuture<'static, Started> {
    start_with(context, options, network, Some(conduct))
}

fn start_with(
    context: deterministic::Context,
    options: Options,
    network: Network<Simulated>,
    conduct: Option<Arc<dyn Conduct>>,
) -> BoxFuture<'static, Started> {
    let directory = options.partition.clone();
    Box::pin(engine::start(context, options, network, directory, conduct))
}

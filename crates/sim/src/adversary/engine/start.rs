//! Starting a node's ledger, evil or not.

use super::{Evil, Parts, babbler::babble, conduct};
use crate::{deviation::Deviation, error::SimError};
use commonware_runtime::{Spawner as _, Supervisor as _, deterministic::Context};
use std::{sync::Arc, time::Duration};
use trustmesh_consensus::{
    EngineKey, Meter, Options, Oracle, Started, Voice, metered_network, start_evil, start_sim,
    tapped_network,
};

/// What a node does beside its ledger: nothing, unless it babbles.
#[derive(Debug)]
pub(crate) struct Beside(Option<(Evil, Voice, Vec<EngineKey>)>);

impl Beside {
    /// Does it as a child of `context`.
    pub(crate) fn spawn(self, context: &Context) {
        if let Some((evil, voice, to)) = self.0 {
            context.child("babbler").spawn(move |context| babble(context, evil, voice, to));
        }
    }
}

/// Starts the ledger of the node `me` among `nodes`, as evil as it is. The meter counts
/// what an honest one sends; `leader_timeout` is the network's.
pub(crate) async fn start(
    context: &Context,
    (oracle, nodes, me): (&Oracle, &[EngineKey], &EngineKey),
    options: Options,
    (evil, meter): (Option<Evil>, Arc<dyn Meter>),
    leader_timeout: Duration,
) -> Result<(Started, Beside), SimError> {
    let chain = context.child("chain");
    let parts = evil.as_ref().and_then(|evil| conduct(evil, leader_timeout));
    let (Some(evil), Some(Parts { conduct, tap })) = (evil, parts) else {
        let network = metered_network(oracle, me, meter).await?;
        return Ok((start_sim(chain, options, network).await, Beside(None)));
    };
    let (network, voice) = tapped_network(context, oracle, me, tap).await?;
    let started = start_evil(chain, options, network, conduct).await;
    let babbles = evil.deviation == Deviation::Babbler;
    let others = || nodes.iter().filter(|node| *node != me).cloned().collect();
    Ok((started, Beside(babbles.then(|| (evil, voice, others())))))
}

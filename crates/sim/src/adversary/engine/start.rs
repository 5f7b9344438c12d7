//! Starting a node's ledger, evil or not.

use super::{Evil, Parts, babbler::babble, conduct};
use crate::{deviation::Deviation, error::SimError};
use commonware_runtime::{Spawner as _, Supervisor as _, deterministic::Context};
use std::{sync::Arc, time::Duration};
use trustmesh_consensus::{
    Conduct, EngineKey, Meter, Network, Options, Oracle, Simulated, Started, Voice,
    metered_network, start_evil, start_sim, tapped_network,
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

/// A node's end of the network, and what is evil about it: all that its ledger needs to start.
pub(crate) struct Ends {
    network: Network<Simulated>,
    conduct: Option<Arc<dyn Conduct>>,
    beside: Beside,
}

impl Ends {
    /// Those of the node `me` among `nodes`, as evil as it is. The meter counts what an honest
    /// one sends; `leader_timeout` is the network's.
    pub(crate) async fn of(
        context: &Context,
        (oracle, nodes, me): (&Oracle, &[EngineKey], &EngineKey),
        (evil, meter): (Option<Evil>, Arc<dyn Meter>),
        leader_timeout: Duration,
    ) -> Result<Self, SimError> {
        let parts = evil.as_ref().and_then(|evil| conduct(evil, leader_timeout));
        let (Some(evil), Some(Parts { conduct, tap })) = (evil, parts) else {
            let network = metered_network(oracle, me, meter).await?;
            return Ok(Self { network, conduct: None, beside: Beside(None) });
        };
        let (network, voice) = tapped_network(context, oracle, me, tap).await?;
        let babbles = evil.deviation == Deviation::Babbler;
        let others = || nodes.iter().filter(|node| *node != me).cloned().collect();
        let beside = Beside(babbles.then(|| (evil, voice, others())));
        Ok(Self { network, conduct: Some(conduct), beside })
    }

    /// Starts the ledger.
    pub(crate) async fn start(self, context: &Context, options: Options) -> (Started, Beside) {
        let chain = context.child("chain");
        let started = match self.conduct {
            None => start_sim(chain, options, self.network).await,
            Some(conduct) => start_evil(chain, options, self.network, conduct).await,
        };
        (started, self.beside)
    }
}

//! The network between the nodes of a world: links, cuts and weather.

use super::{arrivals::Arrivals, cast::Cast, strangers::Strangers};
use crate::{
    error::SimError,
    scenario::{Fault, Link, Scenario, Weather},
};
use commonware_p2p::{Manager as _, TrackedPeers, simulated as p2p};
use commonware_runtime::{Supervisor as _, deterministic::Context};
use commonware_utils::{NZUsize, Probability, ordered::Set};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};
use trustmesh_consensus::{EngineKey, Oracle, engine_public, max_message_size};

/// From one node to another.
type Way = (usize, usize);

/// See the module.
pub(crate) struct Network {
    oracle: Oracle,
    strangers: Strangers,
    seed: u64,
    keys: Vec<EngineKey>,
    /// How many of them vote: the first ones.
    voting: usize,
    /// The links as they are made; none where there is no way.
    links: BTreeMap<Way, Link>,
    /// Ways on which nothing goes for now.
    cuts: BTreeSet<Way>,
    weather: Arc<Mutex<Weather>>,
    /// The links as the simulated network has them.
    made: BTreeMap<Way, Link>,
}

impl Network {
    /// A network whose nodes are all linked once it is open, but for those that don't vote among
    /// themselves.
    pub(crate) fn new(
        context: &Context,
        scenario: &Scenario,
        cast: &Cast,
    ) -> Result<Self, SimError> {
        let flaw = |what: String| SimError::Scenario { scenario: scenario.name.clone(), what };
        let keys = cast.nodes.iter().map(|key| engine_public(&key.public()));
        let keys: Vec<EngineKey> =
            keys.collect::<Result<_, _>>().map_err(|e| flaw(e.to_string()))?;
        let config = p2p::Config {
            max_size: max_message_size(),
            max_peers_per_set: NonZeroUsize::new(keys.len()).unwrap_or(NonZeroUsize::MIN),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) = p2p::Network::new(context.child("network"), config);
        network.start();
        let (nodes, voting) = (keys.len(), cast.validators().min(keys.len()));
        let strangers = Strangers::new(oracle.clone(), scenario, cast);
        let ways = (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
        let links: BTreeMap<Way, Link> = ways
            .filter(|(from, to)| from != to && (*from < voting || *to < voting))
            .map(|(from, to)| ((from, to), scenario.links.between(from, to)))
            .collect();
        Ok(Self {
            oracle,
            strangers,
            seed: cast.seed,
            keys,
            voting,
            links,
            cuts: BTreeSet::new(),
            weather: Arc::default(),
            made: BTreeMap::new(),
        })
    }

    /// Makes everybody known to everybody, and the links. Not before all are there: each sender
    /// keeps who is known when it is made, once more for each of its clones, which of a thousand
    /// nodes would fill the machine.
    pub(crate) async fn open(&mut self) -> Result<(), SimError> {
        let (voters, followers) = self.keys.split_at(self.voting);
        let [voters, followers] = [voters, followers].map(|it| Set::from_iter_dedup(it.to_vec()));
        // It says no more than that the network is there.
        let _ = self.oracle.manager().track(0, TrackedPeers::new(voters, followers));
        self.tune().await
    }

    /// The switchboard, everybody on it, and a node among them.
    pub(crate) fn ends(
        &self,
        node: usize,
    ) -> Result<(&Oracle, &[EngineKey], &EngineKey), SimError> {
        let unknown = || SimError::Network { reason: format!("there is no node {node}") };
        let key = self.keys.get(node).ok_or_else(unknown)?;
        Ok((&self.oracle, self.keys.as_slice(), key))
    }

    /// Who links those that don't vote.
    pub(crate) fn strangers(&self) -> Strangers {
        self.strangers.clone()
    }

    /// How messages between agents arrive at a node in one of its lives.
    pub(crate) fn arrivals(&self, node: usize, life: u64) -> Arrivals {
        Arrivals::new(self.seed, (node, life), Arc::clone(&self.weather))
    }

    /// Lets a fault of the network happen.
    pub(crate) async fn inject(&mut self, fault: &Fault) -> Result<(), SimError> {
        match fault {
            Fault::Links(link) => {
                self.links.values_mut().for_each(|made| *made = *link);
            }
            Fault::Link(from, to, Some(link)) => {
                self.links.insert((*from, *to), *link);
            }
            Fault::Link(from, to, None) => {
                self.links.remove(&(*from, *to));
            }
            Fault::Part(group) => {
                let parts = |way: &Way| group.contains(&way.0) != group.contains(&way.1);
                self.cuts.extend(self.links.keys().filter(|way| parts(way)));
            }
            Fault::Mute(group) => {
                let mutes = |way: &Way| group.contains(&way.0) && !group.contains(&way.1);
                self.cuts.extend(self.links.keys().filter(|way| mutes(way)));
            }
            Fault::Heal => self.cuts.clear(),
            Fault::Weather(weather) => {
                *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = *weather;
            }
            _ => {}
        }
        self.tune().await
    }

    /// Makes the simulated network like the links, cuts and weather that there are now.
    async fn tune(&mut self) -> Result<(), SimError> {
        let weather = *self.weather.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.links.iter().filter(|(way, _)| !self.cuts.contains(way));
        let wanted: BTreeMap<Way, Link> =
            open.map(|(way, link)| (*way, link.under(&weather))).collect();
        let ways: BTreeSet<Way> = wanted.keys().chain(self.made.keys()).copied().collect();
        for way in ways {
            let (old, new) = (self.made.get(&way).copied(), wanted.get(&way).copied());
            if old != new {
                self.change(way, old.is_some(), new).await?;
            }
        }
        self.made = wanted;
        Ok(())
    }

    async fn change(&self, way: Way, old: bool, new: Option<Link>) -> Result<(), SimError> {
        let ends = (self.keys.get(way.0), self.keys.get(way.1));
        let (Some(from), Some(to)) = ends else { return Ok(()) };
        if old {
            self.oracle.remove_link(from.clone(), to.clone()).await?;
        }
        let Some(link) = new else { return Ok(()) };
        self.oracle.add_link(from.clone(), to.clone(), simulated(&link)?).await?;
        Ok(())
    }
}

/// A link as the simulated network takes it.
pub(super) fn simulated(link: &Link) -> Result<p2p::Link, SimError> {
    let delivered = 1_000u64.saturating_sub(u64::from(link.loss_per_mille));
    let success_rate = Probability::new(delivered, 1_000).ok_or_else(|| SimError::Network {
        reason: format!("{} of 1,000 messages can't get lost", link.loss_per_mille),
    })?;
    Ok(p2p::Link { latency: link.latency, jitter: link.jitter, success_rate })
}

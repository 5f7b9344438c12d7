//! Nodes that don't vote have no link to each other before a plan has one write to the other, as
//! real ones have no connection (`trustmesh_consensus`): a thousand workers would have half a
//! million.
//!
//! Faults of the network are drawn for links that are there from the beginning; these come later
//! and are as they were made.

use super::{cast::Cast, network};
use crate::{
    error::SimError,
    scenario::{Links, Scenario},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};
use trustmesh_consensus::{Oracle, engine_public};
use trustmesh_types::PublicKey;

/// See the module. Clones are the same.
#[derive(Clone)]
pub(crate) struct Strangers {
    oracle: Oracle,
    links: Arc<Links>,
    /// Those that don't vote, with their places.
    followers: Arc<BTreeMap<PublicKey, usize>>,
    met: Arc<Mutex<BTreeSet<(usize, usize)>>>,
}

impl Strangers {
    /// Nobody has met.
    pub(crate) fn new(oracle: Oracle, scenario: &Scenario, cast: &Cast) -> Self {
        let places = cast.nodes.iter().enumerate().skip(cast.validators());
        let followers = places.map(|(place, key)| (key.public(), place)).collect();
        let (links, followers) = (Arc::new(scenario.links.clone()), Arc::new(followers));
        Self { oracle, links, followers, met: Arc::default() }
    }

    /// Whether two have no link yet; from now on they count as linked.
    pub(crate) fn meet(&self, one: &PublicKey, other: &PublicKey) -> bool {
        let places = (self.followers.get(one), self.followers.get(other));
        let (Some(one), Some(other)) = places else { return false };
        let pair = (*one.min(other), *one.max(other));
        one != other && self.met.lock().unwrap_or_else(PoisonError::into_inner).insert(pair)
    }

    /// Links them both ways.
    pub(crate) async fn link(&self, one: &PublicKey, other: &PublicKey) -> Result<(), SimError> {
        let unknown = |e: trustmesh_consensus::BadKey| SimError::Network { reason: e.to_string() };
        for (from, to) in [(one, other), (other, one)] {
            let places = (self.followers.get(from), self.followers.get(to));
            let (Some(a), Some(b)) = places else { continue };
            let link = network::simulated(&self.links.between(*a, *b))?;
            let (from, to) = (engine_public(from), engine_public(to));
            let (from, to) = (from.map_err(unknown)?, to.map_err(unknown)?);
            self.oracle.add_link(from, to, link).await?;
        }
        Ok(())
    }
}

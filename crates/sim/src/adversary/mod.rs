//! Evil nodes (PROTOCOL §9): real ones, between whose agent and the world an [`Adversary`]
//! stands. It sees each input before the agent does and each effect before the
//! world does, may swallow or alter both, and does things of its own.
//!
//! - `scene`: what a deviation knows and what it can do;
//! - `plans`, `transactions`, `work`, `finalizer`, `stores`, `evidence`, `results`: the
//!   deviations, by what they attack; `craft`: plans and outputs that only look honest;
//! - `engine`: validators that are evil in agreement, below all that;
//! - `outsiders`: who is no node and tries all the same.
//!
//! Invariants: an evil node has its own key and those of its colluders, no other; final blocks
//! reach its agent unaltered, for they stand for what it can read; each evil act is counted
//! when it is done, so that an attack that never happens shows.

mod craft;
pub(crate) mod engine;
mod evidence;
mod finalizer;
mod outsiders;
mod plans;
mod results;
mod scene;
mod stores;
mod transactions;
mod work;

pub use outsiders::Outsider;
pub(crate) use outsiders::intrude;
pub(crate) use scene::{Deed, Ring};

use crate::{
    deviation::Deviation,
    world::{Heard, Recorder},
};
use scene::Scene;
use std::sync::Arc;
use trustmesh_agent::{Bytes, Effect, Input};
use trustmesh_state::State;
use trustmesh_types::{Digest, RequestId, SecretKey};

/// The part of a node that one deviation swaps. What it does not override stays honest.
trait Part: Send {
    /// An input on its way to the agent; `None` swallows it.
    fn hears(&mut self, _scene: &mut Scene, input: Input) -> Option<Input> {
        Some(input)
    }

    /// An effect on its way to the world; `None` swallows it.
    fn wants(&mut self, _scene: &mut Scene, effect: Effect) -> Option<Effect> {
        Some(effect)
    }

    /// What another node gets that wants an artifact; `None`: nothing.
    fn serves(
        &mut self,
        _scene: &mut Scene,
        _contents: Digest,
        held: Option<Bytes>,
    ) -> Option<Bytes> {
        held
    }

    /// What a device hears of a request that it waits for; `None` lets it wait.
    fn tells(
        &mut self,
        _scene: &mut Scene,
        _request: &RequestId,
        heard: Option<Heard>,
    ) -> Option<Heard> {
        heard
    }
}

/// The part that a deviation swaps above the engine, if it does: leaders and voters are evil
/// below.
fn part(deviation: Deviation) -> Option<Box<dyn Part>> {
    use Deviation as D;
    let part: Box<dyn Part> = match deviation {
        D::UninvitedPlanner | D::LatePlanner => Box::new(plans::Intruder::new(deviation)),
        D::Interferer => Box::new(plans::Interferer::default()),
        D::IncompletePlanner
        | D::DoublingPlanner
        | D::LevelPlanner
        | D::UnknownNodePlanner
        | D::OverCapacityPlanner
        | D::PolicyBreaker => Box::new(plans::Breaker::new(deviation)),
        D::SilentPlanner | D::SlowPlanner | D::Decliner | D::TwoPlans => {
            Box::new(plans::Unwilling::new(deviation))
        }
        D::Hog => Box::new(plans::Hog),
        D::Replayer => Box::new(transactions::Replayer::default()),
        D::Forger => Box::new(transactions::Forger::default()),
        D::Flooder => Box::new(transactions::Flooder::default()),
        D::LyingReporter => Box::new(transactions::LyingReporter::default()),
        D::WrongOutput | D::ColludingReplica => Box::new(work::Falsifier::new(deviation)),
        D::NoOutput => Box::new(work::Idler),
        D::OtherBytes | D::Withholder => Box::new(work::Holdback::new(deviation)),
        D::HugeOutput => Box::new(work::Inflater::default()),
        D::TwoCompletions => Box::new(work::Doubler::default()),
        D::SilentFinalizer | D::LostFinalizer => Box::new(finalizer::Finalizer::new(deviation)),
        D::LyingStore => Box::new(stores::LyingStore::default()),
        D::ArtifactSwapper => Box::new(stores::ArtifactSwapper),
        D::EvidenceForger => Box::new(evidence::Forger::default()),
        D::ResultRedirector => Box::new(results::Redirector::default()),
        D::EquivocatingLeader
        | D::CensoringLeader
        | D::ReorderingLeader
        | D::StallingLeader
        | D::InvalidTransactionLeader
        | D::StateRootLeader
        | D::TimestampLeader
        | D::FloodingLeader
        | D::DoubleVoter
        | D::BlindVoter
        | D::Babbler => return None,
    };
    Some(part)
}

/// See the module.
pub(crate) struct Adversary {
    parts: Vec<(Deviation, Box<dyn Part>)>,
    scene: Scene,
}

impl Adversary {
    /// The adversary in a node; `None` when none of its deviations shows above the engine.
    pub(crate) fn new(
        deviations: &[Deviation],
        key: SecretKey,
        ring: Arc<Ring>,
        recorder: Recorder,
        state: State,
    ) -> Option<Self> {
        let parts: Vec<_> = deviations
            .iter()
            .filter_map(|deviation| Some((*deviation, part(*deviation)?)))
            .collect();
        (!parts.is_empty()).then(|| Self { parts, scene: Scene::new(key, ring, recorder, state) })
    }

    /// Lets each part that may act already have its turn.
    fn each<T>(
        &mut self,
        now_ms: u64,
        mut thing: Option<T>,
        mut turn: impl FnMut(&mut dyn Part, &mut Scene, Option<T>) -> Option<T>,
    ) -> Option<T> {
        self.scene.now_ms = now_ms;
        for (deviation, part) in &mut self.parts {
            if self.scene.may_act(*deviation) {
                thing = turn(part.as_mut(), &mut self.scene, thing);
            }
        }
        thing
    }

    /// What the agent hears of an input.
    pub(crate) fn hears(&mut self, now_ms: u64, input: Input) -> Option<Input> {
        if let Input::Block(finalized) = &input {
            self.scene.state = finalized.state.clone();
        }
        self.each(now_ms, Some(input), |part, scene, input| part.hears(scene, input?))
    }

    /// What comes of an effect that the agent wants.
    pub(crate) fn wants(&mut self, now_ms: u64, effect: Effect) -> Option<Effect> {
        self.each(now_ms, Some(effect), |part, scene, effect| part.wants(scene, effect?))
    }

    /// What another node gets that wants an artifact, when an honest node would serve `held`.
    pub(crate) fn serves(&mut self, contents: Digest, held: Option<Bytes>) -> Option<Bytes> {
        let now_ms = self.scene.now_ms;
        self.each(now_ms, held, |part, scene, held| part.serves(scene, contents, held))
    }

    /// What a device hears of a request, when an honest node would let it hear `heard`.
    pub(crate) fn tells(
        &mut self,
        now_ms: u64,
        request: &RequestId,
        heard: Option<Heard>,
    ) -> Option<Heard> {
        self.each(now_ms, heard, |part, scene, heard| part.tells(scene, request, heard))
    }

    /// What it does of its own since it was asked last.
    pub(crate) fn deeds(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.scene.deeds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deviation_but_those_below_the_engine_swaps_a_part() {
        let honest: Vec<&str> = Deviation::ALL
            .iter()
            .filter(|deviation| part(**deviation).is_none())
            .map(|deviation| deviation.name())
            .collect();
        let below = |name: &&str| {
            name.ends_with("-leader") || name.ends_with("-voter") || **name == *"babbler"
        };
        assert!(honest.iter().all(below), "{honest:?}");
    }
}

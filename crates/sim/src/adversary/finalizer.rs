//! Evil finalizers (PROTOCOL §4, Finalization): one that never finalizes, and one that is gone
//! for good as soon as it has, before it delivers anything.

use super::{
    Part,
    scene::{Deed, Scene},
};
use crate::deviation::Deviation;
use trustmesh_agent::{Effect, Input};
use trustmesh_types::{Payload, receipt::Outcome};

/// See the module.
pub(super) struct Finalizer {
    deviation: Deviation,
}

impl Finalizer {
    pub(super) const fn new(deviation: Deviation) -> Self {
        Self { deviation }
    }
}

impl Part for Finalizer {
    fn hears(&mut self, scene: &mut Scene, input: Input) -> Option<Input> {
        if self.deviation == Deviation::LostFinalizer
            && let Input::Block(finalized) = &input
        {
            let both = finalized.block.transactions.iter().zip(&finalized.receipts);
            let finalized_it = both.into_iter().any(|(tx, receipt)| {
                tx.transaction.signer == scene.me
                    && matches!(tx.transaction.payload, Payload::Finalize(_))
                    && receipt.outcome == Outcome::Applied
            });
            if finalized_it {
                scene.did("is lost");
                scene.deeds.push(Deed::Die);
            }
        }
        Some(input)
    }

    fn wants(&mut self, scene: &mut Scene, effect: Effect) -> Option<Effect> {
        if self.deviation == Deviation::SilentFinalizer
            && matches!(effect, Effect::Transact(Payload::Finalize(_)))
        {
            scene.did("does not finalize");
            return None;
        }
        // Dead already, only the rest of the step is still on its way.
        let dead = scene.deeds.iter().any(|deed| matches!(deed, Deed::Die));
        (!dead).then_some(effect)
    }
}

//! Scenarios drawn from a seed: everything that varies, within what the protocol promises to
//! stand. At no time more than f nodes are evil, down, or have a clock that is far off;
//! partitions, and a power cut that takes every node at once, may go beyond: then safety must
//! hold, and liveness once all has healed.
//!
//! - `topology`: zones, latencies, disks, clocks;
//! - `trouble`: what goes wrong, until everything heals;
//! - `work`: what devices ask for and operators do.

mod topology;
mod trouble;
mod work;

use crate::{
    deviation::Deviation,
    dice::Dice,
    mixes::{Ingredient, MIXES, Mix},
    scenario::Scenario,
    workflows,
};
use std::time::Duration;
use trustmesh_types::{genesis::faults_tolerated, limits};

/// Sizes of meshes and how often each is drawn, in hundredths: a mesh of 16 takes twenty
/// times the time of one of 4.
const SIZES: [(u16, u64); 3] = [(4, 72), (7, 22), (16, 6)];

/// What scenarios are drawn: what is not fixed here, a seed draws.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// The kind; any of [`MIXES`] when `None`.
    pub mix: Option<&'static Mix>,
    /// How many nodes; 4, 7 or 16 when `None`.
    pub nodes: Option<u16>,
    /// How many of them are evil; when `None`, up to f in the kinds that have evil nodes.
    pub byzantine: Option<u16>,
}

/// What the parts of a drawing share.
pub(crate) struct Sketch {
    dice: Dice,
    nodes: usize,
    ingredients: Vec<Ingredient>,
    /// When everything has healed.
    heals: Duration,
    /// Nodes that may yet be down, or have a clock that is far off, at the same time.
    budget: usize,
    /// Honest nodes, in drawn order; each is used for one kind of trouble at most.
    spare: Vec<usize>,
}

impl Sketch {
    fn has(&self, ingredient: Ingredient) -> bool {
        self.ingredients.contains(&ingredient)
    }

    /// A time before everything heals.
    fn early(&self, purpose: &str, nth: u64) -> Duration {
        let most = u64::try_from(self.heals.as_millis()).unwrap_or(u64::MAX);
        self.dice.millis(purpose, nth, 0, most * 2 / 3)
    }
}

impl Terms {
    /// The scenario of a seed.
    #[must_use]
    pub fn draw(&self, seed: u64) -> Scenario {
        let dice = Dice::new(seed);
        let mix = self.mix.or_else(|| dice.pick("mix", 0, &MIXES.each_ref()));
        let nodes = self.nodes.unwrap_or_else(|| size(dice));
        let ingredients = mix.map(|mix| ingredients(mix, dice)).unwrap_or_default();
        let tolerated = faults_tolerated(nodes.into()) as u64;
        let evil = match self.byzantine {
            Some(count) => count.into(),
            None if ingredients.contains(&Ingredient::Evil) => {
                dice.range("evil", 0, tolerated.min(1), tolerated)
            }
            None => 0,
        };
        let evil = usize::try_from(evil).unwrap_or(0).min(nodes.into());
        let order = dice.shuffled("order", (0..usize::from(nodes)).collect());
        let (evil, spare) = order.split_at_checked(evil).unwrap_or((&[], &[]));
        let budget = usize::try_from(tolerated).unwrap_or(0).saturating_sub(evil.len());
        let heals = dice.millis("heals", 0, 2_000, if nodes > 7 { 4_000 } else { 6_000 });
        let quiet = ingredients.is_empty();
        let mut sketch = Sketch {
            dice,
            nodes: nodes.into(),
            ingredients,
            heals: if quiet { Duration::ZERO } else { heals },
            budget,
            spare: spare.to_vec(),
        };
        let name = mix.map_or("drawn", |mix| mix.name);
        let mut scenario = Scenario::new(name, nodes, vec![workflows::chain()], 0);
        scenario.evil = deviations(dice, evil);
        scenario.heals = sketch.heals;
        scenario.links = topology::links(&sketch);
        scenario.workload = work::workload(&sketch);
        if sketch.has(Ingredient::Operators) {
            // So that committees change while the world runs.
            scenario.parameters.epoch_blocks = *limits::EPOCH_BLOCKS.start();
        }
        trouble::brew(&mut sketch, &mut scenario);
        scenario
    }
}

fn size(dice: Dice) -> u16 {
    let mut drawn = dice.range("size", 0, 1, SIZES.iter().map(|(_, share)| share).sum());
    for (size, share) in SIZES {
        if drawn <= share {
            return size;
        }
        drawn -= share;
    }
    4
}

fn ingredients(mix: &Mix, dice: Dice) -> Vec<Ingredient> {
    let maybe = (0..).zip(mix.maybe).filter(|(nth, _)| dice.one_in("ingredient", *nth, 2));
    mix.always.iter().chain(maybe.map(|(_, ingredient)| ingredient)).copied().collect()
}

/// How evil nodes are evil: half of the time all in the same way.
fn deviations(dice: Dice, evil: &[usize]) -> Vec<(usize, Deviation)> {
    let alike = dice.one_in("alike", 0, 2);
    let kinds = (0..).zip(evil).filter_map(|(nth, node)| {
        let which = if alike { 0 } else { nth };
        Some((*node, dice.pick("deviation", which, Deviation::ALL)?))
    });
    kinds.collect()
}

#[cfg(test)]
mod tests;

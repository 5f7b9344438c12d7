//! Validators that are evil in agreement: leaders, voters, and one that babbles.
//!
//! Each is the real ledger with a [`Conduct`] (what it proposes and whether it judges) and a
//! [`Tap`] (what it sends). Until the mesh is ready a [`Switch`] keeps them honest, so that a
//! world begins in order; every evil act is counted.
//!
//! - `leaders`: those that propose what they should not, or not in time;
//! - `equivocator`: two blocks for one view; `voters`: two votes in one view;
//! - `babbler`: garbage on every channel; `start`: a node's ledger, evil or not.

mod babbler;
mod equivocator;
mod leaders;
mod start;
mod voters;

use crate::{derive, deviation::Deviation, world::Recorder};
pub(crate) use start::Ends;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use trustmesh_consensus::{Chosen, Conduct, Said, Tap};
use trustmesh_state::State;
use trustmesh_types::{Block, NetworkId, SecretKey};

/// Lets the evil be evil; clones are the same one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Switch(Arc<AtomicBool>);

impl Switch {
    /// From now on.
    pub(crate) fn on(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an evil part knows and counts.
#[derive(Debug, Clone)]
pub(crate) struct Evil {
    pub(crate) deviation: Deviation,
    pub(crate) key: SecretKey,
    pub(crate) network: NetworkId,
    /// The world's.
    pub(crate) seed: u64,
    pub(crate) switch: Switch,
    pub(crate) recorder: Recorder,
    /// Draws so far.
    drawn: Arc<AtomicU64>,
}

impl Evil {
    pub(crate) fn new(
        deviation: Deviation,
        key: SecretKey,
        network: NetworkId,
        seed: u64,
        (switch, recorder): (Switch, Recorder),
    ) -> Self {
        Self { deviation, key, network, seed, switch, recorder, drawn: Arc::default() }
    }

    /// Counts an evil act.
    fn act(&self) {
        self.recorder.evil_act(self.deviation.name().to_owned());
    }

    /// A number below `bound`, another one each time.
    fn draw(&self, bound: u64) -> u64 {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        derive::below(
            self.seed,
            &format!("{} {}", self.deviation, self.key.public()),
            number,
            bound,
        )
    }
}

/// The parts that an evil node's ledger is started with.
#[derive(Debug)]
struct Parts {
    conduct: Arc<dyn Conduct>,
    tap: Arc<dyn Tap>,
}

impl Deviation {
    /// Whether it is one of agreement, as `conduct` knows it.
    pub(crate) const fn of_engine(self) -> bool {
        matches!(
            self,
            Self::EquivocatingLeader
                | Self::CensoringLeader
                | Self::ReorderingLeader
                | Self::StallingLeader
                | Self::InvalidTransactionLeader
                | Self::StateRootLeader
                | Self::TimestampLeader
                | Self::FloodingLeader
                | Self::BlindVoter
                | Self::DoubleVoter
                | Self::Babbler
        )
    }
}

/// The parts of a node that deviates like this; `leader_timeout` is the network's. `None`:
/// it is honest in agreement.
fn conduct(evil: &Evil, leader_timeout: Duration) -> Option<Parts> {
    let evil = evil.clone();
    let leads = |conduct: Arc<dyn Conduct>| (conduct, Arc::new(Honest) as Arc<dyn Tap>);
    let says = |tap: Arc<dyn Tap>| (Arc::new(Honest) as Arc<dyn Conduct>, tap);
    let switch = evil.switch.clone();
    let (conduct, tap) = match evil.deviation {
        Deviation::EquivocatingLeader => {
            let both = Arc::new(equivocator::Equivocator::new(evil));
            (Arc::clone(&both) as Arc<dyn Conduct>, both as Arc<dyn Tap>)
        }
        Deviation::CensoringLeader => leads(Arc::new(leaders::Censor(evil))),
        Deviation::ReorderingLeader => leads(Arc::new(leaders::Reorderer(evil))),
        Deviation::StallingLeader => leads(Arc::new(leaders::Staller { evil, leader_timeout })),
        Deviation::InvalidTransactionLeader => leads(Arc::new(leaders::Forger(evil))),
        Deviation::StateRootLeader => leads(Arc::new(leaders::RootLiar(evil))),
        Deviation::TimestampLeader => leads(Arc::new(leaders::ClockLiar::new(evil))),
        Deviation::FloodingLeader => leads(Arc::new(leaders::Flooder::new(evil))),
        Deviation::BlindVoter => leads(Arc::new(voters::Blind(evil))),
        Deviation::DoubleVoter => says(Arc::new(voters::Double(evil))),
        Deviation::Babbler => says(Arc::new(babbler::Garbler(evil))),
        _ => return None,
    };
    Some(Parts {
        conduct: Arc::new(Switched { switch: switch.clone(), part: conduct }),
        tap: Arc::new(Switched { switch, part: tap }),
    })
}

/// Does as an honest node does.
#[derive(Debug)]
struct Honest;

impl Conduct for Honest {}

impl Tap for Honest {
    fn send(&self, _: usize, said: Said) -> Vec<Said> {
        vec![said]
    }
}

/// A part that is honest while the switch is off.
#[derive(Debug)]
struct Switched<T: ?Sized> {
    switch: Switch,
    part: Arc<T>,
}

impl Conduct for Switched<dyn Conduct> {
    fn choose(&self, parent: &State, chosen: Chosen) -> Chosen {
        if self.switch.is_on() { self.part.choose(parent, chosen) } else { chosen }
    }

    fn timestamp_ms(&self, right_ms: u64) -> u64 {
        if self.switch.is_on() { self.part.timestamp_ms(right_ms) } else { right_ms }
    }

    fn delay(&self) -> Duration {
        if self.switch.is_on() { self.part.delay() } else { Duration::ZERO }
    }

    fn seal(&self, parent: &State, block: Block) -> Block {
        if self.switch.is_on() { self.part.seal(parent, block) } else { block }
    }

    fn judges(&self) -> bool {
        !self.switch.is_on() || self.part.judges()
    }
}

impl Tap for Switched<dyn Tap> {
    fn send(&self, channel: usize, said: Said) -> Vec<Said> {
        if self.switch.is_on() { self.part.send(channel, said) } else { vec![said] }
    }
}

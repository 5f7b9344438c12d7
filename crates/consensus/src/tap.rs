//! What a simulated node sends can be heard and changed on its way out: dropped, altered,
//! doubled, delayed, sent to some and not to others. It is how lying votes, equivocating
//! leaders, garbage and duplicated messages are made (PROTOCOL §8, §9).
//!
//! A node without a tap sends as if this were not here. A [`Meter`] only counts, and changes
//! neither what is sent nor when.

use crate::{
    engine::{CHANNELS, channel_quota},
    keys::EngineKey,
};
use commonware_actor::{Feedback, Unreliable};
use commonware_p2p::{
    CheckedSender, LimitedSender, Message, Recipients, Sender as _, simulated, utils::limited,
};
use commonware_runtime::{Clock as _, IoBufs, Spawner as _, Supervisor as _, deterministic};
use commonware_utils::{NZUsize, channel::mpsc};
use std::{
    fmt::Debug,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Messages that a simulated channel holds at most: those of 8 peers at the least.
const SIMULATED_CAPACITY_MAX: NonZeroUsize = NZUsize!(4_096);

type Inner = simulated::Sender<EngineKey, deterministic::Context>;
type Unlimited = simulated::UnlimitedSender<EngineKey, deterministic::Context>;

/// Something that a node sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whom to.
    pub to: Vec<EngineKey>,
    /// The message; not larger than [`crate::max_message_size`].
    pub bytes: Vec<u8>,
    /// It leaves after this time.
    pub after: Duration,
}

/// Hears what a node sends.
pub trait Tap: Send + Sync + Debug {
    /// What is sent on a channel in place of `said`.
    fn send(&self, channel: usize, said: Said) -> Vec<Said>;
}

/// Counts what a node sends.
pub trait Meter: Send + Sync + Debug {
    /// A message of so many bytes leaves on a channel, for so many nodes.
    fn sent(&self, channel: usize, nodes: usize, bytes: usize);
}

/// Sends in a node's name what the node itself does not.
#[derive(Debug, Clone)]
pub struct Voice(mpsc::UnboundedSender<(usize, Said)>);

impl Voice {
    /// Sends on a channel; the tap does not hear it.
    pub fn say(&self, channel: usize, said: Said) {
        // The network may be gone.
        let _ = self.0.send((channel, said));
    }
}

#[derive(Debug, Clone)]
struct Tapped {
    channel: usize,
    tap: Arc<dyn Tap>,
    voice: Voice,
}

#[derive(Debug, Clone)]
struct Metered {
    channel: usize,
    meter: Arc<dyn Meter>,
}

/// A node's sender on one channel of the simulated network.
#[derive(Debug, Clone)]
pub struct Sender {
    inner: Inner,
    tapped: Option<Tapped>,
    metered: Option<Metered>,
}

impl Sender {
    /// Without a tap.
    pub(crate) const fn plain(inner: Inner) -> Self {
        Self { inner, tapped: None, metered: None }
    }

    /// All channels' senders of a node whose messages are counted.
    pub(crate) fn metered(inners: [Inner; CHANNELS], meter: &Arc<dyn Meter>) -> [Self; CHANNELS] {
        let mut channel = 0;
        inners.map(|inner| {
            let metered = Metered { channel, meter: Arc::clone(meter) };
            channel += 1;
            Self { inner, tapped: None, metered: Some(metered) }
        })
    }

    /// All channels' senders of a node behind a tap, and its voice. Messages are carried by
    /// a child of `context`.
    pub(crate) fn tapped(
        context: &deterministic::Context,
        inners: [Inner; CHANNELS],
        tap: &Arc<dyn Tap>,
    ) -> ([Self; CHANNELS], Voice) {
        let (queue, said) = mpsc::unbounded_channel();
        let (voice, carried) = (Voice(queue), inners.clone());
        context.child("courier").spawn(move |context| carry(context, carried, said));
        let mut channel = 0;
        let senders = inners.map(|inner| {
            let tapped = Tapped { channel, tap: Arc::clone(tap), voice: voice.clone() };
            channel += 1;
            Self { inner, tapped: Some(tapped), metered: None }
        });
        (senders, voice)
    }
}

/// Sends what is said, at its time; ends with the last one who could say something.
async fn carry(
    context: deterministic::Context,
    senders: [Inner; CHANNELS],
    mut said: mpsc::UnboundedReceiver<(usize, Said)>,
) {
    while let Some((channel, Said { to, bytes, after })) = said.recv().await {
        let Some(mut sender) = senders.get(channel).cloned() else { continue };
        let go = move || sender.send(Recipients::Some(to), bytes, false);
        if after.is_zero() {
            go();
        } else {
            context.child("delayed").spawn(move |context| async move {
                context.sleep(after).await;
                go();
            });
        }
    }
}

/// A message that may be sent now.
pub struct Checked<'a> {
    inner: limited::CheckedSender<'a, Unlimited>,
    tapped: Option<&'a Tapped>,
    metered: Option<&'a Metered>,
}

impl Debug for Checked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checked({:?})", self.inner.recipients())
    }
}

impl LimitedSender for Sender {
    type PublicKey = EngineKey;
    type Checked<'a> = Checked<'a>;

    fn check(&mut self, to: Recipients<EngineKey>) -> Result<Checked<'_>, SystemTime> {
        let (tapped, metered) = (self.tapped.as_ref(), self.metered.as_ref());
        Ok(Checked { inner: self.inner.check(to)?, tapped, metered })
    }
}

impl CheckedSender for Checked<'_> {
    type PublicKey = EngineKey;

    fn recipients(&self) -> Vec<EngineKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let Some(Tapped { channel, tap, voice }) = self.tapped else {
            let message: IoBufs = message.into();
            if let Some(Metered { channel, meter }) = self.metered {
                meter.sent(*channel, self.inner.recipients().len(), message.len());
            }
            return self.inner.send(message, priority);
        };
        let (to, bytes) = (self.inner.recipients(), message.into().coalesce().into());
        for said in tap.send(*channel, Said { to, bytes, after: Duration::ZERO }) {
            voice.say(*channel, said);
        }
        Unreliable::new(Feedback::Ok)
    }
}

/// A node's receiver on one channel of the simulated network.
#[derive(Debug)]
pub struct Receiver(simulated::Receiver<EngineKey>);

impl commonware_p2p::Receiver for Receiver {
    type Error = <simulated::Receiver<EngineKey> as commonware_p2p::Receiver>::Error;
    type PublicKey = EngineKey;

    async fn recv(&mut self) -> Result<Message<EngineKey>, Self::Error> {
        self.0.recv().await
    }

    /// As on a real network, quota by peers, but for large meshes: what reads from it takes
    /// memory for that many messages at once, and a thousand nodes share one machine here.
    fn capacity(&self) -> NonZeroUsize {
        self.0.capacity().min(SIMULATED_CAPACITY_MAX)
    }
}

/// Registers a node's channels.
pub(crate) async fn register(
    control: &simulated::Control<EngineKey, deterministic::Context>,
) -> Result<[(Inner, Receiver); CHANNELS], simulated::Error> {
    let mut channels = Vec::with_capacity(CHANNELS);
    for channel in 0..CHANNELS {
        let (sender, receiver) = control.register(channel as u64, channel_quota(channel)).await?;
        channels.push((sender, Receiver(receiver)));
    }
    channels.try_into().map_err(|_| simulated::Error::NetworkClosed)
}

//! Garbage on every channel: bytes of no meaning, and own messages with a byte changed.

use super::{Evil, Switch};
use crate::derive;
use commonware_runtime::{Clock as _, deterministic::Context};
use std::time::Duration;
use trustmesh_consensus::{CHANNELS, EngineKey, Said, Tap, Voice};

/// Between two utterances.
const PAUSE: Duration = Duration::from_millis(40);
/// Longest utterance.
const BYTES_MAX: u64 = 600;
/// One own message in so many is garbled.
const ONE_IN: u64 = 8;

/// Changes a byte of some of its messages.
#[derive(Debug)]
pub(super) struct Garbler(pub(super) Evil);

impl Tap for Garbler {
    fn send(&self, _: usize, mut said: Said) -> Vec<Said> {
        if self.0.draw(ONE_IN) == 0 {
            let length = said.bytes.len().max(1) as u64;
            let at = usize::try_from(self.0.draw(length)).unwrap_or_default();
            if let Some(byte) = said.bytes.get_mut(at) {
                *byte ^= 0x55;
                self.0.act();
            }
        }
        vec![said]
    }
}

/// Says things without meaning to everybody, on every channel in turn, until it is aborted.
pub(crate) async fn babble(context: Context, evil: Evil, voice: Voice, to: Vec<EngineKey>) {
    let switch: Switch = evil.switch.clone();
    for number in 0u64.. {
        context.sleep(PAUSE).await;
        if !switch.is_on() {
            continue;
        }
        let length = evil.draw(BYTES_MAX);
        let bytes: Vec<u8> = (0..=length / 32)
            .flat_map(|part| derive::bytes(evil.seed, "babble", number << 16 | part))
            .take(usize::try_from(length).unwrap_or_default())
            .collect();
        let channel = usize::try_from(number).unwrap_or_default() % CHANNELS;
        voice.say(channel, Said { to: to.clone(), bytes, after: Duration::ZERO });
        evil.act();
    }
}

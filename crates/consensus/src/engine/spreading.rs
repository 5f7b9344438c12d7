//! Whom a certificate goes to.
//!
//! Every validator hears all votes and puts the certificates of 2f+1 of them together itself.
//! The engine lets each send each certificate to everybody all the same, which helps who missed
//! votes, and takes bytes that grow with the cube of the committee. Here a certificate goes to a
//! receiver from [`CERTIFICATE_SENDERS`] validators at most, drawn anew for each certificate, so
//! bytes grow with the square. Whoever gets a certificate that it had not sends it on in the same
//! way. The engine sends a certificate again when a view times out: then it goes to everybody.
//!
//! Invariants: nothing changes in committees with fewer receivers than that; votes, and what is
//! proved, do not depend on it.

use crate::{
    keys::EngineKey,
    limits::{CERTIFICATE_SENDERS, CERTIFICATES_REMEMBERED},
};
use commonware_actor::{Feedback, Unreliable};
use commonware_cryptography::{Hasher as _, Sha256, sha256};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender};
use commonware_runtime::IoBufs;
use commonware_utils::sync::Mutex;
use std::{collections::VecDeque, sync::Arc, time::SystemTime};

/// The seat of a node in its committee, and what it has sent.
#[derive(Clone)]
struct Seat {
    /// `None`: it is not of the committee.
    index: Option<u32>,
    /// How many validators there are; at least one.
    validators: u32,
    /// Digests of certificates, the newest last.
    sent: Arc<Mutex<VecDeque<sha256::Digest>>>,
}

impl Seat {
    /// Whether this certificate was not sent yet; it is from now on.
    fn is_first(&self, certificate: sha256::Digest) -> bool {
        let mut sent = self.sent.lock();
        if sent.contains(&certificate) {
            return false;
        }
        if sent.len() >= CERTIFICATES_REMEMBERED {
            sent.pop_front();
        }
        sent.push_back(certificate);
        true
    }

    /// Whether this node is among those that a receiver gets the certificate from.
    fn is_drawn(&self, certificate: &sha256::Digest, receiver: &EngineKey) -> bool {
        let Some(index) = self.index else { return false };
        // Keys and digests are evenly spread.
        let (pairs, _) = certificate.0.as_chunks::<2>();
        let [a, b, ..] = *receiver.as_ref() else { return false };
        let start = u32::from(u16::from_le_bytes([a, b]));
        let mut offsets =
            pairs.iter().take(CERTIFICATE_SENDERS).map(|pair| u32::from(u16::from_le_bytes(*pair)));
        offsets.any(|offset| (start + offset) % self.validators == index)
    }
}

/// A sender of certificates.
#[derive(Clone)]
pub(super) struct Spreading<S> {
    everybody: S,
    few: S,
    /// `None`: the committee is small.
    seat: Option<Seat>,
}

impl<S: Clone> Spreading<S> {
    /// For the node at `index` of a committee of so many validators.
    pub(super) fn new(sender: S, index: Option<u32>, validators: usize) -> Self {
        let validators = u32::try_from(validators).unwrap_or(u32::MAX);
        let large = validators as usize > CERTIFICATE_SENDERS.saturating_add(1);
        let seat = large.then(|| Seat { index, validators, sent: Arc::default() });
        Self { everybody: sender.clone(), few: sender, seat }
    }
}

impl<S: Sender<PublicKey = EngineKey>> LimitedSender for Spreading<S> {
    type PublicKey = EngineKey;
    type Checked<'a> = Checked<'a, S>;

    fn check(&mut self, to: Recipients<EngineKey>) -> Result<Checked<'_, S>, SystemTime> {
        let seat = self.seat.as_ref().filter(|_| matches!(to, Recipients::All));
        Ok(Checked { everybody: self.everybody.check(to)?, few: &mut self.few, seat })
    }
}

/// A certificate may be sent now.
pub(super) struct Checked<'a, S: Sender<PublicKey = EngineKey>> {
    everybody: S::Checked<'a>,
    few: &'a mut S,
    seat: Option<&'a Seat>,
}

impl<S: Sender<PublicKey = EngineKey>> CheckedSender for Checked<'_, S> {
    type PublicKey = EngineKey;

    fn recipients(&self) -> Vec<EngineKey> {
        self.everybody.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let Some(seat) = self.seat else { return self.everybody.send(message, priority) };
        let message = message.into().coalesce();
        let certificate = Sha256::hash(&[message.as_ref()]);
        if !seat.is_first(certificate) {
            return self.everybody.send(message, priority);
        }
        let mut to = self.everybody.recipients();
        to.retain(|receiver| seat.is_drawn(&certificate, receiver));
        if to.is_empty() {
            return Unreliable::new(Feedback::Ok);
        }
        match self.few.check(Recipients::Some(to)) {
            Ok(checked) => checked.send(message, priority),
            // They are at their limits; they get it from others.
            Err(_) => Unreliable::Rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::engine_secret;
    use commonware_cryptography::Signer as _;
    use trustmesh_types::SecretKey;

    const VALIDATORS: u8 = 64;

    fn receivers() -> Vec<EngineKey> {
        let key = |n| engine_secret(&SecretKey::from_seed([n; 32])).public_key();
        (1..=VALIDATORS).map(key).collect()
    }

    fn seat(index: Option<u32>) -> Seat {
        Seat { index, validators: VALIDATORS.into(), sent: Arc::default() }
    }

    fn senders(certificate: &sha256::Digest, receiver: &EngineKey) -> Vec<u32> {
        let drawn = |index: &u32| seat(Some(*index)).is_drawn(certificate, receiver);
        (0..VALIDATORS.into()).filter(drawn).collect()
    }

    #[test]
    fn everybody_gets_each_certificate_from_a_few() {
        for n in 0..32_u8 {
            let certificate = Sha256::hash(&[&[n]]);
            for receiver in receivers() {
                let senders = senders(&certificate, &receiver).len();
                assert!((3..=CERTIFICATE_SENDERS).contains(&senders), "{senders}");
            }
        }
    }

    #[test]
    fn senders_are_drawn_anew_for_each_certificate() {
        let receiver = &receivers()[0];
        let drawn = |n: u8| senders(&Sha256::hash(&[&[n]]), receiver);
        assert_ne!(drawn(1), drawn(2));
        assert_eq!(drawn(1), drawn(1));
    }

    #[test]
    fn who_is_not_of_the_committee_sends_nothing_on() {
        let drawn = |n: u8| seat(None).is_drawn(&Sha256::hash(&[&[n]]), &receivers()[0]);
        assert!(!(0..=255).any(drawn));
    }

    #[test]
    fn a_certificate_is_new_once() {
        let seat = seat(Some(0));
        let certificate = |n: usize| Sha256::hash(&[&n.to_le_bytes()]);
        assert!(seat.is_first(certificate(0)));
        assert!(!seat.clone().is_first(certificate(0)));
        // It is forgotten after as many others.
        for n in 1..=CERTIFICATES_REMEMBERED {
            assert!(seat.is_first(certificate(n)));
        }
        assert!(seat.is_first(certificate(0)));
    }

    #[test]
    fn a_small_committee_is_told_by_everybody() {
        let small = CERTIFICATE_SENDERS + 1;
        assert!(Spreading::new((), Some(0), small).seat.is_none());
        assert!(Spreading::new((), Some(0), small + 1).seat.is_some());
    }
}

//! Whom a certificate goes to.
//!
//! Every validator hears all votes and puts the certificates of 2f+1 of them together itself.
//! The engine lets each send each certificate to everybody all the same, which helps who missed
//! votes, and takes bytes that grow with the cube of the committee. Here a certificate goes to a
//! receiver from [`CERTIFICATE_SENDERS`] validators at most, drawn anew for each certificate, so
//! bytes grow with the square. Whoever gets a certificate that it had not sends it on in the same
//! way. The engine sends a certificate again when a view times out: then it goes to everybody.
//!
//! A node that connects is told the newest certificates: one that was away for a moment learns
//! of its turn to lead before the others have waited for it in vain.
//!
//! Invariants: a small committee is told by everybody; votes, and what is proved, do not depend
//! on any of this.

use crate::{
    keys::EngineKey,
    limits::{
        CERTIFICATE_SENDERS, CERTIFICATES_REMEMBERED, CERTIFICATES_TOLD, CONNECTIONS_INTERVAL,
    },
    runtime::Runtime,
};
use commonware_actor::{Feedback, Unreliable};
use commonware_cryptography::{Hasher as _, Sha256, sha256};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender};
use commonware_runtime::{IoBuf, IoBufs};
use commonware_utils::sync::Mutex;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Weak},
    time::SystemTime,
};

/// A validator's place in its committee.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    /// Its index; `None` for a node that is not of the committee.
    pub(super) index: Option<u32>,
    /// How many validators there are.
    pub(super) validators: u32,
}

impl Seat {
    /// Whether this node is among those that a receiver gets the certificate from.
    fn is_drawn(self, certificate: &sha256::Digest, receiver: &EngineKey) -> bool {
        let Some(index) = self.index else { return false };
        if self.validators as usize <= CERTIFICATE_SENDERS.saturating_add(1) {
            return true;
        }
        // Keys and digests are evenly spread.
        let (pairs, _) = certificate.0.as_chunks::<2>();
        let [a, b, ..] = *receiver.as_ref() else { return false };
        let start = u32::from(u16::from_le_bytes([a, b]));
        let mut offsets =
            pairs.iter().take(CERTIFICATE_SENDERS).map(|pair| u32::from(u16::from_le_bytes(*pair)));
        offsets.any(|offset| (start + offset) % self.validators == index)
    }
}

/// The certificates that were sent last, the newest last.
#[derive(Default)]
struct Sent(Mutex<VecDeque<(sha256::Digest, IoBuf)>>);

impl Sent {
    /// Whether this one was not sent yet; it is from now on.
    fn is_first(&self, digest: sha256::Digest, certificate: IoBuf) -> bool {
        let mut sent = self.0.lock();
        if sent.iter().any(|(known, _)| *known == digest) {
            return false;
        }
        if sent.len() >= CERTIFICATES_REMEMBERED {
            sent.pop_front();
        }
        sent.push_back((digest, certificate));
        true
    }

    fn newest(&self) -> Vec<IoBuf> {
        let sent = self.0.lock();
        let old = sent.len().saturating_sub(CERTIFICATES_TOLD);
        sent.iter().skip(old).map(|(_, certificate)| certificate.clone()).collect()
    }
}

/// A sender of certificates.
#[derive(Clone)]
pub(super) struct Spreading<S> {
    everybody: S,
    few: S,
    seat: Seat,
    sent: Arc<Sent>,
}

impl<S: Sender<PublicKey = EngineKey>> Spreading<S> {
    /// For a node of that seat; as long as it is there, whoever connects to a validator is told.
    pub(super) fn new<E: Runtime>(context: &E, sender: S, seat: Seat) -> Self {
        let sent = Arc::new(Sent::default());
        if seat.index.is_some() {
            let (sender, sent) = (sender.clone(), Arc::downgrade(&sent));
            context.child("newcomers").spawn(move |context| tell(context, sender, sent));
        }
        Self { everybody: sender.clone(), few: sender, seat, sent }
    }
}

/// Tells who is connected now and was not before the newest certificates.
async fn tell<E: Runtime, S>(context: E, mut sender: S, sent: Weak<Sent>)
where
    S: Sender<PublicKey = EngineKey>,
{
    let mut connected = BTreeSet::new();
    loop {
        context.sleep(CONNECTIONS_INTERVAL).await;
        let Some(sent) = sent.upgrade() else { return };
        // All are at their limits.
        let Ok(checked) = sender.check(Recipients::All) else { continue };
        let now: BTreeSet<EngineKey> = checked.recipients().into_iter().collect();
        drop(checked);
        let new: Vec<EngineKey> = now.difference(&connected).cloned().collect();
        connected = now;
        if new.is_empty() {
            continue;
        }
        for certificate in sent.newest() {
            sender.send(Recipients::Some(new.clone()), certificate, true);
        }
    }
}

impl<S: Sender<PublicKey = EngineKey>> LimitedSender for Spreading<S> {
    type PublicKey = EngineKey;
    type Checked<'a> = Checked<'a, S>;

    fn check(&mut self, to: Recipients<EngineKey>) -> Result<Checked<'_, S>, SystemTime> {
        let everybody = self.everybody.check(to)?;
        Ok(Checked { everybody, few: &mut self.few, seat: self.seat, sent: &self.sent })
    }
}

/// A certificate may be sent now.
pub(super) struct Checked<'a, S: Sender<PublicKey = EngineKey>> {
    everybody: S::Checked<'a>,
    few: &'a mut S,
    seat: Seat,
    sent: &'a Sent,
}

impl<S: Sender<PublicKey = EngineKey>> CheckedSender for Checked<'_, S> {
    type PublicKey = EngineKey;

    fn recipients(&self) -> Vec<EngineKey> {
        self.everybody.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let certificate = message.into().coalesce();
        let digest = Sha256::hash(&[certificate.as_ref()]);
        if !self.sent.is_first(digest, certificate.clone()) {
            return self.everybody.send(certificate, priority);
        }
        let all = self.everybody.recipients();
        let to = all.iter().filter(|receiver| self.seat.is_drawn(&digest, receiver));
        let to: Vec<EngineKey> = to.cloned().collect();
        if to.len() == all.len() {
            return self.everybody.send(certificate, priority);
        }
        match self.few.check(Recipients::Some(to)) {
            Ok(checked) => checked.send(certificate, priority),
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

    fn digest(n: usize) -> sha256::Digest {
        Sha256::hash(&[&n.to_le_bytes()])
    }

    fn receivers() -> Vec<EngineKey> {
        let key = |n| engine_secret(&SecretKey::from_seed([n; 32])).public_key();
        (1..=VALIDATORS).map(key).collect()
    }

    fn senders(validators: u32, certificate: usize, receiver: &EngineKey) -> Vec<u32> {
        let seat = |index: u32| Seat { index: Some(index), validators };
        let drawn = |index: &u32| seat(*index).is_drawn(&digest(certificate), receiver);
        (0..validators).filter(drawn).collect()
    }

    #[test]
    fn everybody_gets_each_certificate_from_a_few() {
        for certificate in 0..32 {
            for receiver in receivers() {
                let senders = senders(VALIDATORS.into(), certificate, &receiver).len();
                assert!((3..=CERTIFICATE_SENDERS).contains(&senders), "{senders}");
            }
        }
    }

    #[test]
    fn senders_are_drawn_anew_for_each_certificate() {
        let drawn = |certificate| senders(VALIDATORS.into(), certificate, &receivers()[0]);
        assert_ne!(drawn(1), drawn(2));
        assert_eq!(drawn(1), drawn(1));
    }

    #[test]
    fn a_small_committee_is_told_by_everybody() {
        assert_eq!(senders(9, 1, &receivers()[0]).len(), 9);
        assert!(senders(10, 1, &receivers()[0]).len() < 10);
    }

    #[test]
    fn who_is_not_of_the_committee_sends_nothing_on() {
        for validators in [4, 64] {
            let seat = Seat { index: None, validators };
            assert!(!(0..256).any(|n| seat.is_drawn(&digest(n), &receivers()[0])));
        }
    }

    #[test]
    fn a_certificate_is_new_once_and_the_newest_are_told() {
        let sent = Sent::default();
        let add = |n: usize| sent.is_first(digest(n), IoBuf::from(n.to_le_bytes().to_vec()));
        assert!(add(0));
        assert!(!add(0));
        // It is forgotten after as many others.
        assert!((1..=CERTIFICATES_REMEMBERED).all(add));
        assert!(add(0));
        let told = sent.newest();
        assert_eq!(told.len(), CERTIFICATES_TOLD);
        assert_eq!(told.last().map(AsRef::as_ref), Some(0_usize.to_le_bytes().as_slice()));
    }
}

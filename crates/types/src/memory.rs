//! A memory of signatures that were found good, for simulations: many nodes of one process
//! check the same ones, and whether a signature is good is a pure function of its claim.
//!
//! Nothing is remembered unless a [`Memory`] lives on the thread, so nodes never use it. It
//! holds good claims alone: a bad one is found bad each time.

use crate::{crypto::Claim, digest::Digest};
use std::{cell::RefCell, collections::BTreeSet};

/// Claims that are remembered; all are forgotten when there are more.
const CLAIMS_MAX: usize = 1 << 18;

thread_local! {
    static GOOD: RefCell<Option<BTreeSet<Digest>>> = const { RefCell::new(None) };
}

/// While it lives, this thread remembers which signatures are good.
#[derive(Debug)]
pub struct Memory(());

impl Memory {
    /// Begins with nothing.
    #[must_use]
    pub fn begin() -> Self {
        GOOD.with_borrow_mut(|good| *good = Some(BTreeSet::new()));
        Self(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        GOOD.with_borrow_mut(|good| *good = None);
    }
}

/// Whether the claim of that digest is known to be good.
pub(crate) fn knows(claim: &Digest) -> bool {
    GOOD.with_borrow(|good| good.as_ref().is_some_and(|good| good.contains(claim)))
}

/// Remembers that the claim of that digest is good.
pub(crate) fn learn(claim: Digest) {
    GOOD.with_borrow_mut(|good| {
        let Some(good) = good else { return };
        if good.len() >= CLAIMS_MAX {
            good.clear();
        }
        good.insert(claim);
    });
}

/// Checks a claim by `check`, unless it is known to be good.
pub(crate) fn check<E>(claim: &Claim, check: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    if GOOD.with_borrow(Option::is_none) {
        return check();
    }
    let digest = claim.digest();
    if knows(&digest) {
        return Ok(());
    }
    check().inspect(|()| learn(digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, NetworkId, SecretKey, crypto::BatchVerifier};

    fn claim(n: u8, good: bool) -> Claim {
        let (key, network) = (SecretKey::from_seed([n; 32]), NetworkId(Digest([1; 32])));
        let mut signature = key.sign(Domain::Transaction, &network, &[n]);
        signature.0[40] ^= u8::from(!good);
        Claim::new(key.public(), Domain::Transaction, &network, &[n], signature)
    }

    fn batch(claims: &[Claim]) -> Result<(), Vec<usize>> {
        let mut batch = BatchVerifier::new();
        claims.iter().for_each(|claim| batch.add(claim));
        batch.verify(&[3; 32])
    }

    #[test]
    fn verdicts_are_the_same_with_it_and_without() {
        let claims: Vec<Claim> = (0..20).map(|n| claim(n, n % 7 != 3)).collect();
        let without = (batch(&claims), claims.iter().map(|c| c.verify().is_ok()).collect());
        let memory = Memory::begin();
        for _ in 0..2 {
            let with: Vec<bool> = claims.iter().map(|c| c.verify().is_ok()).collect();
            assert_eq!((batch(&claims), with), without);
        }
        assert_eq!(batch(&claims[..3]), Ok(()));
        drop(memory);
        assert!(!knows(&claims[0].digest()), "forgotten with it");
        assert_eq!(batch(&claims), without.0);
    }

    #[test]
    fn only_good_ones_are_remembered() {
        let _memory = Memory::begin();
        let (good, bad) = (claim(1, true), claim(2, false));
        assert_eq!(batch(&[good.clone(), bad.clone()]), Err(vec![1]));
        assert!(knows(&good.digest()) && !knows(&bad.digest()));
        assert!(bad.verify().is_err());
        assert!(!knows(&bad.digest()));
    }
}

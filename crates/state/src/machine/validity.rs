//! Validity: which transactions a block may hold at all (PROTOCOL §2).
//!
//! All but the signature, which the caller checks in batches. Membership is read from the
//! parent's state: a member of the same block transacts from the next one on.

use crate::{
    state::State,
    tables::{Members, Seen},
};
use std::collections::BTreeMap;
use trustmesh_types::{
    NetworkId, PublicKey, SignedTransaction, TxId,
    mutants::{Mutant, mutated},
    records::{Member, Standing},
    transaction::TRANSACTION_VERSION,
};

/// Why no block may hold a transaction now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A version that this program does not know.
    #[error("the transaction has version {got}, this network takes version {TRANSACTION_VERSION}")]
    Version {
        /// Its version.
        got: u8,
    },
    /// Meant for another network.
    #[error(
        "the transaction is for network {got}, this is network {here}; use this network's genesis"
    )]
    Network {
        /// Its network.
        got: NetworkId,
        /// This network.
        here: NetworkId,
    },
    /// Its last height has passed.
    #[error(
        "the transaction was valid until height {valid_until}, the next block has {next}; sign it anew"
    )]
    Expired {
        /// Its last height.
        valid_until: u64,
        /// Height of the next block.
        next: u64,
    },
    /// Its last height lies too far ahead.
    #[error(
        "the transaction is valid until height {valid_until}, at most {max} is allowed now; sign it anew"
    )]
    LivesTooLong {
        /// Its last height.
        valid_until: u64,
        /// The furthest allowed.
        max: u64,
    },
    /// On the ledger already.
    #[error("transaction {id} is on the ledger already")]
    Replayed {
        /// The transaction.
        id: TxId,
    },
    /// Not signed by a member.
    #[error("signer {signer} is no member of this network; ask an operator to register the key")]
    UnknownSigner {
        /// The signer.
        signer: PublicKey,
    },
    /// More of one signer than a block may hold.
    #[error("more than {max} transactions of signer {signer} in one block")]
    TooManyOfSigner {
        /// The signer.
        signer: PublicKey,
        /// The most allowed (k).
        max: u32,
    },
}

impl State {
    /// Whether the next block may hold a transaction, but for its signature and for what
    /// else the block holds.
    ///
    /// # Errors
    /// [`Invalid`] says why not.
    pub fn admit(&self, tx: &SignedTransaction, id: &TxId) -> Result<(), Invalid> {
        self.check_form(tx, id)?;
        self.check_signer(&tx.transaction.signer)
    }

    /// All of [`State::admit`] but the membership.
    pub(super) fn check_form(&self, tx: &SignedTransaction, id: &TxId) -> Result<(), Invalid> {
        self.check_header(tx)?;
        let seen = self.store().contains::<Seen>(&(tx.transaction.valid_until_height, *id));
        if seen && !mutated(Mutant::ReplayAccepted) {
            return Err(Invalid::Replayed { id: *id });
        }
        Ok(())
    }

    /// What can be seen of a transaction itself: version, network, last height.
    pub(super) fn check_header(&self, tx: &SignedTransaction) -> Result<(), Invalid> {
        let tx = &tx.transaction;
        if tx.version != TRANSACTION_VERSION {
            return Err(Invalid::Version { got: tx.version });
        }
        if tx.network != self.network() {
            return Err(Invalid::Network { got: tx.network, here: self.network() });
        }
        let valid_until = tx.valid_until_height;
        let next = self.height().saturating_add(1);
        if valid_until < next {
            return Err(Invalid::Expired { valid_until, next });
        }
        let max = self.height().saturating_add(self.parameters().transaction_lifetime_blocks);
        if valid_until > max {
            return Err(Invalid::LivesTooLong { valid_until, max });
        }
        Ok(())
    }

    fn check_signer(&self, signer: &PublicKey) -> Result<(), Invalid> {
        let member = self.store().get::<Members>(signer).filter(|member| !member.revoked());
        match member {
            None => Err(Invalid::UnknownSigner { signer: *signer }),
            // A validator that was removed goes on until its committee ends.
            Some(Member::Node { standing: Standing::Removed, .. })
                if !self.votes_or_will(signer) =>
            {
                Err(Invalid::UnknownSigner { signer: *signer })
            }
            Some(_) => Ok(()),
        }
    }
}

/// The signers of a block in the making: each is looked up once.
#[derive(Debug, Default)]
pub(super) struct Signers {
    counts: BTreeMap<PublicKey, u32>,
}

impl Signers {
    /// Counts one more transaction of `signer`.
    pub(super) fn count(&mut self, state: &State, signer: &PublicKey) -> Result<(), Invalid> {
        let max = state.parameters().signer_transactions_per_block_max;
        match self.counts.get_mut(signer) {
            Some(count) if *count >= max => Err(Invalid::TooManyOfSigner { signer: *signer, max }),
            Some(count) => {
                *count = count.saturating_add(1);
                Ok(())
            }
            None => {
                state.check_signer(signer)?;
                self.counts.insert(*signer, 1);
                Ok(())
            }
        }
    }
}

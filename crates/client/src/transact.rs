//! Transactions: sign, bring to the ledger, and wait until they are final.

use crate::{client::Client, error::ClientError, outside};
use std::time::{Duration, Instant};
use trustmesh_api::{
    ErrorCode, Fate, HexBytes, SubmitTransactions, Submitted, TransactionView,
    TransactionsSubmitted, paths,
};
use trustmesh_types::{
    Payload, SecretKey, SignedTransaction, Transaction, TxId, codec, receipt::Outcome,
    transaction::TRANSACTION_VERSION,
};

/// One wait of a long poll; what is left is waited for by the next.
const POLL: Duration = Duration::from_secs(10);

/// A transaction in a finalized block that did what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// The transaction.
    pub id: TxId,
    /// Height of its block.
    pub height: u64,
}

impl Client {
    /// Signs a payload as a transaction that is valid for the next blocks.
    ///
    /// # Errors
    /// [`ClientError`] when the ledger's height can't be read.
    pub async fn sign(
        &self,
        key: &SecretKey,
        payload: Payload,
    ) -> Result<SignedTransaction, ClientError> {
        let height = self.status().await?.height;
        let lifetime = self.options().transaction_lifetime_blocks;
        let transaction = Transaction {
            version: TRANSACTION_VERSION,
            network: self.network(),
            signer: key.public(),
            valid_until_height: height.saturating_add(lifetime),
            nonce: outside::nonce()?,
            payload,
        };
        Ok(transaction.sign(key))
    }

    /// Signs a payload, brings it to the ledger and waits until it is final.
    ///
    /// # Errors
    /// [`ClientError::Rejected`] when the ledger rejects it, [`ClientError::NotFinal`] when
    /// that is not known in time.
    pub async fn transact(
        &self,
        key: &SecretKey,
        payload: Payload,
    ) -> Result<Included, ClientError> {
        let transaction = self.sign(key, payload).await?;
        self.submit_transaction(&transaction).await
    }

    /// Brings a signed transaction to the ledger and waits until it is final. Safe to call
    /// again with the same transaction: it counts once.
    ///
    /// # Errors
    /// As [`Self::transact`].
    pub async fn submit_transaction(
        &self,
        transaction: &SignedTransaction,
    ) -> Result<Included, ClientError> {
        let id = transaction.id();
        let wait = POLL.min(self.options().final_timeout);
        let answers = self.submit_transactions(std::slice::from_ref(transaction), wait).await?;
        match answers.into_iter().next().map(|s| s.fate) {
            Some(Fate::Included { height, result }) => included(id, height, result),
            Some(Fate::Refused { code: ErrorCode::InvalidTransaction, detail }) => {
                // A try whose answer got lost may have brought it in already.
                match self.find_transaction(&id, Duration::ZERO).await? {
                    Some(view) => included(id, view.height, view.outcome),
                    None => Err(refused(ErrorCode::InvalidTransaction, detail)),
                }
            }
            Some(Fate::Refused { code, detail }) => Err(refused(code, detail)),
            Some(Fate::Pending) | None => self.wait_for(&id).await,
        }
    }

    /// Brings many signed transactions to the ledger in one post, and waits for all of them
    /// up to `wait`.
    ///
    /// # Errors
    /// [`ClientError`] when no node takes the post; what became of each transaction is in
    /// the answer.
    pub async fn submit_transactions(
        &self,
        transactions: &[SignedTransaction],
        wait: Duration,
    ) -> Result<Vec<Submitted>, ClientError> {
        let encoded = transactions.iter().map(|t| HexBytes(codec::encode(t))).collect();
        let body = SubmitTransactions { transactions: encoded };
        let target = format!("{}?wait={}ms", paths::TRANSACTIONS, wait.as_millis());
        let mut call = self.call_post(target, &body)?;
        call.timeout += wait;
        let (answer, _): (TransactionsSubmitted, _) = self.send(&call).await?;
        Ok(answer.transactions)
    }

    /// Waits until a transaction is final.
    ///
    /// # Errors
    /// As [`Self::transact`].
    pub async fn wait_for(&self, id: &TxId) -> Result<Included, ClientError> {
        let waited = self.options().final_timeout;
        let start = Instant::now();
        loop {
            let left = waited.saturating_sub(start.elapsed());
            if let Some(view) = self.find_transaction(id, POLL.min(left)).await? {
                return included(*id, view.height, view.outcome);
            }
            if start.elapsed() >= waited {
                return Err(ClientError::NotFinal { id: *id, waited });
            }
            tokio::time::sleep(self.options().pause).await;
        }
    }

    /// A final transaction; `None` when there is none after `wait`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn find_transaction(
        &self,
        id: &TxId,
        wait: Duration,
    ) -> Result<Option<TransactionView>, ClientError> {
        let target = format!("{}?wait={}ms", paths::transaction(id), wait.as_millis());
        let mut call = self.call_get(target);
        call.timeout += wait;
        match self.send(&call).await {
            Ok((view, _)) => Ok(Some(view)),
            Err(error) if error.is_unknown() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn included(id: TxId, height: u64, outcome: Outcome) -> Result<Included, ClientError> {
    match outcome {
        Outcome::Applied => Ok(Included { id, height }),
        Outcome::Rejected(rejection) => Err(ClientError::Rejected { id, rejection }),
    }
}

fn refused(code: ErrorCode, detail: String) -> ClientError {
    let problem = Box::new(trustmesh_api::Problem::new(code, detail));
    ClientError::Refused { address: "the node".to_owned(), problem }
}

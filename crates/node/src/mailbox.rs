//! Sealed results that this node holds for devices (PROTOCOL §4, delivery).
//!
//! Invariants: a result is given out only once it is durable; the newest seal of a request
//! replaces an older one; what has expired is removed when asked to. Times are
//! Unix milliseconds.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::broadcast;
use trustmesh_api::{HexBytes, SealedResult};
use trustmesh_data::{DataError, Order, Store, Table};
use trustmesh_types::{Digest, PublicKey, RequestId, codec};

/// Sealed results by request.
const RESULTS: Table = Table::new("mailbox");
/// Expiry, then request: what to remove first.
const EXPIRIES: Table = Table::new("mailbox-expiry");
/// Results that one write removes.
const EXPIRED_AT_ONCE_MAX: usize = 1_024;
/// Arrivals that a waiting poll may miss before it looks for itself.
const ARRIVALS_HELD: usize = 1_024;

/// A result as it is kept.
#[derive(BorshSerialize, BorshDeserialize)]
struct Held {
    until_ms: u64,
    sealed: Vec<u8>,
}

/// The mailbox. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox {
    store: Store,
    node: PublicKey,
    arrivals: broadcast::Sender<RequestId>,
}

impl Mailbox {
    /// The mailbox in a store, of a node.
    pub(crate) fn new(store: Store, node: PublicKey) -> Self {
        Self { store, node, arrivals: broadcast::channel(ARRIVALS_HELD).0 }
    }

    /// Keeps a sealed result until `until_ms`, and wakes who waits for it once it is durable.
    ///
    /// # Errors
    /// [`DataError`] when it can't be kept.
    pub(crate) async fn put(
        &self,
        request: RequestId,
        sealed: Vec<u8>,
        until_ms: u64,
    ) -> Result<(), DataError> {
        let held = Bytes::from(codec::encode(&Held { until_ms, sealed }));
        let expiry = (expiry_key(until_ms, &request), Bytes::new());
        // Together: a result without an expiry would stay for ever.
        let batch = self.store.batch().documents(EXPIRIES, vec![expiry])?;
        batch.documents(RESULTS, vec![(request.0.0.to_vec(), held)])?.write().await?;
        let _ = self.arrivals.send(request);
        Ok(())
    }

    /// The sealed result of a request, if this node holds it.
    ///
    /// # Errors
    /// [`DataError`] when the store can't be read.
    pub(crate) fn get(&self, request: &RequestId) -> Result<Option<SealedResult>, DataError> {
        let Some(held) = self.held(request)? else { return Ok(None) };
        let sealed = HexBytes(held.sealed);
        Ok(Some(SealedResult { request: *request, holder: self.node, sealed }))
    }

    /// Waits until a result of the request arrives, at most for `wait`. May return early.
    pub(crate) async fn wait(&self, request: &RequestId, wait: Duration) {
        let mut arrivals = self.arrivals.subscribe();
        // It may have come between the caller's look and the subscription.
        if !matches!(self.held(request), Ok(None)) {
            return;
        }
        let arrival = async {
            // Whoever lags has to look again: its result may be among what it missed.
            while arrivals.recv().await.is_ok_and(|arrived| arrived != *request) {}
        };
        // Running out of time is an answer as good as any.
        let _ = tokio::time::timeout(wait, arrival).await;
    }

    /// Removes the results whose time has passed.
    ///
    /// # Errors
    /// [`DataError`] when the store can't be read or written.
    pub(crate) async fn expire(&self, now_ms: u64) -> Result<(), DataError> {
        while self.expire_some(now_ms).await? >= EXPIRED_AT_ONCE_MAX {}
        Ok(())
    }

    /// Removes some; says how many were due.
    async fn expire_some(&self, now_ms: u64) -> Result<usize, DataError> {
        let to = now_ms.saturating_add(1).to_be_bytes();
        let limit = EXPIRED_AT_ONCE_MAX;
        let due = self.store.documents().range(EXPIRIES, &[], &to, limit, Order::Ascending)?;
        let count = due.len();
        if count == 0 {
            return Ok(0);
        }
        let mut gone = Vec::new();
        for request in due.iter().filter_map(|(key, _)| request_of(key)) {
            // One that was put again lives longer than its first expiry says.
            if self.held(&request)?.is_some_and(|held| held.until_ms <= now_ms) {
                gone.push(request.0.0.to_vec());
            }
        }
        self.store.documents().remove(RESULTS, gone).await?;
        let keys = due.into_iter().map(|(key, _)| key).collect();
        self.store.documents().remove(EXPIRIES, keys).await?;
        Ok(count)
    }

    /// A document that does not decode counts as not held: another holder has the result.
    fn held(&self, request: &RequestId) -> Result<Option<Held>, DataError> {
        let Some(bytes) = self.store.documents().get(RESULTS, &request.0.0)? else {
            return Ok(None);
        };
        let held = codec::decode::<Held>("a held result", &bytes, bytes.len());
        if let Err(error) = &held {
            tracing::error!(request = %request, %error, "a held result is damaged");
        }
        Ok(held.ok())
    }
}

fn expiry_key(until_ms: u64, request: &RequestId) -> Vec<u8> {
    [until_ms.to_be_bytes().as_slice(), &request.0.0].concat()
}

fn request_of(key: &[u8]) -> Option<RequestId> {
    let id = key.get(8..)?.try_into().ok()?;
    Some(RequestId(Digest(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trustmesh_data::StoreConfig;

    #[tokio::test]
    async fn a_result_is_held_until_its_time_and_wakes_who_waits() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), StoreConfig::default()).unwrap();
        let mailbox = Mailbox::new(store.clone(), PublicKey([7; 32]));
        let request = RequestId(Digest([1; 32]));
        assert_eq!(mailbox.get(&request).unwrap(), None);
        let waiting = mailbox.wait(&request, Duration::from_secs(60));
        let (_, put) = tokio::join!(waiting, mailbox.put(request, vec![1, 2], 1_000));
        put.unwrap();
        assert_eq!(mailbox.get(&request).unwrap().unwrap().sealed.0, [1, 2]);
        mailbox.put(request, vec![3], 2_000).await.unwrap();
        mailbox.expire(1_500).await.unwrap();
        assert_eq!(mailbox.get(&request).unwrap().unwrap().sealed.0, [3], "put again, kept longer");
        mailbox.expire(2_000).await.unwrap();
        assert_eq!(mailbox.get(&request).unwrap(), None);
    }
}

//! How much each network address, key and device may ask of this node (PROTOCOL §9, flood).
//!
//! An address pays for every request, by its bytes too, and for every answer that it provokes.
//! A key pays for signed requests, and a device for what the *ledger* accepted of it, through
//! whichever node: all nodes count the same. Keys are only looked at before their signature is
//! checked and pay after it, so nobody spends another's allowance by naming its key.
//!
//! Whoever goes on after refusals is answered late, so that refusing it costs little.
//!
//! Invariants: an address of IPv6 counts by its /64 network; all memory of addresses and keys
//! is bounded; bursts are twice the rate, but a device's are a quarter of it: each of its
//! requests costs the whole mesh.

use super::refusal::Refusal;
use crate::config::{Admission, HttpLimits};
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use trustmesh_api::Problem;
use trustmesh_consensus::Rates;
use trustmesh_types::{Payload, PublicKey, SignedTransaction, receipt::Outcome};

/// Addresses and keys that are remembered.
const KEYS_MAX: usize = 65_536;
/// Bytes of a request's body that count as one more request.
const BODY_UNIT_BYTES: u64 = 4 * 1024;
/// Bytes of an answer that count as one more request.
const ANSWER_UNIT_BYTES: u64 = 16 * 1024;
/// Bytes of a device's input that count as one more request for work.
const INPUT_UNIT_BYTES: u64 = 64 * 1024;
/// A device's burst is its rate over this.
const DEVICE_BURST_DIVISOR: u32 = 4;
/// What an address pays beside for something that does not verify.
const FORGERY_UNITS: u64 = 8;
/// Refusals of one address per second that are answered at once, and in a burst.
const REFUSALS: (u32, u32) = (20, 60);
/// Later ones are answered after this.
const REFUSAL_DELAY: Duration = Duration::from_secs(2);
/// Connections that one address may open per second, and in a burst.
const CONNECTIONS: (u32, u32) = (100, 512);

struct Inner {
    addresses: Rates<IpAddr>,
    refusals: Rates<IpAddr>,
    connections: Rates<IpAddr>,
    keys: Rates<PublicKey>,
    devices: Rates<PublicKey>,
}

/// How often who may ask. Times are Unix milliseconds.
pub(super) struct RateLimits {
    inner: Mutex<Inner>,
}

impl RateLimits {
    pub(super) fn new(limits: &HttpLimits, admission: &Admission) -> Self {
        let (address, key) = (limits.address_requests_per_second, limits.key_requests_per_second);
        let device = admission.device_requests_per_second;
        let inner = Inner {
            addresses: Rates::new(address, address.saturating_mul(2), KEYS_MAX),
            refusals: Rates::new(REFUSALS.0, REFUSALS.1, KEYS_MAX),
            connections: Rates::new(CONNECTIONS.0, CONNECTIONS.1, KEYS_MAX),
            keys: Rates::new(key, key.saturating_mul(2), KEYS_MAX),
            devices: Rates::new(device, device.div_ceil(DEVICE_BURST_DIVISOR), KEYS_MAX),
        };
        Self { inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Rates are never half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an address may open another connection; counts it if so.
    pub(super) fn connection(&self, address: IpAddr, now_ms: u64) -> bool {
        let (address, connections) = (network_of(address), &mut self.inner().connections);
        let opens = connections.left(&address, now_ms) > 0;
        if opens {
            connections.charge(address, 1, now_ms);
        }
        opens
    }

    /// Counts a request of an address with a body of so many bytes.
    pub(super) fn address(
        &self,
        address: IpAddr,
        body_bytes: u64,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (address, addresses) = (network_of(address), &mut self.inner().addresses);
        wait(addresses.wait_ms(&address, 1, now_ms), "this address")?;
        let units = (body_bytes / BODY_UNIT_BYTES).saturating_add(1);
        addresses.charge(address, units, now_ms);
        Ok(())
    }

    /// Counts the bytes of an answer, what was sent in vain, and what did not verify.
    pub(super) fn answered(&self, address: IpAddr, bytes: u64, wasted: Wasted, now_ms: u64) {
        let units = (bytes / ANSWER_UNIT_BYTES)
            .saturating_add(wasted.refused)
            .saturating_add(wasted.forged.saturating_mul(FORGERY_UNITS));
        if units > 0 {
            self.inner().addresses.charge(network_of(address), units, now_ms);
        }
    }

    /// Counts a refusal; gives how long its answer is held back.
    pub(super) fn refused(&self, address: IpAddr, now_ms: u64) -> Duration {
        let (address, refusals) = (network_of(address), &mut self.inner().refusals);
        let left = refusals.left(&address, now_ms);
        refusals.charge(address, 1, now_ms);
        if left > 0 { Duration::ZERO } else { REFUSAL_DELAY }
    }

    /// Whether a key may make a signed request. Looks only.
    pub(super) fn look_key(&self, key: &PublicKey, now_ms: u64) -> Result<(), Refusal> {
        wait(self.inner().keys.wait_ms(key, 1, now_ms), "this key")
    }

    /// Counts a signed request of a key whose signature was checked.
    pub(super) fn key(&self, key: &PublicKey, now_ms: u64) -> Result<(), Refusal> {
        let keys = &mut self.inner().keys;
        wait(keys.wait_ms(key, 1, now_ms), "this key")?;
        keys.charge(*key, 1, now_ms);
        Ok(())
    }

    /// Whether a device may ask for work. Looks only.
    pub(super) fn look_device(&self, device: &PublicKey, now_ms: u64) -> Result<(), Refusal> {
        wait(self.inner().devices.wait_ms(device, 1, now_ms), "this device")
    }

    /// Counts the request that the ledger accepted with a transaction, if there is one, at the
    /// block's time.
    pub(super) fn included(&self, transaction: &SignedTransaction, outcome: &Outcome, at_ms: u64) {
        if let (Payload::SubmitRequest(it), Outcome::Applied) =
            (&transaction.transaction.payload, outcome)
        {
            let units = (it.body.input_bytes / INPUT_UNIT_BYTES).saturating_add(1);
            self.inner().devices.charge(it.body.device, units, at_ms);
        }
    }
}

/// What a request brought in vain, beside itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wasted {
    /// Transactions that were refused for their rate.
    pub(super) refused: u64,
    /// Signatures that did not verify.
    pub(super) forged: u64,
}

/// "Too many requests", unless there is nothing to wait for.
fn wait(wait_ms: u64, who: &str) -> Result<(), Refusal> {
    if wait_ms == 0 {
        return Ok(());
    }
    let detail = format!("too many requests from {who}: come back in {wait_ms} ms");
    Err(Problem::rate_limited(detail, wait_ms).into())
}

/// What an address counts as.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;

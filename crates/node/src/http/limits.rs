//! Rates per network address and per key, and figures of answers.
//!
//! Invariants: bursts of twice the rate; an address of IPv6 counts by its /64 network; what is
//! kept of idle addresses and keys is swept (`RateLimits::sweep`).

use super::refusal::Refusal;
use crate::config::HttpLimits;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use trustmesh_api::Problem;
use trustmesh_types::PublicKey;

/// Upper bounds of the histogram of answer times; one more bucket has the rest.
const BUCKETS_MS: [u64; 8] = [1, 5, 20, 100, 500, 2_000, 10_000, 60_000];

/// How often who may ask.
pub(super) struct RateLimits {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    keys: DefaultKeyedRateLimiter<PublicKey>,
    clock: DefaultClock,
}

impl RateLimits {
    pub(super) fn new(limits: &HttpLimits) -> Self {
        Self {
            addresses: RateLimiter::keyed(quota(limits.address_requests_per_second)),
            keys: RateLimiter::keyed(quota(limits.key_requests_per_second)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of an address.
    pub(super) fn address(&self, address: IpAddr) -> Result<(), Refusal> {
        self.addresses.check_key(&network_of(address)).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            slow_down("this address", wait)
        })
    }

    /// Counts a request for work of a key whose signature was checked.
    pub(super) fn key(&self, key: &PublicKey) -> Result<(), Refusal> {
        self.keys.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            slow_down("this key", wait)
        })
    }

    /// Forgets addresses and keys that have been idle.
    pub(super) fn sweep(&self) {
        self.addresses.retain_recent();
        self.keys.retain_recent();
    }
}

fn quota(per_second: u32) -> Quota {
    let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
    let burst = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(1));
    Quota::per_second(per_second).allow_burst(burst)
}

fn slow_down(who: &str, wait: Duration) -> Refusal {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let detail = format!("too many requests from {who}: come back in {wait_ms} ms");
    Problem::rate_limited(detail, wait_ms).into()
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// Counts of answers by class of status, and their times.
#[derive(Default)]
pub(super) struct Answers {
    classes: [AtomicU64; 4],
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum_ms: AtomicU64,
}

impl Answers {
    /// Counts an answer.
    pub(super) fn count(&self, status: u16, took: Duration) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let class = usize::from((status / 100).clamp(2, 5) - 2);
        let bucket = BUCKETS_MS.partition_point(|bound_ms| *bound_ms < took_ms);
        for counter in [self.classes.get(class), self.buckets.get(bucket)].into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ms.fetch_add(took_ms, Ordering::Relaxed);
    }

    /// The figures in the OpenMetrics text format, without its end mark.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("# TYPE trustmesh_http_answers counter\n");
        // Writing to a String can't fail.
        for (class, counter) in (2..).zip(&self.classes) {
            let count = counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "trustmesh_http_answers_total{{class=\"{class}xx\"}} {count}");
        }
        text.push_str("# TYPE trustmesh_http_answer_ms histogram\n");
        let mut total = 0;
        let bounds = BUCKETS_MS.iter().map(u64::to_string).chain(["+Inf".to_owned()]);
        for (bound, counter) in bounds.zip(&self.buckets) {
            total += counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "trustmesh_http_answer_ms_bucket{{le=\"{bound}\"}} {total}");
        }
        let sum_ms = self.sum_ms.load(Ordering::Relaxed);
        let _ = writeln!(text, "trustmesh_http_answer_ms_sum {sum_ms}");
        let _ = writeln!(text, "trustmesh_http_answer_ms_count {total}");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_of_twice_the_rate_then_a_wait() {
        let limits = HttpLimits { address_requests_per_second: 2, ..HttpLimits::default() };
        let rates = RateLimits::new(&limits);
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..4 {
            rates.address(address).unwrap();
        }
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let refusal = rates.address(neighbour).unwrap_err();
        assert!(refusal.0.retry_after_ms().unwrap() > 0);
        rates.address("192.0.2.1".parse().unwrap()).unwrap();
    }

    #[test]
    fn answers_are_counted_by_class_and_time() {
        let answers = Answers::default();
        answers.count(200, Duration::from_millis(3));
        answers.count(503, Duration::from_secs(100));
        let text = answers.text();
        for line in ["{class=\"2xx\"} 1", "{class=\"5xx\"} 1", "{le=\"5\"} 1", "{le=\"+Inf\"} 2"] {
            assert!(text.contains(line), "{text}");
        }
    }
}

//! Rates in a time that the tests make up.

use super::*;
use trustmesh_types::SecretKey;

const NOW_MS: u64 = 1_700_000_000_000;

fn rates(address: u32, key: u32, device: u32) -> RateLimits {
    let limits = HttpLimits {
        address_requests_per_second: address,
        key_requests_per_second: key,
        ..HttpLimits::default()
    };
    let admission = Admission { device_requests_per_second: device, ..Admission::default() };
    RateLimits::new(&limits, &admission)
}

fn refused_ms(result: Result<(), Refusal>) -> u64 {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.0.status, 429);
    refusal.0.retry_after_ms().unwrap()
}

#[test]
fn bursts_of_twice_the_rate_then_a_wait() {
    let rates = rates(2, 1, 1);
    let address: IpAddr = "2001:db8::1".parse().unwrap();
    for _ in 0..4 {
        rates.address(address, 0, NOW_MS).unwrap();
    }
    let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
    assert_eq!(refused_ms(rates.address(neighbour, 0, NOW_MS)), 500);
    rates.address(neighbour, 0, NOW_MS + 500).unwrap();
    rates.address("192.0.2.1".parse().unwrap(), 0, NOW_MS).unwrap();
}

#[test]
fn an_address_pays_for_bytes_and_for_what_it_sends_in_vain() {
    let rates = rates(1_000, 1, 1);
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    rates.address(address, 4 << 20, NOW_MS).unwrap();
    rates.answered(address, 16 << 20, Wasted { refused: 100, forged: 10 }, NOW_MS);
    // 1 + 1,024 for the body, 1,024 for the answer, 180 for what was in vain, of 2,000.
    assert_eq!(refused_ms(rates.address(address, 0, NOW_MS)), 230);
}

#[test]
fn looking_at_a_key_costs_it_nothing() {
    let rates = rates(1, 2, 1);
    let key = SecretKey::from_seed([1; 32]).public();
    for _ in 0..100 {
        rates.look_key(&key, NOW_MS).unwrap();
        rates.look_device(&key, NOW_MS).unwrap();
    }
    for _ in 0..4 {
        rates.key(&key, NOW_MS).unwrap();
    }
    assert_eq!(refused_ms(rates.look_key(&key, NOW_MS)), 500);
    assert_eq!(refused_ms(rates.key(&key, NOW_MS)), 500);
    rates.look_key(&SecretKey::from_seed([2; 32]).public(), NOW_MS).unwrap();
}

#[test]
fn whoever_goes_on_after_refusals_is_answered_late() {
    let rates = rates(1, 1, 1);
    let (bad, good) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let held_back = |at_ms: u64| (0..100).filter(|_| !rates.refused(bad, at_ms).is_zero()).count();
    assert_eq!(held_back(NOW_MS), 100 - REFUSALS.1 as usize);
    assert_eq!(rates.refused(good, NOW_MS), Duration::ZERO);
    assert_eq!(held_back(NOW_MS + 60_000), 100 - REFUSALS.1 as usize, "it is forgiven in time");
}

#[test]
fn connections_are_counted_per_address() {
    let rates = rates(1, 1, 1);
    let (busy, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let opened = (0..2_000).filter(|_| rates.connection(busy, NOW_MS)).count();
    assert_eq!(opened, CONNECTIONS.1 as usize);
    assert!(rates.connection(other, NOW_MS));
    assert!(rates.connection(busy, NOW_MS + 10));
}

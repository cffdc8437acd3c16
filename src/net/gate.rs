//! The gate: how many connections there are, in all and from one address.
//!
//! Owns the counts. Knows no socket. Locks them for the length of an addition.

use super::lock;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

/// How many connections there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    pub total: usize,
    /// From one address; an IPv6 network of 64 bits counts as one address, loopback is exempt.
    pub per_address: usize,
}

/// Counts connections and says whether there is room for another.
pub struct Gate {
    caps: Caps,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place behind the gate; dropping it gives the place back.
pub struct Place {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
}

impl Gate {
    pub fn new(caps: Caps) -> Arc<Gate> {
        Arc::new(Gate {
            caps,
            counts: Mutex::default(),
        })
    }

    /// A place for a connection from `peer`, or `None` where there is no room.
    pub fn enter(self: &Arc<Gate>, peer: IpAddr) -> Option<Place> {
        let address = counted_address(peer);
        let mut counts = lock(&self.counts);
        if counts.total >= self.caps.total {
            return None;
        }
        if let Some(address) = address {
            let here = counts.by_address.entry(address).or_default();
            if *here >= self.caps.per_address {
                return None;
            }
            *here += 1;
        }
        counts.total += 1;
        Some(Place {
            gate: Arc::clone(self),
            address,
        })
    }

    /// Connections behind the gate now.
    pub fn connections(&self) -> usize {
        lock(&self.counts).total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.gate.counts);
        counts.total -= 1;
        let Some(address) = self.address else { return };
        if let Some(here) = counts.by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// The address under which a peer is counted; none for loopback. A household or an attacker has a whole /64 of IPv6.
fn counted_address(peer: IpAddr) -> Option<IpAddr> {
    match peer.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Some(Ipv6Addr::from_bits(network).into())
        }
        address => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: Caps = Caps {
        total: 3,
        per_address: 2,
    };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_share_and_gives_it_back() {
        let gate = Gate::new(CAPS);
        let first = gate.enter(address("192.0.2.1")).unwrap();
        let second = gate.enter(address("::ffff:192.0.2.1")).unwrap();
        assert!(
            gate.enter(address("192.0.2.1")).is_none(),
            "a third from one address"
        );
        let third = gate.enter(address("192.0.2.2")).unwrap();
        assert!(
            gate.enter(address("192.0.2.3")).is_none(),
            "a fourth in all"
        );
        assert_eq!(gate.connections(), 3);
        drop((first, second, third));
        assert_eq!(gate.connections(), 0);
        assert!(lock(&gate.counts).by_address.is_empty());
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_loopback_is_none() {
        let gate = Gate::new(Caps {
            total: 9,
            per_address: 1,
        });
        let _first = gate.enter(address("2001:db8:1:2::1")).unwrap();
        assert!(gate.enter(address("2001:db8:1:2:ffff::9")).is_none());
        let _other = gate.enter(address("2001:db8:1:3::1")).unwrap();
        let _loopback: Vec<_> = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
            .map(|text| gate.enter(address(text)).unwrap())
            .into();
    }
}

//! Network addresses: which of them anybody can reach, and networks by their prefix.
//!
//! What is public is what IANA's registries of special-purpose addresses (RFC 6890) leave as globally reachable. Of IPv6 that is the
//! one block of global unicast addresses less its exceptions, so that addresses which stand for IPv4 ones (mapped, NAT64, 6to4,
//! Teredo) are none.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u32,
}

/// Not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is its first address, a slash and the number of bits that all of it share, for example 10.1.0.0/16")]
pub struct NotANetwork;

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (first, bits) = text.split_once('/').ok_or(NotANetwork)?;
        let first: IpAddr = first.parse().map_err(|_| NotANetwork)?;
        let length = if first.is_ipv4() { 32 } else { 128 };
        let network = Self { first, bits: bits.parse().ok().filter(|bits| *bits <= length).ok_or(NotANetwork)? };
        // One spelling: no further bit is set, and the number has no zero or sign in front.
        let is_first = network.masked(first) == Some(number(first).1);
        if is_first && network.to_string() == text { Ok(network) } else { Err(NotANetwork) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// How many bits an address has, and which number it is.
fn number(address: IpAddr) -> (u32, u128) {
    match address {
        IpAddr::V4(address) => (32, u32::from(address).into()),
        IpAddr::V6(address) => (128, address.into()),
    }
}

impl Network {
    /// The bits of an address that must be the same; `None` for one of the other family.
    fn masked(self, address: IpAddr) -> Option<u128> {
        let ((length, address), (own, _)) = (number(address), number(self.first));
        let rest = length.checked_sub(self.bits).filter(|_| length == own)?;
        Some(address.checked_shr(rest).unwrap_or(0).checked_shl(rest).unwrap_or(0))
    }

    /// Whether an address is one of them.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.masked(address) == Some(number(self.first).1)
    }
}

/// Not globally reachable, IPv4.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared, behind a carrier's NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local; clouds answer for a machine's secrets there
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocols of the IETF
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, and broadcast
];

/// The block of global unicast addresses, IPv6.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Exceptions in it.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocols of the IETF, Teredo among them
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: an IPv4 address in other words
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether an address is globally reachable.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let within = |first: IpAddr, bits: u32| Network { first, bits }.contains(address);
    match address {
        IpAddr::V4(_) => !SPECIAL_V4.iter().any(|(first, bits)| within((*first).into(), *bits)),
        IpAddr::V6(_) => {
            let (first, bits) = GLOBAL_V6;
            within(first.into(), bits) && !SPECIAL_V6.iter().any(|(first, bits)| within((*first).into(), *bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_anybody_can_reach() {
        for text in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1"] {
            assert!(is_public(address(text)), "{text}");
        }
        for text in ["223.255.255.255", "2001:200::1", "2606:4700:4700::1111", "2a00::1", "3fff:1000::1"] {
            assert!(is_public(address(text)), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn a_network_has_its_own_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("127.0.0.0/8", "127.9.9.9", "128.0.0.1"),
            ("10.1.2.3/32", "10.1.2.3", "10.1.2.4"),
            ("fd00::/8", "fd12::1", "fc00::1"),
            ("0.0.0.0/0", "10.0.0.1", "::1"),
            ("::/0", "::1", "10.0.0.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(address(inside)) && !network.contains(address(outside)), "{network}");
        }
    }

    #[test]
    fn a_network_has_one_spelling() {
        for text in ["10.0.0.0/8", "127.0.0.1/32", "0.0.0.0/0", "::/0", "::1/128", "fd00::/8"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "::1/129",
            "FD00::/8",
            "a/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}

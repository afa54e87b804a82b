//! Which addresses a notification may be sent to: public ones, and what the configuration names.
//!
//! The ranges are those of the IANA registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890); of IPv6, only
//! what IANA has given out as global unicast (2000::/3) is public to begin with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::embedded;

/// Decides about addresses, not names: it is asked after every look-up.
pub struct Guard {
    allowed: Vec<IpNet>,
}

impl Guard {
    /// Admits public addresses and those within `allowed`.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether a notification may go there. An IPv6 address that carries IPv4 addresses is admitted if it is within an
    /// allowed network as it is written, or if each IPv4 address that it carries would be admitted.
    pub fn admits(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(&address))
            || match address {
                IpAddr::V4(address) => is_public_v4(address),
                IpAddr::V6(address) => self.admits_v6(address),
            }
    }

    fn admits_v6(&self, address: Ipv6Addr) -> bool {
        let transported = embedded::transported(address);
        let goes_anywhere = !transported.is_empty() || is_public_v6(address);
        let carried = transported.into_iter().chain(embedded::isatap(address));
        goes_anywhere && carried.into_iter().all(|address| self.admits(address.into()))
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !REFUSED_V4.iter().any(|network| network.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    GLOBAL_UNICAST.contains(&address) && !REFUSED_V6.iter().any(|network| network.contains(&address))
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

const REFUSED_V4: &[Ipv4Net] = &[
    // "This network": the unspecified address reaches the machine itself.
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    // Between a provider and its customers (RFC 6598); one cloud has its metadata service here.
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // A virtual address of the host beneath, reachable only inside Azure.
    v4(168, 63, 129, 16, 32),
    // Link-local, where most clouds have their metadata service.
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    // Protocol assignments: also the two anycast addresses in it (PCP, TURN) take no notifications.
    v4(192, 0, 0, 0, 24),
    // Documentation, as 198.51.100.0/24 and 203.0.113.0/24.
    v4(192, 0, 2, 0, 24),
    // The nearest relay of 6to4, withdrawn.
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    // Benchmarks of network devices.
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // Multicast, then reserved up to the broadcast address.
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// The one part of IPv6 that is given out to be reached from everywhere. Beyond it are, among others, loopback,
/// fc00::/7, fe80::/10, fec0::/10, ff00::/8, 100::/64, 5f00::/16 and 64:ff9b:1::/48, whose IPv4 address may stand
/// at any of several places.
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 3);

/// Exceptions within the global unicast space.
const REFUSED_V6: &[Ipv6Net] = &[
    // Protocol assignments: benchmarks, ORCHID, anycast. Teredo, the first part of it, is judged by what it carries.
    v6(0x2001, 0, 23),
    // Documentation, twice.
    v6(0x2001, 0xdb8, 32),
    v6(0x3fff, 0, 20),
];

#[cfg(test)]
mod tests;

//! IPv4 addresses inside IPv6 addresses: each is a way to write a forbidden address so that it looks like another.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

/// A part of the IPv6 space whose packets travel to the IPv4 addresses in it.
struct Transport {
    network: Ipv6Net,
    carried: &'static [Place],
}

/// Where an IPv4 address stands.
struct Place {
    first_byte: usize,
    /// Teredo inverts the client's address.
    inverted: bool,
}

const fn transport(start: [u16; 8], prefix: u8, carried: &'static [Place]) -> Transport {
    let [a, b, c, d, e, f, g, h] = start;
    Transport { network: Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix), carried }
}

const LAST: Place = Place { first_byte: 12, inverted: false };

const TRANSPORTS: &[Transport] = &[
    // Mapped (RFC 4291), connected to as the IPv4 address itself.
    transport([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, &[LAST]),
    // Compatible (RFC 4291), withdrawn; the unspecified and the loopback address fall under it as 0.0.0.0 and 0.0.0.1.
    transport([0; 8], 96, &[LAST]),
    // NAT64 (RFC 6052): in networks without IPv4 the names of all IPv4 hosts resolve to this.
    transport([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, &[LAST]),
    // 6to4 (RFC 3056).
    transport([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, &[Place { first_byte: 2, inverted: false }]),
    // Teredo (RFC 4380): the server, then the client.
    transport(
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        32,
        &[Place { first_byte: 4, inverted: false }, Place { first_byte: 12, inverted: true }],
    ),
];

/// The IPv4 addresses that decide where packets to `address` go; empty for native IPv6.
pub(super) fn transported(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let transport = TRANSPORTS.iter().find(|transport| transport.network.contains(&address));
    let places = transport.map_or([].as_slice(), |transport| transport.carried);
    places.iter().map(|place| read(address, place)).collect()
}

/// The IPv4 address in an ISATAP interface id (RFC 5214), which may stand behind any prefix: a router that knows the
/// prefix sends it on to that address.
pub(super) fn isatap(address: Ipv6Addr) -> Option<Ipv4Addr> {
    // The two lowest bits of the first byte say "unique" and "group"; they do not change where packets go.
    let [_, _, _, _, _, _, _, _, flags, 0, 0x5e, 0xfe, ..] = address.octets() else { return None };
    (flags & !0b11 == 0).then(|| read(address, &LAST))
}

fn read(address: Ipv6Addr, place: &Place) -> Ipv4Addr {
    let bits = u128::from(address) >> (8 * (12 - place.first_byte));
    let bits = u32::try_from(bits & u128::from(u32::MAX)).expect("cut to 32 bits");
    Ipv4Addr::from(if place.inverted { !bits } else { bits })
}

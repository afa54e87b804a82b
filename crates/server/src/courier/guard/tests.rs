use std::iter::once;

use proptest::prelude::*;

use super::*;

const PUBLIC: &[&str] = &[
    "1.0.0.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "3ffe:ffff:ffff::1",
    "3fff:1000::1",
    // Carrying public IPv4 addresses.
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "2001:0:808:808:0:0:f7f7:f7f7",
    "2606:4700::5efe:8.8.8.8",
    "2606:4700::200:5efe:8.8.8.8",
    // 5efe where it is no ISATAP mark.
    "2606:4700::5efe:0:a00:1",
    "2606:4700::1:5efe:10.0.0.1",
];

const REFUSED: &[&str] = &[
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.1.2.3",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.8",
    "192.0.0.10",
    "192.0.0.192",
    "192.0.0.255",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "100::1",
    "100:0:0:1::1",
    "200::1",
    "400::1",
    "1fff:ffff:ffff:ffff::1",
    "2001:1::1",
    "2001:2::1",
    "2001:3::1",
    "2001:4:112::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe00::1",
    "fe80::1",
    "febf:ffff::1",
    "fec0::1",
    "feff:ffff::1",
    "ff00::1",
    "ff02::1",
    "ff0e::1",
    // Mapped, compatible, translated.
    "::ffff:0.0.0.0",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "::192.168.0.1",
    "::ffff:0:127.0.0.1",
    "::ffff:0:8.8.8.8",
    // NAT64, well-known and local.
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::10.1.2.3",
    "64:ff9b::1:0:0",
    "64:ff9b:1::1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:a00:0:100::",
    "64:ff9b:2::8.8.8.8",
    // 6to4.
    "2002::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2002:a00:1::",
    "2002:c0a8:101:1::1",
    "2002:6440:1::1",
    // Teredo: a private server, a private client, both.
    "2001:0:a00:1:0:0:f7f7:f7f7",
    "2001:0:808:808:0:0:80ff:fffe",
    "2001::1",
    // ISATAP behind public and local prefixes.
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:10.0.0.1",
    "2606:4700::100:5efe:127.0.0.1",
    "2606:4700::300:5efe:169.254.169.254",
    "fe80::5efe:8.8.8.8",
    "2002:808:808::5efe:10.0.0.1",
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

fn allowing(networks: &[&str]) -> Guard {
    Guard::new(networks.iter().map(|network| network.parse().unwrap()).collect())
}

#[test]
fn public_addresses_are_admitted_and_all_others_are_not() {
    let guard = allowing(&[]);
    for text in PUBLIC {
        assert!(guard.admits(address(text)), "{text} is public");
    }
    for text in REFUSED {
        assert!(!guard.admits(address(text)), "{text} is not public");
    }
}

#[test]
fn an_allowed_network_admits_its_addresses_and_no_others() {
    let guard = allowing(&["10.20.0.0/16", "fd00:1::/64"]);
    for text in ["10.20.0.0", "10.20.255.255", "fd00:1::1", "8.8.8.8"] {
        assert!(guard.admits(address(text)), "{text}");
    }
    for text in ["10.19.255.255", "10.21.0.0", "127.0.0.1", "fd00:1:0:1::1", "fd00:2::1", "::1"] {
        assert!(!guard.admits(address(text)), "{text}");
    }
}

#[test]
fn an_allowed_ipv4_network_holds_for_every_way_to_carry_its_addresses() {
    let guard = allowing(&["10.20.0.0/16"]);
    for text in [
        "::ffff:10.20.0.1",
        "::10.20.0.1",
        "64:ff9b::10.20.0.1",
        "2002:a14:1::1",
        "2001:0:a14:1:0:0:f5eb:fffe",
        "2606:4700::5efe:10.20.0.1",
    ] {
        assert!(guard.admits(address(text)), "{text}");
    }
    for text in ["::ffff:10.21.0.1", "64:ff9b::10.21.0.1", "2002:a15:1::1", "fe80::5efe:10.20.0.1"] {
        assert!(!guard.admits(address(text)), "{text}");
    }
}

#[test]
fn an_allowed_ipv6_network_holds_for_what_is_written_so_whatever_it_carries() {
    let guard = allowing(&["64:ff9b::a00:0/104", "64:ff9b:1::/48"]);
    assert!(guard.admits(address("64:ff9b::10.0.0.1")));
    assert!(guard.admits(address("64:ff9b:1::10.0.0.1")));
    assert!(!guard.admits(address("10.0.0.1")), "the IPv4 network was not allowed");
    assert!(!guard.admits(address("::ffff:10.0.0.1")));
}

/// What the standard library knows of addresses that are not public.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_unspecified()
                || v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_loopback()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4().is_some_and(|v4| is_special(v4.into()))
        }
    }
}

/// Each way to write an IPv4 address as IPv6.
fn disguises(v4: Ipv4Addr, filling: u64) -> impl Iterator<Item = Ipv6Addr> {
    let (v4, filling) = (u128::from(u32::from(v4)), u128::from(filling));
    let public_prefix = 0x2606_4700_u128 << 96;
    [
        0xffff << 32 | v4,
        v4,
        0x64_ff9b << 96 | v4,
        0x2002 << 112 | v4 << 80 | filling,
        0x2001 << 112 | v4 << 64 | 0xf7f7_f7f7,
        0x2001 << 112 | 0x0808_0808 << 64 | filling >> 32 << 32 | (v4 ^ 0xffff_ffff),
        public_prefix | 0x5efe << 32 | v4,
        public_prefix | 0x0200_5efe << 32 | v4,
    ]
    .into_iter()
    .map(Ipv6Addr::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_is_admitted_is_special_to_nobody(v4: u32, v6: u128, far in 0_u32..3) {
        let guard = allowing(&[]);
        // A third of them within the public part, where nearly all random addresses are not.
        let v6 = if far == 0 { v6 } else { v6 >> 3 | 1 << 125 };
        for address in [IpAddr::from(Ipv4Addr::from(v4)), IpAddr::from(Ipv6Addr::from(v6))] {
            prop_assert!(!guard.admits(address) || !is_special(address), "{address}");
        }
    }

    #[test]
    fn no_disguise_changes_the_decision_about_an_ipv4_address(v4: u32, start in 0_usize..16, filling: u64) {
        let guard = allowing(&[]);
        let network = REFUSED_V4[start];
        let inside = u32::from(network.network()) | v4 & u32::from(network.hostmask());
        for v4 in once(v4).chain(once(inside)).map(Ipv4Addr::from) {
            for disguise in disguises(v4, filling) {
                // A filling that happens to be an ISATAP id carries a second address.
                prop_assume!(filling >> 32 & 0xfcff_ffff != 0x5efe);
                prop_assert_eq!(guard.admits(disguise.into()), guard.admits(v4.into()), "{} as {}", v4, disguise);
            }
        }
    }
}

#[test]
fn the_tables_are_as_large_as_they_claim() {
    assert!(PUBLIC.len() + REFUSED.len() >= 120);
    assert_eq!(REFUSED_V4.len(), 16, "the property above chooses among them");
}

//! Addresses of attackers, in a network of its own that has no way out: they are put on its loopback device, where a
//! listener takes whatever arrives. With the guard open everything does, with the guard as it is shipped nothing.

use std::io::Write;
use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use countermark_domain::deliver::{Courier, Delivery};
use countermark_server::courier::HttpCourier;

use crate::names::Changing;
use crate::process::{inside, rerun};
use crate::{answered, failed, parcel, settings};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Put on the loopback device; each is tried as a literal and behind a name.
const ADDRESSES: &[&str] = &[
    "10.0.0.1",
    "100.100.100.200",
    "127.0.0.53",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001:0:a9fe:a9fe::f7f7:f7f7",
    "2001:0:808:808::80ff:fffe",
    "2001:20::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::1",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:169.254.169.254",
    "3fff::1",
    "5f00::1",
    "fd00:ec2::254",
    "fec0::1",
];

/// Other spellings of what is on the device, and its own addresses.
const SPELLINGS: &[&str] = &[
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.01/",
    "http://127.0.0.1./",
    "http://%31%32%37.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http:\\\\127.0.0.1\\",
    "http:127.0.0.1",
    "http://127.0.0.1:80/#@hooks.example/",
    "http://127.0.0.1:80?@hooks.example/",
    "http://127.0.0.1\\@hooks.example/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::FFFF:7f00:1]/",
    "http://[::ffff:0:0]/",
    "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "http://[0:0:0:0:0:ffff:a00:1]/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://169.254.0xa9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.169.254:80/",
    "http://localhost/",
    "http://LOCALHOST:80/",
];

/// Nothing can listen there, or no client would connect; refused all the same.
const UNREACHABLE: &[&str] = &[
    "http://224.0.0.1/",
    "http://239.255.255.250:1900/",
    "http://255.255.255.255/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[fe80::1]/",
    "http://[ff02::1]/",
    "https://[2002:7f00:1::]/",
    "https://127.0.0.1/",
    "https://[::1]:80/",
];

const MALFORMED: &[&str] = &[
    "ftp://127.0.0.1:80/",
    "gopher://127.0.0.1:80/_x",
    "file:///etc/passwd",
    "http://hooks.example@127.0.0.1/",
    "http://user:password@10.0.0.1/",
    "http://[fe80::1%25lo]/",
    "http://[::1%25lo]/",
    "http://127.0.0.1%00.hooks.example/",
];

#[test]
fn nothing_arrives_at_addresses_that_are_not_public() {
    if !inside() {
        // Root needs no user namespace for it, others do.
        let may = |flags: &&str| {
            let attempt = Command::new("unshare").args([*flags, "true"]).stderr(Stdio::null()).status();
            attempt.is_ok_and(|status| status.success())
        };
        let flags = ["-n", "-rn"].into_iter().find(may);
        let flags =
            flags.expect("this test needs `unshare -n` or `unshare -rn` to have a network of its own");
        return rerun("attacks::nothing_arrives_at_addresses_that_are_not_public", &["unshare", flags], &[]);
    }
    let arrivals = lay_network();
    let every_url: Vec<String> = ADDRESSES.iter().map(|address| literal(address)).collect();
    let every_url: Vec<&str> =
        every_url.iter().map(String::as_str).chain(SPELLINGS.iter().copied()).collect();

    let open = courier(&["0.0.0.0/0", "::/0"]);
    for url in &every_url {
        assert_eq!(attempt(&open, url), answered(204), "{url} with the guard open");
        assert_eq!(arrivals.try_iter().count(), 1, "{url} with the guard open");
    }

    let guarded = courier(&[]);
    for url in every_url.iter().chain(UNREACHABLE) {
        assert_eq!(attempt(&guarded, url), failed("address refused"), "{url}");
    }
    for url in MALFORMED {
        assert_eq!(attempt(&guarded, url), failed("address malformed"), "{url}");
    }
    let with_public =
        |&address: &&'static str| [vec![address], vec!["8.8.8.8", address], vec![address, "2606:4700::1111"]];
    let answers: Vec<Vec<&str>> = ADDRESSES.iter().flat_map(with_public).collect();
    let answers: Vec<&[&str]> = answers.iter().map(Vec::as_slice).collect();
    let misled = courier_with(&answers);
    for answer in answers {
        assert_eq!(
            attempt(&misled, "http://hooks.example/"),
            failed("address refused"),
            "a name for {answer:?}"
        );
    }
    assert_eq!(arrivals.try_iter().next(), None, "arrived in spite of the guard");

    // Public addresses are reached; a name that changes behind the check, or a redirect, leads nowhere else.
    let rebound = courier_with(&[&["8.8.8.8"], &["169.254.169.254"]]);
    assert_eq!(attempt(&rebound, "http://hooks.example/"), answered(204));
    assert_eq!(attempt(&rebound, "http://hooks.example/"), failed("address refused"));
    assert_eq!(attempt(&guarded, "http://[2606:4700::1111]/"), answered(204));
    assert_eq!(attempt(&guarded, "http://8.8.8.8/redirect"), answered(307));
    let expected: [IpAddr; 3] =
        ["8.8.8.8", "2606:4700::1111", "8.8.8.8"].map(|address| address.parse().unwrap());
    assert_eq!(arrivals.try_iter().collect::<Vec<_>>(), expected);
}

fn literal(address: &str) -> String {
    match address.parse::<Ipv6Addr>() {
        Ok(_) => format!("http://[{address}]/"),
        Err(_) => format!("http://{address}/"),
    }
}

/// A courier that knows the machine's own names.
fn courier(allowed: &[&str]) -> HttpCourier {
    HttpCourier::new(&settings(allowed, TIMEOUT)).unwrap()
}

/// A courier for which the names have these addresses, one answer an attempt.
fn courier_with(names: &[&[&str]]) -> HttpCourier {
    HttpCourier::with_lookup(&settings(&[], TIMEOUT), Changing::new(names)).unwrap()
}

fn attempt(courier: &HttpCourier, url: &str) -> Delivery {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(courier.deliver(&parcel(url)))
}

/// Puts all addresses on the loopback device; sends on at which of them each connection arrives.
fn lay_network() -> mpsc::Receiver<IpAddr> {
    let mut commands = "link set lo up\n".to_owned();
    for address in ADDRESSES.iter().chain(&["8.8.8.8", "2606:4700::1111"]) {
        commands += &format!("addr add {address} dev lo\n");
    }
    let mut ip =
        Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect("ip is installed");
    ip.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success(), "the addresses could not be put on the device");
    // Takes IPv4, too.
    let listener = TcpListener::bind("[::]:80").unwrap();
    let (arrived, arrivals) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            arrived.send(stream.local_addr().unwrap().ip().to_canonical()).unwrap();
            let request = crate::receiver::read_request(&mut stream);
            let _ = stream.write_all(match request.starts_with("POST /redirect ") {
                true => b"HTTP/1.1 307 Elsewhere\r\nlocation: http://169.254.169.254/\r\n\r\n".as_slice(),
                false => b"HTTP/1.1 204 No Content\r\n\r\n",
            });
        }
    });
    arrivals
}

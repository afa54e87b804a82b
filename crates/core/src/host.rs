//! Host names as they are signed and compared.

use std::fmt;
use std::net::Ipv6Addr;

use crate::reason::Malformed;

/// A host in canonical spelling: ASCII lower case, without port and trailing dot.
///
/// IPv6 addresses keep their brackets and are compared as text: two spellings of one address are two hosts.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Box<str>);

impl Host {
    /// Reads `host`, `host:port` or `[ipv6]:port` as a `Host` header or the authority of a URL has it; the port is
    /// dropped, as is one trailing dot.
    ///
    /// # Errors
    /// [`Malformed`] unless the rest is `[a-z0-9._-]+` or a bracketed IPv6 address. A second trailing dot is refused:
    /// if it stayed, the canonical spelling would itself lose a dot when read again, and so name another host.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let name = if text.starts_with('[') { bracketed(text)? } else { plain(text)? };
        let mut name: Box<str> = name.into();
        name.make_ascii_lowercase();
        Ok(Self(name))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which bytes a name consists of.
const IN_NAME: [bool; 256] = {
    let mut in_name = [false; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        in_name[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        byte += 1;
    }
    in_name
};

fn plain(text: &str) -> Result<&str, Malformed> {
    let length = text.bytes().position(|byte| !IN_NAME[usize::from(byte)]).unwrap_or(text.len());
    let (name, port) = text.split_at(length);
    refuse_unless_port(port)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err(Malformed("the host is empty"));
    }
    if name.ends_with('.') {
        return Err(Malformed("the host ends with more than one dot"));
    }
    Ok(name)
}

fn bracketed(text: &str) -> Result<&str, Malformed> {
    const EXPECTED: Malformed = Malformed("expected an IPv6 address between the brackets of the host");
    let end = text.find(']').ok_or(EXPECTED)?;
    text[1..end].parse::<Ipv6Addr>().map_err(|_| EXPECTED)?;
    let (host, port) = text.split_at(end + 1);
    refuse_unless_port(port)?;
    Ok(host)
}

fn refuse_unless_port(text: &str) -> Result<(), Malformed> {
    if text.is_empty() {
        return Ok(());
    }
    let digits = text.strip_prefix(':').ok_or(Malformed(
        "expected a host of letters, digits, '.', '_' and '-', or a bracketed IPv6 address",
    ))?;
    let is_port = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(_) if is_port => Ok(()),
        _ => Err(Malformed("expected a port of 0 to 65535 behind the host")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_host_are_equal() {
        for spelling in [
            "img.example.com",
            "IMG.Example.COM",
            "img.example.com.",
            "img.example.com:443",
            "img.example.com.:1",
        ] {
            assert_eq!(Host::parse(spelling).unwrap().as_str(), "img.example.com", "{spelling}");
        }
        assert_eq!(Host::parse("[::FFFF:1.2.3.4]:8080").unwrap().as_str(), "[::ffff:1.2.3.4]");
        assert_eq!(Host::parse("a_b-c").unwrap().as_str(), "a_b-c");
    }

    #[test]
    fn whatever_is_no_host_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "a..",
            "a b",
            "a/b",
            "a@b",
            "user:pw@a",
            "a:",
            "a:x",
            "a:+1",
            "a:65536",
            "a:000001",
            "a:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[::1].",
            "[::1%25eth0]",
            "[]",
            "[x]",
            "bücher.example",
            "a%2eb",
            "a\n",
            "a,b",
            "*",
        ] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_canonical_spelling_reads_as_itself() {
        for text in ["A.b.", "[FE80::1]:1", "127.0.0.1:80"] {
            let host = Host::parse(text).unwrap();
            assert_eq!(Host::parse(host.as_str()).unwrap(), host);
        }
    }
}

//! The address of the client behind the proxies that are believed.

use std::net::IpAddr;

use actix_web::HttpRequest;

/// The peer; or, if the peer is trusted, the last address in `X-Forwarded-For` that is not trusted itself.
/// `None` for a peer without an address.
pub fn client_address(request: &HttpRequest, trusted: &[IpAddr]) -> Option<IpAddr> {
    let mut client = request.peer_addr()?.ip().to_canonical();
    if !trusted.contains(&client) {
        return Some(client);
    }
    let lists: Vec<_> = request.headers().get_all("x-forwarded-for").collect();
    let hops = lists.iter().rev().flat_map(|list| list.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        // What a trusted proxy did not write as an address cannot be looked behind.
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !trusted.contains(&client) {
            break;
        }
    }
    Some(client)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        let mut request = TestRequest::default().peer_addr(format!("{peer}:1").parse().unwrap());
        for list in forwarded {
            request = request.append_header(("x-forwarded-for", *list));
        }
        client_address(&request.to_http_request(), &trusted).unwrap().to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        assert_eq!(client("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
    }

    #[test]
    fn the_last_untrusted_hop_is_the_client() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1, 192.0.2.9, 10.0.0.2"]), "192.0.2.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.1", "192.0.2.9"]), "192.0.2.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }
}

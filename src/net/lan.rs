//! The addresses by which others on the LAN reach this server.
//!
//! Owns the guess from what the system would use as its own address towards elsewhere; asking sends no packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Somewhere in each private range (RFC 1918, RFC 4193), the link's own (RFC 3927), and for documentation
/// (RFC 5737, RFC 3849), which stands for everywhere else.
const TOWARDS: [IpAddr; 7] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(172, 16, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
];

/// `http://` URLs of a server that is bound to `bound`, the likeliest first; none where only this machine reaches it.
pub fn urls(bound: SocketAddr) -> Vec<String> {
    urls_from(bound, TOWARDS.into_iter().filter_map(local_address))
}

fn urls_from(bound: SocketAddr, local: impl Iterator<Item = IpAddr>) -> Vec<String> {
    let candidates: Vec<IpAddr> = if bound.ip().is_unspecified() {
        let reaches = |ip: &IpAddr| bound.is_ipv6() || ip.is_ipv4();
        local.filter(reaches).collect()
    } else {
        vec![bound.ip()]
    };
    let mut urls = Vec::new();
    for ip in candidates {
        let url = format!("http://{}", SocketAddr::new(ip, bound.port()));
        if reachable(ip) && !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// The address that the system would send from; a datagram socket that is connected has sent nothing yet.
fn local_address(towards: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match towards {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // Port 9 discards (RFC 863), should ever anything be sent.
    socket.connect((towards, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// A link-local IPv6 address needs a zone, which browsers do not take.
fn reachable(ip: IpAddr) -> bool {
    let link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    !ip.is_loopback() && !ip.is_unspecified() && !link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(bound: &str, local: &[&str]) -> Vec<String> {
        urls_from(
            bound.parse().unwrap(),
            local.iter().map(|text| text.parse().unwrap()),
        )
    }

    #[test]
    fn every_address_of_the_machine_once() {
        let local = [
            "192.168.1.7",
            "192.168.1.7",
            "10.0.0.2",
            "127.0.0.1",
            "fd00::7",
            "fe80::1",
        ];
        assert_eq!(
            from("0.0.0.0:8080", &local),
            ["http://192.168.1.7:8080", "http://10.0.0.2:8080"]
        );
        assert_eq!(
            from("[::]:80", &local),
            [
                "http://192.168.1.7:80",
                "http://10.0.0.2:80",
                "http://[fd00::7]:80"
            ]
        );
    }

    #[test]
    fn a_specific_address_shows_itself_only() {
        assert_eq!(
            from("192.168.1.7:1", &["10.0.0.2"]),
            ["http://192.168.1.7:1"]
        );
        assert_eq!(from("127.0.0.1:1", &["10.0.0.2"]), [""; 0]);
        assert_eq!(from("[::1]:1", &["10.0.0.2"]), [""; 0]);
    }

    #[test]
    fn the_system_answers_without_a_packet() {
        // Where it has a route at all, the address is its own and of the same family.
        assert_eq!(
            local_address(Ipv4Addr::LOCALHOST.into()),
            Some(Ipv4Addr::LOCALHOST.into())
        );
    }
}

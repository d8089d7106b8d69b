//! What the kernel knows of a connection on this machine (`sock_diag(7)`). Its table of all of them, `/proc/net/tcp`,
//! takes some hundred times as long to read, and may miss a line while others come and go.

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read, Write};
use std::net::SocketAddr;

/// `AF_NETLINK` and `NETLINK_SOCK_DIAG`.
const NETLINK: (i32, i32) = (16, 4);
const REQUEST_LENGTH: u32 = 72;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
/// Where the number is in an answer: after the message's header (16 bytes) and all other fields of `inet_diag_msg`.
const INODE: std::ops::Range<usize> = 84..88;

/// The inode of the socket of the connection from `from` to `to` at the end of `from`; `None` if it is closed.
///
/// # Panics
/// If the kernel does not answer such questions.
pub(super) fn inode(from: SocketAddr, to: SocketAddr) -> Option<u32> {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else { return None };
    let mut request = Vec::new();
    request.extend(REQUEST_LENGTH.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    // Its number and its sender: there is one question and one answer.
    request.extend([0; 8]);
    // IPv4, TCP, no extension, a byte of padding, any state.
    request.extend([2, 6, 0, 0]);
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(from.port().to_be_bytes());
    request.extend(to.port().to_be_bytes());
    for end in [from, to] {
        // There is room for IPv6.
        request.extend(end.ip().octets());
        request.extend([0; 12]);
    }
    // Any interface, and no cookie.
    request.extend(0_u32.to_ne_bytes());
    request.extend([0xFF; 8]);

    let mut kernel = Socket::new(Domain::from(NETLINK.0), Type::DGRAM, Some(Protocol::from(NETLINK.1))).unwrap();
    kernel.write_all(&request).unwrap();
    let mut answer = [0; 1_024];
    let length = kernel.read(&mut answer).unwrap();
    let answer = &answer[..length];
    if answer[4..6] != SOCK_DIAG_BY_FAMILY.to_ne_bytes() {
        // An error: there is no such connection.
        return None;
    }
    let inode = u32::from_ne_bytes(answer[INODE].try_into().unwrap());
    (inode != 0).then_some(inode)
}

#[test]
fn the_inode_of_a_connection_is_that_of_its_socket() {
    use std::os::fd::AsRawFd;
    use std::os::linux::fs::MetadataExt;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    let link = std::fs::metadata(format!("/proc/self/fd/{}", client.as_raw_fd())).unwrap();
    assert_eq!(inode(peer, server.local_addr().unwrap()).map(u64::from), Some(link.st_ino()));
    drop(client);
    assert_eq!(inode(peer, server.local_addr().unwrap()), None);
}

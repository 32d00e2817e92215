//! A guest's network: a link that is up and has an address, asked of the kernel in rtnetlink's words, because an
//! initramfs has no `ip` to ask.
//!
//! ```text
//! nlmsghdr  length, type, flags, sequence, port     ifinfomsg   family, pad, type, index, flags, change
//!                                                   ifaddrmsg   family, prefix, flags, scope, index; attributes
//! ```
//!
//! It refuses anything but IPv4. What a newcomer would get wrong: the kernel's answer to success is an error, too, of the
//! number 0.

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const ERROR: u16 = 2;
const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
const CREATE: u16 = 0x400;
const UP: u32 = 1;
const INET: u8 = 2;
const ATTRIBUTE_ADDRESS: u16 = 1;
const ATTRIBUTE_LOCAL: u16 = 2;

/// Takes the link `name` up; /sys must be mounted.
///
/// # Errors
/// There is no such link, or the kernel refuses.
pub fn up(name: &str) -> io::Result<()> {
    ask(&link_up(index(name)?))
}

/// Gives the link `name` an address in a network of 24 bits.
///
/// # Errors
/// As [`up`].
pub fn address(name: &str, address: Ipv4Addr) -> io::Result<()> {
    ask(&new_address(index(name)?, address))
}

fn index(name: &str) -> io::Result<u32> {
    let file = format!("/sys/class/net/{name}/ifindex");
    let text = fs::read_to_string(&file)
        .map_err(|why| io::Error::new(why.kind(), format!("{file}: {why}")))?;
    text.trim().parse().map_err(io::Error::other)
}

fn link_up(index: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(UP.to_ne_bytes());
    body.extend(UP.to_ne_bytes());
    message(NEW_LINK, REQUEST_AND_ACKNOWLEDGE, &body)
}

fn new_address(index: u32, address: Ipv4Addr) -> Vec<u8> {
    let mut body = vec![INET, 24, 0, 0];
    body.extend(index.to_ne_bytes());
    for attribute in [ATTRIBUTE_LOCAL, ATTRIBUTE_ADDRESS] {
        body.extend(8_u16.to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(address.octets());
    }
    message(NEW_ADDRESS, REQUEST_AND_ACKNOWLEDGE | CREATE, &body)
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 16).unwrap_or(u32::MAX);
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(body);
    bytes
}

fn ask(message: &[u8]) -> io::Result<()> {
    let (family, protocol) = (AddressFamily::Netlink, SockProtocol::NetlinkRoute);
    let kernel = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    send(kernel.as_raw_fd(), message, MsgFlags::empty())?;
    let mut bytes = [0; 4096];
    let length = recv(kernel.as_raw_fd(), &mut bytes, MsgFlags::empty())?;
    answer(bytes.get(..length).unwrap_or_default())
}

/// What the kernel has said to a request.
fn answer(bytes: &[u8]) -> io::Result<()> {
    let kind = bytes.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
    let code = bytes.get(16..20).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, code) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(io::Error::other("the kernel's answer is no acknowledgement")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_its_own_length() {
        for bytes in [link_up(3), new_address(3, Ipv4Addr::LOCALHOST)] {
            let said = u32::from_ne_bytes(bytes[..4].try_into().unwrap());
            assert_eq!(usize::try_from(said).unwrap(), bytes.len());
            assert_eq!(bytes[20..24], 3_u32.to_ne_bytes());
        }
    }

    #[test]
    fn the_kernel_answers_with_an_error_that_may_be_none() {
        let said = |code: i32| message(ERROR, 0, &code.to_ne_bytes());
        assert!(answer(&said(0)).is_ok());
        assert_eq!(answer(&said(-1)).unwrap_err().raw_os_error(), Some(1));
        assert!(answer(b"short").is_err());
    }

    #[test]
    fn the_kernel_understands_these_messages() {
        // The number of a link that can't be: it is understood, and there is none.
        let why = ask(&link_up(0x7fff_fff0)).unwrap_err();
        assert!(matches!(why.raw_os_error(), Some(libc::ENODEV | libc::EPERM)), "{why}");
    }
}

//! Version 2: a binary header (section 2.2 of the specification).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::crc32c::crc32c;
use super::{ProxyProtocolError, Told};

/// How it begins.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length of the rest.
pub(super) const FIXED_BYTES: usize = 16;

/// Longest rest: addresses take up to 216 bytes (of UNIX sockets), extensions of real senders some hundred; those with
/// a client certificate's names are the longest.
const MAX_REST: usize = 4096;

/// Source and destination address, source and destination port.
const IPV4_ADDRESSES: usize = 12;
const IPV6_ADDRESSES: usize = 36;
/// Paths of two sockets.
const UNIX_ADDRESSES: usize = 216;

/// Type of the extension with the checksum (section 2.2.3).
const CHECKSUM: u8 = 0x03;

/// Looks at a header whose fixed part is there.
pub(super) fn step(header: &[u8]) -> Result<Option<Told>, ProxyProtocolError> {
    let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if length > MAX_REST {
        return Err(ProxyProtocolError::TooLong);
    }
    let command = command(header[12])?;
    if header.len() < FIXED_BYTES + length {
        return Ok(None);
    }
    match command {
        // All of the rest is to be ignored.
        Command::Local => Ok(Some(Told::Itself)),
        Command::Proxy => told(header).map(Some),
    }
}

enum Command {
    Local,
    Proxy,
}

fn command(byte: u8) -> Result<Command, ProxyProtocolError> {
    match byte {
        0x20 => Ok(Command::Local),
        0x21 => Ok(Command::Proxy),
        _ => Err(ProxyProtocolError::Unsupported),
    }
}

/// Reads the addresses and the extensions of a whole header.
fn told(header: &[u8]) -> Result<Told, ProxyProtocolError> {
    let rest = &header[FIXED_BYTES..];
    let (told, addresses) = match header[13] {
        0x00 => return Ok(Told::Itself),
        0x11 => (client::<4>(rest, |octets| IpAddr::V4(Ipv4Addr::from(octets)))?, IPV4_ADDRESSES),
        0x21 => (client::<16>(rest, |octets| IpAddr::V6(Ipv6Addr::from(octets)))?, IPV6_ADDRESSES),
        0x31 => (Told::Itself, UNIX_ADDRESSES),
        _ => return Err(ProxyProtocolError::Unsupported),
    };
    let extensions = rest.get(addresses..).ok_or(ProxyProtocolError::Malformed)?;
    check_extensions(header, extensions)?;
    Ok(told)
}

/// The source: the address first, its port behind both addresses.
fn client<const OCTETS: usize>(rest: &[u8], address: fn([u8; OCTETS]) -> IpAddr) -> Result<Told, ProxyProtocolError> {
    let (octets, after) = rest.split_first_chunk::<OCTETS>().ok_or(ProxyProtocolError::Malformed)?;
    let (_destination, after) = after.split_first_chunk::<OCTETS>().ok_or(ProxyProtocolError::Malformed)?;
    let (port, _) = after.split_first_chunk::<2>().ok_or(ProxyProtocolError::Malformed)?;
    Ok(Told::Client(SocketAddr::new(address(*octets).to_canonical(), u16::from_be_bytes(*port))))
}

/// Walks over the extensions: type, length in two bytes, value. All but the checksum are skipped.
fn check_extensions(header: &[u8], mut extensions: &[u8]) -> Result<(), ProxyProtocolError> {
    while let [kind, high, low, rest @ ..] = extensions {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = rest.split_at_checked(length).ok_or(ProxyProtocolError::Malformed)?;
        if *kind == CHECKSUM {
            let at = header.len() - rest.len();
            check_sum(header, at, value)?;
        }
        extensions = after;
    }
    if extensions.is_empty() { Ok(()) } else { Err(ProxyProtocolError::Malformed) }
}

/// The checksum covers the whole header, its own four bytes as zeros.
fn check_sum(header: &[u8], at: usize, value: &[u8]) -> Result<(), ProxyProtocolError> {
    let expected = u32::from_be_bytes(value.try_into().map_err(|_| ProxyProtocolError::Malformed)?);
    let found = crc32c(&[&header[..at], &[0; 4], &header[at + value.len()..]]);
    if found == expected { Ok(()) } else { Err(ProxyProtocolError::Checksum) }
}

//! Which fields of a response are kept in store (RFC 9111 section 3.1).

use std::time::SystemTime;

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, header};

use super::{hop_by_hop, http_date};

/// Makes the fields of a response those that are stored: without hop-by-hop fields and Age (the age lives in
/// `StoredTimes`), and with a Date (RFC 9110 section 6.6.1). Call it after `assess`, which needs the Age.
pub fn prepare(headers: &mut HeaderMap, response_time: SystemTime) {
    hop_by_hop::strip_from_response(headers);
    headers.remove(header::AGE);
    let dated = headers.get(header::DATE).and_then(http_date::parse).is_some();
    if !dated {
        headers.insert(header::DATE, http_date::format(response_time));
    }
    gather(headers);
}

/// Copies all values into one buffer of just their length. As received they are slices of the connection's read buffer,
/// 4 KiB or more, which they would keep alive for as long as the response is stored.
fn gather(headers: &mut HeaderMap) {
    let total = headers.values().map(HeaderValue::len).sum();
    let mut bytes = BytesMut::with_capacity(total);
    for value in headers.values() {
        bytes.extend_from_slice(value.as_bytes());
    }
    let mut bytes = bytes.freeze();
    for value in headers.values_mut() {
        let own = bytes.split_to(value.len().min(bytes.len()));
        // What was a value is one again.
        if let Ok(mut own) = HeaderValue::from_maybe_shared(own) {
            own.set_sensitive(value.is_sensitive());
            *value = own;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn gathered_values_are_what_they_were_and_share_one_buffer() {
        let read_buffer = bytes::Bytes::from(vec![b'a'; 4096]);
        let mut headers = HeaderMap::new();
        for (name, range) in [("x-one", 0..10), ("x-two", 10..12), ("x-two", 12..12), ("x-three", 20..300)] {
            headers.append(name, HeaderValue::from_maybe_shared(read_buffer.slice(range)).unwrap());
        }
        let before = headers.clone();
        prepare(&mut headers, UNIX_EPOCH);
        headers.remove(header::DATE);
        assert_eq!(headers, before);
        let first = headers["x-one"].as_bytes().as_ptr() as usize;
        let received = read_buffer.as_ptr() as usize;
        assert!(!(received..received + read_buffer.len()).contains(&first), "still in the read buffer");
    }
}

//! Which fields of a response are kept in store (RFC 9111 section 3.1).

use std::time::SystemTime;

use http::{HeaderMap, header};

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
}

//! The Date of a response, on its way through Pingora's HTTP/1.1.
//!
//! Pingora's session sets Date to the time of writing in every final head, and has no setting that leaves it. Whose Date a
//! response bears is for the pipeline to say (RFC 9110 section 6.6.1): it tells so here, and the connection's stream puts
//! it into the head that Pingora writes. Bodies are never looked at: what was told is for the one head that follows.

use std::ops::Range;
use std::sync::Arc;

use http::HeaderValue;
use memchr::memchr_iter;
use parking_lot::Mutex;

/// What the line of the field begins with, as Pingora writes it but for case.
const NAME: &[u8] = b"date: ";

/// What Date the next final response of an HTTP/1 connection has; Pingora's own where nothing is told.
#[derive(Debug, Clone, Default)]
pub struct ResponseDate(Arc<Mutex<Option<HeaderValue>>>);

impl ResponseDate {
    /// The final head that is written next has this one.
    pub fn tell(&self, date: Option<&HeaderValue>) {
        *self.0.lock() = date.cloned();
    }

    /// Nothing that was told is for the next request.
    pub(super) fn forget(&self) {
        self.tell(None);
    }

    /// What was told, and in which bytes of `written` it belongs, where that is the head which it is for.
    pub(super) fn take_for(&self, written: &[u8]) -> Option<(HeaderValue, Range<usize>)> {
        let mut told = self.0.lock();
        if told.is_none() {
            return None;
        }
        if begins_switch(written) {
            *told = None;
        }
        if !begins_final_head(written) {
            return None;
        }
        told.take().zip(place_in(written))
    }
}

/// Interim responses come before the one that it is told for.
fn begins_final_head(written: &[u8]) -> bool {
    written.starts_with(b"HTTP/1.") && written.get(b"HTTP/1.1 ".len()).is_some_and(|digit| *digit > b'1')
}

/// What follows is another protocol's (RFC 9110 section 15.2.2), and no head whatever it looks like.
fn begins_switch(written: &[u8]) -> bool {
    written.starts_with(b"HTTP/1.") && written.get(b"HTTP/1.1 ".len()..).is_some_and(|rest| rest.starts_with(b"101"))
}

/// Where the value is, within the head that begins here.
fn place_in(head: &[u8]) -> Option<Range<usize>> {
    let mut start = 0;
    for feed in memchr_iter(b'\n', head) {
        let line = head[start..feed].strip_suffix(b"\r")?;
        if line.is_empty() {
            return None;
        }
        if line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)) {
            return Some(start + NAME.len()..start + line.len());
        }
        start = feed + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

    /// What becomes of these writes, one after the other.
    fn check(writes: &[&str], expected: &[&str]) {
        let date = ResponseDate::default();
        date.tell(Some(&HeaderValue::from_static(TOLD)));
        let rewritten = writes.iter().map(|written| match date.take_for(written.as_bytes()) {
            Some((value, place)) => [&written[..place.start], value.to_str().unwrap(), &written[place.end..]].concat(),
            None => (*written).to_owned(),
        });
        assert_eq!(rewritten.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn date_is_put_into_the_first_final_head_and_nowhere_else() {
        let head = "HTTP/1.1 200 OK\r\nX-Date: 1\r\nDate: now\r\nA: b\r\n\r\n";
        let told = format!("HTTP/1.1 200 OK\r\nX-Date: 1\r\nDate: {TOLD}\r\nA: b\r\n\r\n");
        check(&[head, head], &[&told, head]);
        let interim = "HTTP/1.1 103 Early Hints\r\nDate: then\r\n\r\n";
        check(&[interim, head, "Date: in a body\r\n"], &[interim, &told, "Date: in a body\r\n"]);
        check(&["HTTP/1.0 404 \r\nDATE: \r\n\r\n"], &[&format!("HTTP/1.0 404 \r\nDATE: {TOLD}\r\n\r\n")]);
        // What follows a 101 is another protocol, and may look like a response.
        let switching = "HTTP/1.1 101 Switching Protocols\r\nDate: then\r\n\r\n";
        check(&[switching, head], &[switching, head]);
        // Nothing behind the head is looked at, and a head without the field leaves nothing for the next one.
        let without = "HTTP/1.1 200 OK\r\nUpdate: 1\r\n\r\nDate: now\r\n";
        check(&[without, head], &[without, head]);
        for no_head in ["", "HTTP/1.1", "HTTP/1.1 ", "date: now\r\n", "HTTP/1.1 200 OK\nDate: now\r\n\r\n"] {
            check(&[no_head], &[no_head]);
        }
    }

    #[test]
    fn what_was_told_last_holds_until_it_is_forgotten() {
        let head = b"HTTP/1.1 200 OK\r\nDate: now\r\n\r\n";
        let date = ResponseDate::default();
        assert_eq!(date.take_for(head), None);
        let (first, second) = (HeaderValue::from_static("first"), HeaderValue::from_static("second"));
        date.tell(Some(&first));
        date.clone().tell(Some(&second));
        assert_eq!(date.take_for(head), Some((second, 23..26)));
        date.tell(Some(&first));
        date.forget();
        assert_eq!(date.take_for(head), None);
    }
}

//! Priorities of responses (RFC 9218): what client and server say, and what quinn makes of it.
//!
//! Owns reading the values and merging them. What is urgent is for the client and for whoever makes the response to say.

use http::{HeaderMap, HeaderName};

/// The field of both, client and server (RFC 9218 section 5).
pub(super) const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// Most urgent and least (RFC 9218 section 4.1).
const URGENCIES: std::ops::RangeInclusive<u8> = 0..=7;
/// Where nobody says anything.
const USUAL_URGENCY: u8 = 3;
/// Longest value that is read. Two parameters take eight bytes; registered ones are few.
const MAX_VALUE: usize = 256;
/// Places between two urgencies, in which streams of one urgency stand in the order in which they were opened.
const PLACES: i32 = 1 << 24;

/// What one side says; what it leaves out is for the other to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signal {
    urgency: Option<u8>,
    incremental: Option<bool>,
}

impl Signal {
    /// From the field of a message.
    pub(crate) fn of(fields: &HeaderMap) -> Option<Self> {
        let lines: Vec<&[u8]> = fields.get_all(PRIORITY).iter().map(http::HeaderValue::as_bytes).collect();
        if lines.is_empty() { None } else { Some(Self::parse(&lines.join(&b','))) }
    }

    /// From a value: a dictionary of Structured Fields (RFC 9651 section 3.2). Parameters that are not known or ill-typed
    /// are as if left out (RFC 9218 section 4), the last of several counts, and what is no dictionary says nothing.
    pub(crate) fn parse(value: &[u8]) -> Self {
        if value.len() > MAX_VALUE {
            return Self::default();
        }
        let mut signal = Self::default();
        for member in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            // Parameters of a member mean nothing here.
            let bare = member.split(|byte| *byte == b';').next().unwrap_or_default();
            match bare {
                [b'u', b'=', digit] if URGENCIES.contains(&digit.wrapping_sub(b'0')) => {
                    signal.urgency = Some(digit - b'0');
                }
                b"i" | b"i=?1" => signal.incremental = Some(true),
                b"i=?0" => signal.incremental = Some(false),
                _ => {}
            }
        }
        signal
    }

    /// What both say together: the server, which knows its responses, goes before the client (RFC 9218 section 8).
    #[must_use]
    pub(super) fn over(self, client: Self) -> Self {
        Self { urgency: self.urgency.or(client.urgency), incremental: self.incremental.or(client.incremental) }
    }

    /// Its place among the streams of a connection as quinn counts: the higher the sooner, and turn by turn among equals.
    /// Responses that are of use only whole go one after another, the oldest first (RFC 9218 section 10), where anybody
    /// says so; of requests about which nothing is said none holds up the others.
    #[must_use]
    pub(super) fn place(self, stream: u64) -> i32 {
        let urgency = i32::from(self.urgency.unwrap_or(USUAL_URGENCY));
        let level = (i32::from(*URGENCIES.end()) - urgency) * PLACES;
        let says_something = self != Self::default();
        if self.incremental == Some(true) || !says_something {
            return level;
        }
        let order = i32::try_from(stream / 4).unwrap_or(i32::MAX).min(PLACES - 2);
        level + PLACES - 1 - order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(urgency: Option<u8>, incremental: Option<bool>) -> Signal {
        Signal { urgency, incremental }
    }

    #[test]
    fn parameters_of_their_types_are_read_and_no_others() {
        let check = |value: &str, urgency: Option<u8>, incremental: Option<bool>| {
            assert_eq!(Signal::parse(value.as_bytes()), signal(urgency, incremental), "{value}");
        };
        check("u=0", Some(0), None);
        check("u=7, i", Some(7), Some(true));
        check("i=?0,u=1", Some(1), Some(false));
        check("u=5;x=1, i;y", Some(5), Some(true));
        check("u=1, u=2", Some(2), None);
        check("", None, None);
        for odd in ["u=8", "u=-1", "u=1.5", "u=\"1\"", "u", "u=12", "U=1", "i=1", "i=?2", "x", "ui", "u=/"] {
            check(odd, None, None);
        }
        check(&format!("u=1,{}", "x".repeat(MAX_VALUE)), None, None);
    }

    #[test]
    fn server_goes_before_client_in_what_it_says() {
        let check = |server: &str, client: &str, expected: &str| {
            let merged = Signal::parse(server.as_bytes()).over(Signal::parse(client.as_bytes()));
            assert_eq!(merged, Signal::parse(expected.as_bytes()), "{server} over {client}");
        };
        check("u=1", "u=5, i", "u=1, i");
        check("", "u=5, i", "u=5, i");
        check("i=?0", "u=5, i", "u=5, i=?0");
    }

    #[test]
    fn urgent_streams_go_first_and_whole_ones_in_their_order() {
        let place = |value: &str, stream: u64| Signal::parse(value.as_bytes()).place(stream);
        assert!(place("u=0", u64::MAX) > place("u=1", 0));
        assert!(place("u=0, i", 0) > place("u=1", 0));
        assert!(place("u=2", 0) > place("", 0) && place("", 0) > place("u=4", 0));
        assert!(place("u=3", 0) > place("u=3", 4), "the older one first");
        assert_eq!(place("u=3, i", 0), place("u=3, i", 4), "turn by turn");
        assert_eq!(place("", 0), place("", 4), "turn by turn");
        assert!(place("u=7, i", u64::MAX) >= 0);
    }
}

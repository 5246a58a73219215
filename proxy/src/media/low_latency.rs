//! Delivery directives of low-latency HLS (RFC 8216bis section 6.2.5): which version of a playlist a player wants.
//!
//! Owns their grammar and which of them no playlist can soon meet. Who waits for whom is the cache's business.

use std::time::Duration;

use super::Position;

const SEQUENCE: &[u8] = b"_HLS_msn";
const PART: &[u8] = b"_HLS_part";

/// Digits of a number believed: what does not fit was never a media sequence number.
const MAX_DIGITS: usize = 19;

/// Segments beyond the last one that may be asked for (section 6.2.5.2 says two).
const AHEAD: u64 = 2;

/// Shortest part believed: shorter ones would be more requests than pictures.
const SHORTEST_PART: Duration = Duration::from_millis(30);

/// What a request for a playlist asks of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// Whatever there is.
    Present,
    /// One with this segment, or this part of it; its server holds the request back until there is one.
    Blocking {
        /// Media sequence number.
        sequence: u64,
        /// Part, counted from zero.
        part: Option<u32>,
    },
    /// It contradicts the grammar: answered with 400 as by the server itself.
    Malformed,
}

impl Reload {
    /// Reads the query of a request, without its `?`.
    #[must_use]
    pub fn of(query: Option<&[u8]>) -> Self {
        let arguments = query.unwrap_or_default().split(|byte| *byte == b'&');
        let (mut sequence, mut part) = (None, None);
        for argument in arguments {
            let mut halves = argument.splitn(2, |byte| *byte == b'=');
            let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            let known = match name {
                SEQUENCE => &mut sequence,
                PART => &mut part,
                _ => continue,
            };
            if known.is_some() {
                return Self::Malformed; // two wishes
            }
            let Some(number) = number(value) else { return Self::Malformed };
            *known = Some(number);
        }
        match (sequence, part) {
            (None, None) => Self::Present,
            // A part is one of a segment (section 6.2.5.2: 400).
            (None, Some(_)) => Self::Malformed,
            (Some(sequence), None) => Self::Blocking { sequence, part: None },
            (Some(sequence), Some(part)) => match u32::try_from(part) {
                Ok(part) => Self::Blocking { sequence, part: Some(part) },
                Err(_) => Self::Malformed,
            },
        }
    }

    /// Whether it asks for more than may be asked for (section 6.2.5.2), given how far the playlist was so long ago.
    /// What it may have grown since is granted.
    #[must_use]
    pub fn is_too_far(&self, known: Position, age: Duration, target: Duration) -> bool {
        let Self::Blocking { sequence, .. } = self else { return false };
        let target = target.max(Duration::from_secs(1));
        let grown = u64::try_from(age.as_millis() / target.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        *sequence > known.sequence.saturating_add(AHEAD).saturating_add(grown)
    }

    /// Whether it asks for a part that no segment of this playlist can have (section 6.2.5.2 has servers refuse parts
    /// beyond the last one and a few more). Each part would be held back by itself.
    #[must_use]
    pub fn is_beyond_parts(&self, known: Position, target: Duration, part_target: Option<Duration>) -> bool {
        let Self::Blocking { part: Some(part), .. } = self else { return false };
        let target = target.as_millis();
        let part_target = part_target.map_or(target, |parts| parts.as_millis()).max(SHORTEST_PART.as_millis());
        // Target durations are rounded, and parts but the last have at least 85 % of theirs (section 4.4.4.9).
        let most = (100 * (target + 500)).div_ceil(85 * part_target);
        let last = most.saturating_sub(1).max(u128::from(known.parts));
        // The Advance Part Limit of section 6.2.5.2.
        let ahead = if part_target < 1000 { 3000 / part_target } else { 3 };
        u128::from(*part) > last + ahead
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = (1..=MAX_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_or_refused() {
        let check = |query: &str, expected: Reload| assert_eq!(Reload::of(Some(query.as_bytes())), expected, "{query}");
        let blocking = |sequence, part| Reload::Blocking { sequence, part };
        assert_eq!(Reload::of(None), Reload::Present);
        check("", Reload::Present);
        check("token=1&_HLS_skip=YES", Reload::Present);
        check("_HLS_msn=273", blocking(273, None));
        check("_HLS_msn=273&_HLS_part=2", blocking(273, Some(2)));
        check("a=b&_HLS_part=0&_HLS_msn=0&_HLS_skip=v2", blocking(0, Some(0)));
        for malformed in [
            "_HLS_msn=",
            "_HLS_msn",
            "_HLS_msn=-1",
            "_HLS_msn=+1",
            "_HLS_msn=1.5",
            "_HLS_msn=x",
            "_HLS_msn=%31",
            "_HLS_msn=99999999999999999999",
            "_HLS_part=1",
            "_HLS_msn=1&_HLS_part=x",
            "_HLS_msn=1&_HLS_msn=2",
            "_HLS_msn=1&_HLS_part=4294967296",
        ] {
            check(malformed, Reload::Malformed);
        }
    }

    #[test]
    fn parts_that_no_segment_has_may_not_be_asked_for() {
        let known = |parts| Position { sequence: 100, parts };
        let check = |parts, part_target: Option<u64>, part, expected| {
            let reload = Reload::Blocking { sequence: 101, part: Some(part) };
            let part_target = part_target.map(Duration::from_millis);
            let found = reload.is_beyond_parts(known(parts), Duration::from_secs(4), part_target);
            assert_eq!(found, expected, "part {part} with {parts} of {part_target:?}");
        };
        // 4.5 s in parts of at least 0.17 s, and 15 more.
        check(3, Some(200), 20, false);
        check(3, Some(200), 26 + 15, false);
        check(3, Some(200), 27 + 15, true);
        check(3, Some(1000), 8, false);
        check(3, Some(1000), 9, true);
        check(0, None, 3, false);
        check(0, None, 1_000, true);
        check(200, Some(200), 215, false);
        check(3, Some(0), 1_000_000, true);
        check(3, Some(200), u32::MAX, true);
        let whole = Reload::Blocking { sequence: 101, part: None };
        assert!(!whole.is_beyond_parts(known(3), Duration::from_secs(4), None));
    }

    #[test]
    fn only_what_is_about_to_come_may_be_asked_for() {
        let known = Position { sequence: 100, parts: 3 };
        let check = |sequence, age: u64, expected| {
            let reload = Reload::Blocking { sequence, part: None };
            let found = reload.is_too_far(known, Duration::from_secs(age), Duration::from_secs(4));
            assert_eq!(found, expected, "{sequence} after {age} s");
        };
        check(90, 0, false);
        check(103, 0, false);
        check(104, 0, true);
        check(104, 4, false);
        check(u64::MAX, 3600, true);
        assert!(!Reload::Present.is_too_far(known, Duration::ZERO, Duration::ZERO));
    }
}

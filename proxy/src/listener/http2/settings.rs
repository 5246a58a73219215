//! SETTINGS (RFC 9113 section 6.5): what we announce, and what clients say that matters here.

use tidegate_config::model::Limits;

use super::frame::{LARGEST_WINDOW, Reason};
use super::streams::Fault;
use super::windows::STREAM_WINDOW;

const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
/// RFC 9218 section 2.1: priorities as RFC 7540 had them mean nothing here.
const NO_RFC7540_PRIORITIES: u16 = 0x9;

/// Octets that a frame may have at least and at most (RFC 9113 section 6.5.2).
const FRAME_SIZES: std::ops::RangeInclusive<u32> = (1 << 14)..=((1 << 24) - 1);

/// What every client is told first.
pub(super) fn announced(limits: &Limits) -> [(u16, u32); 4] {
    [
        (MAX_CONCURRENT_STREAMS, limits.streams),
        (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        (MAX_HEADER_LIST_SIZE, u32::try_from(section_bytes(limits)).unwrap_or(u32::MAX)),
        (NO_RFC7540_PRIORITIES, 1),
    ]
}

/// The largest header section. HTTP/2 counts names, values and 32 bytes a field (RFC 9113 section 6.5.2); ours counts
/// names and values.
pub(super) fn section_bytes(limits: &Limits) -> usize {
    const FIELD_OVERHEAD: usize = 32;
    let overhead = limits.header_count.saturating_mul(FIELD_OVERHEAD);
    limits.header_bytes.as_usize().saturating_add(limits.target_bytes.as_usize()).saturating_add(overhead)
}

/// What a client's SETTINGS change: the window of its streams, if they say anything of it. Of what else there is, nothing
/// is used: frames are never larger than everybody takes, and nothing is pushed nor entered into its table.
pub(super) fn window_of(payload: &[u8]) -> Result<Option<u32>, Fault> {
    let (settings, []) = payload.as_chunks::<6>() else { return Err(Fault::Connection(Reason::FRAME_SIZE_ERROR)) };
    let mut window = None;
    for [a, b, value @ ..] in settings {
        let (id, value) = (u16::from_be_bytes([*a, *b]), u32::from_be_bytes(*value));
        match id {
            INITIAL_WINDOW_SIZE if i64::from(value) > LARGEST_WINDOW => {
                return Err(Fault::Connection(Reason::FLOW_CONTROL_ERROR));
            }
            INITIAL_WINDOW_SIZE => window = Some(value),
            ENABLE_PUSH if value > 1 => return Err(Fault::Connection(Reason::PROTOCOL_ERROR)),
            MAX_FRAME_SIZE if !FRAME_SIZES.contains(&value) => return Err(Fault::Connection(Reason::PROTOCOL_ERROR)),
            _ => {}
        }
    }
    Ok(window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_window_counts_and_what_is_out_of_bounds_is_refused() {
        let check = |settings: &[(u16, u32)], expected: Result<Option<u32>, Fault>| {
            let payload: Vec<u8> = settings
                .iter()
                .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
                .collect();
            assert_eq!(window_of(&payload), expected, "{settings:?}");
        };
        let refused = |reason| Err(Fault::Connection(reason));
        check(&[], Ok(None));
        check(&[(INITIAL_WINDOW_SIZE, 5), (0x77, u32::MAX), (INITIAL_WINDOW_SIZE, 6)], Ok(Some(6)));
        check(&[(INITIAL_WINDOW_SIZE, 1 << 31)], refused(Reason::FLOW_CONTROL_ERROR));
        check(&[(ENABLE_PUSH, 2)], refused(Reason::PROTOCOL_ERROR));
        check(&[(MAX_FRAME_SIZE, 16_383)], refused(Reason::PROTOCOL_ERROR));
        check(&[(MAX_FRAME_SIZE, 1 << 24)], refused(Reason::PROTOCOL_ERROR));
        check(&[(MAX_FRAME_SIZE, 16_384), (ENABLE_PUSH, 0)], Ok(None));
        assert_eq!(window_of(&[0; 5]), refused(Reason::FRAME_SIZE_ERROR));
    }
}

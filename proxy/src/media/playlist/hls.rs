//! HLS playlists (RFC 8216).

mod attributes;
mod contents;

use std::time::Duration;

pub(super) use contents::list;

use super::{Presentation, head, tail};

/// Longest target duration believed: none that plays is longer, and a typing error must not fix a playlist for days.
const MAX_TARGET_SECONDS: u64 = 3600;

pub(super) fn inspect(body: &[u8]) -> (Presentation, Option<Duration>) {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if !body.starts_with(b"#EXTM3U") {
        return (Presentation::Unknown, None);
    }
    let mut presentation = Presentation::Unknown;
    let mut target = None;
    for line in lines(head(body)) {
        if let Some(value) = line.strip_prefix(b"#EXT-X-TARGETDURATION:") {
            target = target.or(seconds(value));
            if presentation == Presentation::Unknown {
                presentation = Presentation::Live; // a media playlist changes until it says that it has ended
            }
        } else if is_final(line) {
            presentation = Presentation::OnDemand;
        }
    }
    if lines(tail(body)).any(is_final) {
        presentation = Presentation::OnDemand;
    }
    (presentation, target)
}

/// RFC 8216 sections 4.3.3.4 and 4.3.3.5: a playlist with either tag does not change any more.
fn is_final(line: &[u8]) -> bool {
    line == b"#EXT-X-ENDLIST" || line == b"#EXT-X-PLAYLIST-TYPE:VOD"
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end)
}

/// A decimal integer; a fraction, which some packagers write, is cut off.
fn seconds(value: &[u8]) -> Option<Duration> {
    let digits = value.trim_ascii().split(|byte| *byte == b'.').next()?;
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(Duration::from_secs(number.min(MAX_TARGET_SECONDS)))
}

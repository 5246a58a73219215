//! What the first bytes of a body look like.

/// A kind of beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// `#EXTM3U` (RFC 8216 section 4.3.1.1).
    Hls,
    /// XML with an MPD as its first element.
    Dash,
    /// An MP4 fragment: `styp`, `moof`, `sidx`, `emsg` or `prft` first; or a WebM cluster.
    Fragment,
    /// `ftyp` and a `moov` that announces fragments.
    FragmentedHeader,
    /// `ftyp` and something else.
    WholeMp4,
    /// MPEG-2 transport stream.
    TransportStream,
    /// Packed audio of HLS: ID3 with a transport-stream timestamp (RFC 8216 section 3.4).
    PackedAudio,
    /// Other audio: ID3, MPEG audio or ADTS frames, Ogg, FLAC, RIFF.
    Audio,
    /// Matroska or WebM from its beginning.
    Matroska,
    /// HTML.
    Html,
    /// gzip or zstd: a content coding hides the rest. (Brotli and deflate have no signature.)
    Compressed,
    /// None of these.
    Unknown,
}

/// Looks at the beginning of a body.
pub(super) fn of(bytes: &[u8]) -> Signature {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    if text.starts_with(b"#EXTM3U") {
        return Signature::Hls;
    }
    if text.starts_with(b"<") {
        return markup(text);
    }
    mp4(bytes).or_else(|| stream(bytes)).unwrap_or(Signature::Unknown)
}

/// Markup ends at its first element; declarations and comments before it are stepped over.
fn markup(text: &[u8]) -> Signature {
    let mut rest = text;
    while let Some(open) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[open + 1..];
        let starts = |name: &[u8]| rest.len() >= name.len() && rest[..name.len()].eq_ignore_ascii_case(name);
        if starts(b"!doctype html") || starts(b"html") || starts(b"head") || starts(b"body") {
            return Signature::Html;
        }
        if !matches!(rest.first(), Some(b'?' | b'!')) {
            let name = rest.split(|byte| byte.is_ascii_whitespace() || *byte == b'>').next().unwrap_or_default();
            let local = name.rsplit(|byte| *byte == b':').next();
            return if local == Some(b"MPD".as_slice()) { Signature::Dash } else { Signature::Unknown };
        }
        let end: &[u8] = if rest.starts_with(b"!--") { b"-->" } else { b">" };
        let Some(after) = rest.windows(end.len()).position(|window| window == end) else {
            break;
        };
        rest = &rest[after + end.len()..];
    }
    Signature::Unknown
}

/// ISO base media: four bytes of size, four of type (ISO/IEC 14496-12 section 4.2).
fn mp4(bytes: &[u8]) -> Option<Signature> {
    let kind = bytes.get(4..8)?;
    match kind {
        b"styp" | b"moof" | b"sidx" | b"emsg" | b"prft" => Some(Signature::Fragment),
        b"ftyp" => Some(if announces_fragments(bytes) { Signature::FragmentedHeader } else { Signature::WholeMp4 }),
        b"moov" | b"mdat" | b"free" => Some(Signature::WholeMp4),
        _ => None,
    }
}

/// An initialisation segment has `mvex` in its `moov` and no fragments behind it; a whole file of fragments has both.
/// Sought as bytes, as the boxes may not be there whole.
fn announces_fragments(bytes: &[u8]) -> bool {
    let holds = |kind: &[u8; 4]| bytes.windows(4).any(|window| window == kind);
    holds(b"mvex") && !holds(b"moof") && !holds(b"sidx")
}

fn stream(bytes: &[u8]) -> Option<Signature> {
    /// Length of a transport stream packet (ISO/IEC 13818-1 section 2.4.3.2); its first byte is 0x47.
    const PACKET: usize = 188;
    match bytes {
        [0x47, ..] if bytes.get(PACKET) == Some(&0x47) => Some(Signature::TransportStream),
        [b'I', b'D', b'3', ..] => Some(tagged_audio(bytes)),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Some(Signature::Matroska),
        [0x1f, 0x43, 0xb6, 0x75, ..] => Some(Signature::Fragment),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Signature::Compressed),
        [b'O', b'g', b'g', b'S', ..] | [b'f', b'L', b'a', b'C', ..] | [b'R', b'I', b'F', b'F', ..] => {
            Some(Signature::Audio)
        }
        [0xff, second, third, ..] if is_audio_frame(*second, *third) => Some(Signature::Audio),
        _ => None,
    }
}

fn tagged_audio(bytes: &[u8]) -> Signature {
    let owner = b"com.apple.streaming.transportStreamTimestamp";
    let packed = bytes.windows(owner.len()).any(|window| window == owner);
    if packed { Signature::PackedAudio } else { Signature::Audio }
}

/// Eleven bits of sync, then version, layer II or III, bit rate and sample rate without their reserved values
/// (ISO/IEC 11172-3 section 2.4.2.3), or the twelve bits of sync and zero layer of ADTS (ISO/IEC 13818-7 section 6.2).
/// Layer I is left out: nobody sends it, and it would make music of every UTF-16 text.
fn is_audio_frame(second: u8, third: u8) -> bool {
    let adts = second & 0xf6 == 0xf0;
    let mpeg = second & 0xe0 == 0xe0 && second & 0x18 != 0x08 && matches!(second & 0x06, 0x02 | 0x04);
    adts || mpeg && third >> 4 != 0xf && third >> 2 & 3 != 3
}

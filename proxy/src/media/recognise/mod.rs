//! What a response is, by its content type and first bytes; never by its name alone.

mod signature;

use http::HeaderValue;

use signature::Signature;

/// Kinds of playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaylistKind {
    /// HLS.
    Hls,
    /// DASH.
    Dash,
}

/// What a piece of media is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaClass {
    /// A playlist or manifest.
    Playlist(PlaylistKind),
    /// A segment or part of one.
    Segment,
    /// An initialisation segment.
    Init,
    /// A whole video file.
    Progressive,
    /// A whole audio file.
    Audio,
}

/// How many first bytes it is worth handing in: they reach past the `moov` header of an initialisation segment.
pub const USEFUL_FIRST_BYTES: usize = 4096;

/// What a content type lets a response be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Declared {
    /// A playlist of this kind.
    Playlist(PlaylistKind),
    /// Segments by definition (MPEG-2 TS, `video/iso.segment`).
    Segment,
    /// A container of fragments or of a whole film.
    Video,
    /// A container of fragments or of a whole piece of audio.
    Audio,
    /// Types that servers without configuration send; the bytes decide.
    Untold,
    /// Plain text, which some servers call HLS playlists.
    Text,
    /// XML, which some servers call DASH manifests.
    Xml,
}

/// Recognises a response. `path` only settles what type and bytes leave open; `first_bytes` are those of
/// the body as sent; leave them out where a content coding hides what they are, and while none have come.
#[must_use]
pub fn recognise(content_type: Option<&HeaderValue>, path: &str, first_bytes: Option<&[u8]>) -> Option<MediaClass> {
    let declared = declared(content_type.map(HeaderValue::as_bytes))?;
    let signature = first_bytes.map(signature::of);
    match (declared, signature) {
        // Bytes that contradict the type, an error page sent as a playlist, say. Compressed ones tell nothing.
        (_, Some(Signature::Html)) | (Declared::Playlist(_), Some(Signature::Unknown)) => None,
        (Declared::Playlist(kind), _) => Some(MediaClass::Playlist(kind)),
        (Declared::Text | Declared::Untold, Some(Signature::Hls)) => Some(MediaClass::Playlist(PlaylistKind::Hls)),
        (Declared::Xml | Declared::Untold, Some(Signature::Dash)) => Some(MediaClass::Playlist(PlaylistKind::Dash)),
        (Declared::Text | Declared::Xml, _) => None,
        (Declared::Segment, _) => Some(MediaClass::Segment),
        (Declared::Untold, signature) => signature.and_then(container),
        (declared, signature) => Some(declared_container(declared, signature, path)),
    }
}

fn container(signature: Signature) -> Option<MediaClass> {
    match signature {
        Signature::Fragment | Signature::TransportStream | Signature::PackedAudio => Some(MediaClass::Segment),
        Signature::FragmentedHeader => Some(MediaClass::Init),
        Signature::WholeMp4 | Signature::Matroska => Some(MediaClass::Progressive),
        Signature::Audio => Some(MediaClass::Audio),
        Signature::Hls | Signature::Dash | Signature::Html | Signature::Compressed | Signature::Unknown => None,
    }
}

/// Video and audio by their type: the bytes tell fragments from whole files, else the name does.
fn declared_container(declared: Declared, signature: Option<Signature>, path: &str) -> MediaClass {
    let whole = if declared == Declared::Audio { MediaClass::Audio } else { MediaClass::Progressive };
    match signature {
        None | Some(Signature::Compressed) => by_name(path).unwrap_or(whole),
        Some(signature) => match container(signature) {
            Some(MediaClass::Segment) => MediaClass::Segment,
            Some(MediaClass::Init) => MediaClass::Init,
            _ => whole,
        },
    }
}

/// Names that packagers give to fragments and to nothing else.
fn by_name(path: &str) -> Option<MediaClass> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let (stem, suffix) = name.rsplit_once('.')?;
    let is = |suffixes: &[&str]| suffixes.iter().any(|known| suffix.eq_ignore_ascii_case(known));
    if is(&["m4i", "cmfi"]) || is(&["mp4", "m4s"]) && stem.to_ascii_lowercase().starts_with("init") {
        Some(MediaClass::Init)
    } else if is(&["m4s", "cmfv", "cmfa", "cmft"]) {
        Some(MediaClass::Segment)
    } else {
        None
    }
}

fn declared(content_type: Option<&[u8]>) -> Option<Declared> {
    let Some(written) = content_type else {
        return Some(Declared::Untold);
    };
    let essence = written.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is = |types: &[&str]| types.iter().any(|known| essence.eq_ignore_ascii_case(known.as_bytes()));
    let has_prefix =
        |prefix: &[u8]| essence.len() > prefix.len() && essence[..prefix.len()].eq_ignore_ascii_case(prefix);
    if is(HLS_TYPES) {
        Some(Declared::Playlist(PlaylistKind::Hls))
    } else if is(&["application/dash+xml"]) {
        Some(Declared::Playlist(PlaylistKind::Dash))
    } else if is(&["video/mp2t", "video/iso.segment"]) {
        Some(Declared::Segment)
    } else if has_prefix(b"video/") || is(&["application/mp4"]) {
        Some(Declared::Video)
    } else if has_prefix(b"audio/") {
        Some(Declared::Audio)
    } else if essence.is_empty() || is(&["application/octet-stream", "binary/octet-stream"]) {
        Some(Declared::Untold)
    } else if is(&["text/plain"]) {
        Some(Declared::Text)
    } else if is(&["application/xml", "text/xml"]) {
        Some(Declared::Xml)
    } else {
        None
    }
}

/// RFC 8216 section 4 names the first two; the others are older or wrong, and in use.
const HLS_TYPES: &[&str] = &[
    "application/vnd.apple.mpegurl",
    "audio/mpegurl",
    "application/x-mpegurl",
    "audio/x-mpegurl",
    "application/mpegurl",
    "vnd.apple.mpegurl",
];

/// Recognises what an error response stands for. Its body tells nothing of it, so that here the name is all there is:
/// use it only for the brief lifetimes of errors.
#[must_use]
pub fn recognise_error(path: &str) -> Option<MediaClass> {
    const BY_SUFFIX: [(&[&str], MediaClass); 5] = [
        (&["m3u8"], MediaClass::Playlist(PlaylistKind::Hls)),
        (&["mpd"], MediaClass::Playlist(PlaylistKind::Dash)),
        (&["m4s", "ts", "cmfv", "cmfa", "cmft", "aac", "mp4", "m4v", "m4a", "vtt"], MediaClass::Segment),
        (&["m4i", "cmfi"], MediaClass::Init),
        (&["mp3"], MediaClass::Audio),
    ];
    let (_, suffix) = path.rsplit('/').next()?.rsplit_once('.')?;
    let known = |suffixes: &[&str]| suffixes.iter().any(|known| suffix.eq_ignore_ascii_case(known));
    BY_SUFFIX.iter().find(|(suffixes, _)| known(suffixes)).map(|(_, class)| *class)
}

#[cfg(test)]
mod tests;

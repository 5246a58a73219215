//! What is recognised as media, and what is not.

use super::*;

const HLS: MediaClass = MediaClass::Playlist(PlaylistKind::Hls);
const DASH: MediaClass = MediaClass::Playlist(PlaylistKind::Dash);

fn check(content_type: Option<&str>, path: &str, first_bytes: Option<&[u8]>, expected: Option<MediaClass>) {
    let value = content_type.map(|text| HeaderValue::from_str(text).unwrap());
    assert_eq!(recognise(value.as_ref(), path, first_bytes), expected, "{content_type:?} {path} {first_bytes:?}");
}

/// An MP4 box: size, type, content.
fn mp4_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes()[..], kind, content].concat()
}

fn transport_stream() -> Vec<u8> {
    let mut packet = [0; 188];
    packet[0] = 0x47;
    packet.repeat(3)
}

#[test]
fn playlists_are_known_by_type() {
    for kind in ["application/vnd.apple.mpegurl", "Application/X-MPEGURL; charset=utf-8", "audio/mpegurl"] {
        check(Some(kind), "/x", None, Some(HLS));
        check(Some(kind), "/x", Some(b"#EXTM3U\n"), Some(HLS));
        check(Some(kind), "/x", Some(b"\x1f\x8b\x08"), Some(HLS));
        check(Some(kind), "/x.m3u8", Some(b"<html>"), None);
        check(Some(kind), "/x.m3u8", Some(b"oops"), None);
    }
    check(Some("application/dash+xml"), "/x", None, Some(DASH));
    check(Some("application/dash+xml"), "/x", Some(b"<?xml version='1.0'?><MPD type='static'>"), Some(DASH));
}

#[test]
fn bytes_decide_where_the_type_says_nothing() {
    let moov = mp4_box(b"moov", &mp4_box(b"mvex", &[]));
    let init = [mp4_box(b"ftyp", b"iso6"), moov.clone()].concat();
    let whole = [mp4_box(b"ftyp", b"isom"), mp4_box(b"moov", &[])].concat();
    let single_file = [mp4_box(b"ftyp", b"iso6"), moov, mp4_box(b"sidx", &[])].concat();
    for kind in [None, Some("application/octet-stream"), Some("binary/octet-stream")] {
        check(kind, "/x", Some(b"#EXTM3U\n"), Some(HLS));
        check(kind, "/x", Some(b"<!-- packaged --><x:MPD>"), Some(DASH));
        for first in [b"styp", b"moof", b"sidx", b"emsg", b"prft"] {
            check(kind, "/x", Some(&mp4_box(first, b"")), Some(MediaClass::Segment));
        }
        check(kind, "/x", Some(&init), Some(MediaClass::Init));
        check(kind, "/x", Some(&whole), Some(MediaClass::Progressive));
        check(kind, "/x", Some(&single_file), Some(MediaClass::Progressive));
        check(kind, "/x", Some(&transport_stream()), Some(MediaClass::Segment));
        check(
            kind,
            "/x",
            Some(b"ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0"),
            Some(MediaClass::Segment),
        );
        check(kind, "/x", Some(b"ID3\x03\0\0\0\0\0\x0a"), Some(MediaClass::Audio));
        check(kind, "/x", Some(b"\xff\xfb\x90\x64"), Some(MediaClass::Audio));
        check(kind, "/x", Some(b"\xff\xf1\x50\x80"), Some(MediaClass::Audio));
    }
}

#[test]
fn a_name_alone_makes_no_media() {
    for path in ["/x.m3u8", "/x.mpd", "/x.ts", "/x.m4s", "/init.mp4", "/x.mp3"] {
        for kind in [None, Some("application/octet-stream"), Some("text/plain"), Some("application/json")] {
            check(kind, path, None, None);
            check(kind, path, Some(b""), None);
            check(kind, path, Some(b"{\"error\":1}"), None);
        }
        check(Some("text/html"), path, None, None);
        check(Some("text/html; charset=utf-8"), path, Some(b"#EXTM3U\n"), None);
    }
    check(None, "/x.ts", Some(b"GIF89a"), None);
    check(None, "/x.ts", Some(b"G"), None);
    check(None, "/x.ts", Some(b"\xff\xfe\0\0"), None);
}

#[test]
fn an_error_page_is_no_media_whatever_it_is_called() {
    for page in ["<!DOCTYPE html><html>", "\u{feff}\n <HTML>", "<!-- x --><html>", "<?xml version='1.0'?><html>"] {
        check(Some("video/mp4"), "/x.m4s", Some(page.as_bytes()), None);
        check(Some("application/octet-stream"), "/x.m4s", Some(page.as_bytes()), None);
        check(Some("application/xml"), "/x.mpd", Some(page.as_bytes()), None);
    }
}

#[test]
fn text_and_xml_need_a_playlist_inside() {
    check(Some("text/plain"), "/x", Some(b"#EXTM3U\n"), Some(HLS));
    check(Some("text/plain"), "/x", Some(&mp4_box(b"moof", b"")), None);
    check(Some("text/xml"), "/x", Some(b"<MPD>"), Some(DASH));
    check(Some("text/xml"), "/x", Some(b"<rss>"), None);
}

#[test]
fn bytes_tell_fragments_from_whole_files_and_names_settle_the_rest() {
    check(Some("video/mp4"), "/x.mp4", Some(&mp4_box(b"styp", b"")), Some(MediaClass::Segment));
    check(Some("video/mp4"), "/x.m4s", Some(&mp4_box(b"ftyp", b"isom")), Some(MediaClass::Progressive));
    check(Some("video/mp4"), "/x.mp4", None, Some(MediaClass::Progressive));
    check(Some("video/mp4"), "/x.m4s", None, Some(MediaClass::Segment));
    check(Some("video/mp4"), "/init-1.mp4", None, Some(MediaClass::Init));
    check(Some("audio/mp4"), "/x.m4s", None, Some(MediaClass::Segment));
    check(Some("audio/mp4"), "/x.m4a", None, Some(MediaClass::Audio));
    check(Some("audio/mpeg"), "/x.mp3", Some(b"\xff\xfb\x90\x64"), Some(MediaClass::Audio));
    check(Some("video/mp2t"), "/x", None, Some(MediaClass::Segment));
    check(Some("video/iso.segment"), "/x", None, Some(MediaClass::Segment));
    check(Some("video/webm"), "/x", Some(b"\x1a\x45\xdf\xa3"), Some(MediaClass::Progressive));
    check(Some("video/webm"), "/x", Some(b"\x1f\x43\xb6\x75"), Some(MediaClass::Segment));
    check(Some("image/png"), "/x", None, None);
}

#[test]
fn errors_stand_for_what_their_name_says() {
    let check = |path: &str, expected: Option<MediaClass>| assert_eq!(recognise_error(path), expected, "{path}");
    check("/live/a.m3u8", Some(HLS));
    check("/live/a.MPD", Some(DASH));
    check("/live/1.m4s", Some(MediaClass::Segment));
    check("/live/1.ts", Some(MediaClass::Segment));
    check("/a.mp3", Some(MediaClass::Audio));
    check("/index.html", None);
    check("/ts", None);
    check("/a.ts/", None);
    check("/a.m4s/x", None);
}

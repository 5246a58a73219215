//! What playlists say of themselves; what they list is tested beside.

mod listing;

use super::*;

fn check(kind: PlaylistKind, body: &[u8], presentation: Presentation, milliseconds: Option<u64>) {
    let facts = inspect(MediaClass::Playlist(kind), body).unwrap();
    let expected = PlaylistFacts { kind, presentation, target_duration: milliseconds.map(Duration::from_millis) };
    assert_eq!(facts, expected, "{}", String::from_utf8_lossy(&body[..body.len().min(300)]));
}

#[test]
fn hls_playlists_are_live_until_they_say_otherwise() {
    let check = |body: &str, presentation, seconds: Option<u64>| {
        check(PlaylistKind::Hls, body.as_bytes(), presentation, seconds.map(|seconds| seconds * 1000));
    };
    let live = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.m4s\n";
    check(live, Presentation::Live, Some(4));
    check(&live.replace('\n', "\r\n"), Presentation::Live, Some(4));
    check(&format!("\u{feff}{live}"), Presentation::Live, Some(4));
    check(&format!("{live}#EXT-X-ENDLIST"), Presentation::OnDemand, Some(4));
    check(&format!("{live}#EXT-X-ENDLIST\r\n"), Presentation::OnDemand, Some(4));
    check(&format!("{live}#EXT-X-ENDLISTX\n"), Presentation::Live, Some(4));
    check(&format!("{live}# #EXT-X-ENDLIST\n"), Presentation::Live, Some(4));
    check("#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-TARGETDURATION:4\n", Presentation::OnDemand, Some(4));
    check("#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-TARGETDURATION:4\n", Presentation::Live, Some(4));
    check("#EXTM3U\n#EXT-X-TARGETDURATION:4.8\n", Presentation::Live, Some(4));
    check("#EXTM3U\n#EXT-X-TARGETDURATION:99999999999\n", Presentation::Live, Some(3600));
    check("#EXTM3U\n#EXT-X-TARGETDURATION:x\n", Presentation::Live, None);
    check("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n", Presentation::Unknown, None);
    check("\u{1f}compressed", Presentation::Unknown, None);
    check("", Presentation::Unknown, None);
}

#[test]
fn the_end_of_a_huge_playlist_is_found() {
    let segments = "#EXTINF:4,\nsegment.m4s\n".repeat(SCANNED_HEAD / 16);
    let body = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{segments}");
    check(PlaylistKind::Hls, body.as_bytes(), Presentation::Live, Some(4000));
    let ended = format!("{body}#EXT-X-ENDLIST\n");
    check(PlaylistKind::Hls, ended.as_bytes(), Presentation::OnDemand, Some(4000));
    // Beyond what is read it would have to stand in the middle, where no packager writes it.
    let middle = format!("{body}#EXT-X-ENDLIST\n{segments}");
    check(PlaylistKind::Hls, middle.as_bytes(), Presentation::Live, Some(4000));
}

#[test]
fn dash_manifests_tell_by_the_attributes_of_their_root() {
    let check = |body: &str, presentation, milliseconds| {
        check(PlaylistKind::Dash, body.as_bytes(), presentation, milliseconds);
    };
    check("<MPD type=\"static\">", Presentation::OnDemand, None);
    check("<MPD>", Presentation::OnDemand, None);
    check("<MPD/>", Presentation::OnDemand, None);
    check("<MPD type='dynamic' minimumUpdatePeriod='PT2S'>", Presentation::Live, Some(2000));
    check("<MPD minimumUpdatePeriod=\"PT1M2.5S\"\n type = \"dynamic\" >", Presentation::Live, Some(62_500));
    check("<MPD type=\"dynamic\" minimumUpdatePeriod=\"P1D\">", Presentation::Live, Some(3_600_000));
    check("<MPD type=\"dynamic\" minimumUpdatePeriod=\"PT0S\">", Presentation::Live, Some(0));
    for broken in ["2", "P", "PT", "PTxS", "PT-1S", "PT1", "P1M", "PTé"] {
        let expected = if matches!(broken, "P" | "PT") { Some(0) } else { None };
        check(&format!("<MPD type=\"dynamic\" minimumUpdatePeriod=\"{broken}\">"), Presentation::Live, expected);
    }
    check(
        "<?xml version=\"1.0\"?>\n<!-- <MPD type='dynamic'> -->\n<d:MPD id=\"a>b\" type=\"static\">",
        Presentation::OnDemand,
        None,
    );
    check("<MPD id=\"type='dynamic'\">", Presentation::OnDemand, None);
    check("<MPD type=\"strange\">", Presentation::Unknown, None);
    check("<rss type=\"dynamic\">", Presentation::Unknown, None);
    for broken in ["", "<", "<MPD", "<!--", "<MPD type=\"dynamic", "no markup"] {
        check(broken, Presentation::Unknown, None);
    }
}

#[test]
fn other_media_has_no_playlist_facts() {
    assert_eq!(inspect(MediaClass::Segment, b"#EXTM3U"), None);
}

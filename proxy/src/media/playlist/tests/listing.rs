//! What playlists list, and what of it is not followed.

use std::time::{Duration, SystemTime};

use super::*;
use crate::media::{Listing, Location, MAX_PLAYLIST_BYTES, PieceKind, Position, Unreadable, list, outline};

/// One minute after the presentation of the dynamic manifests here began.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + 60)
}

fn read(kind: PlaylistKind, body: &[u8]) -> Result<Listing, Unreadable> {
    let place = Location::new("media.example", "/live/index").unwrap();
    list(kind, body, &place, now())
}

fn hls(body: &str) -> Listing {
    read(PlaylistKind::Hls, body.as_bytes()).unwrap()
}

fn dash(body: &str) -> Listing {
    read(PlaylistKind::Dash, body.as_bytes()).unwrap()
}

fn targets(listing: &Listing) -> Vec<Vec<&str>> {
    listing.tracks.iter().map(|track| track.pieces.iter().map(|piece| &*piece.target).collect()).collect()
}

const LOW_LATENCY: &str = "#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,CAN-SKIP-UNTIL=12.0
#EXT-X-PART-INF:PART-TARGET=0.33334
#EXT-X-MEDIA-SEQUENCE:266
#EXT-X-SKIP:SKIPPED-SEGMENTS=3
#EXT-X-MAP:URI=\"init.mp4\"
#EXTINF:4.0,
s269.mp4
#EXT-X-PART:DURATION=0.33334,URI=\"p270.0.mp4\"
#EXT-X-PART:DURATION=0.33334,URI=\"p270.1.mp4\",INDEPENDENT=YES
#EXTINF:4.0,
s270.mp4
#EXT-X-PART:DURATION=0.33334,URI=\"p271.0.mp4\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p271.1.mp4\"
#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"next.mp4\"
#EXT-X-RENDITION-REPORT:URI=\"../1M/index\",LAST-MSN=271,LAST-PART=0
";

#[test]
fn low_latency_playlist_lists_segments_parts_hints_and_how_far_it_is() {
    let listing = hls(LOW_LATENCY);
    let segments = vec!["/live/init.mp4", "/live/s269.mp4", "/live/s270.mp4"];
    let parts = vec!["/live/p270.0.mp4", "/live/p270.1.mp4", "/live/p271.0.mp4"];
    assert_eq!(targets(&listing), [segments, parts]);
    assert_eq!(listing.tracks[0].pieces[0].kind, PieceKind::Init);
    assert_eq!(listing.tracks[1].pieces[0].kind, PieceKind::Part);
    assert_eq!(listing.hints, [Box::<str>::from("/live/p271.1.mp4")]);
    assert_eq!(listing.reports, [("/1M/index".into(), Position { sequence: 271, parts: 1 })]);
    assert_eq!(listing.position, Some(Position { sequence: 271, parts: 1 }));
    assert_eq!(listing.target_duration, Some(Duration::from_secs(4)));
    assert_eq!(listing.part_target, Some(Duration::from_secs_f64(0.33334)));
    assert!(listing.blocks_reload);
    assert_eq!(listing.presentation, Presentation::Live);
}

#[test]
fn position_is_that_of_the_last_segment_whole_or_not() {
    let check = |body: &str, expected: Option<(u64, u32)>| {
        let expected = expected.map(|(sequence, parts)| Position { sequence, parts });
        assert_eq!(hls(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{body}")).position, expected, "{body}");
    };
    check("", None);
    check("#EXTINF:4,\na\n", Some((0, 0)));
    check("#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\na\n#EXTINF:4,\nb\n", Some((8, 0)));
    check("#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-PART:URI=\"a\"\n", Some((7, 1)));
    check("#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\n#EXT-X-GAP\na\n#EXTINF:4,\nb\n", Some((8, 0)));
    check("#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:4,\na\n#EXTINF:4,\nb\n", Some((u64::MAX - 1, 0)));
    check("#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n#EXTINF:4,\na\n", Some((0, 0)));
}

#[test]
fn multivariant_playlist_lists_each_playlist_once() {
    let listing = hls("#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",URI=\"audio/en.m3u8\"
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"cc\"
#EXT-X-STREAM-INF:BANDWIDTH=1280000,AUDIO=\"a\"
low.m3u8

#EXT-X-STREAM-INF:BANDWIDTH=2560000
# a comment between
https://media.example/live/high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=65000
low.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI=\"iframe.m3u8\"
");
    let expected = ["/live/audio/en.m3u8", "/live/low.m3u8", "/live/high.m3u8", "/live/iframe.m3u8"];
    assert_eq!(listing.playlists, expected.map(Box::<str>::from));
    assert_eq!((listing.presentation, listing.position), (Presentation::Unknown, None));
    assert!(listing.tracks.is_empty());
}

#[test]
fn ranges_of_one_file_are_one_piece_and_an_end_makes_it_on_demand() {
    let listing = hls("#EXTM3U\r
#EXT-X-TARGETDURATION:4\r
#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"700@0\"\r
#EXTINF:4,\r
#EXT-X-BYTERANGE:1000@700\r
all.mp4\r
#EXTINF:4,\r
#EXT-X-BYTERANGE:1000\r
all.mp4\r
#EXT-X-ENDLIST\r
");
    assert_eq!(targets(&listing), [["/live/all.mp4"]]);
    assert_eq!(listing.presentation, Presentation::OnDemand);
}

#[test]
fn references_to_other_hosts_and_inner_addresses_are_left_out_and_counted() {
    let listing = hls("#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-MAP:URI=\"http://169.254.169.254/latest/meta-data\"
#EXTINF:4,
//127.0.0.1:9000/drain
#EXTINF:4,
file:///etc/passwd
#EXTINF:4,
https://elsewhere.example/s.ts
#EXTINF:4,
{$base}/s.ts
#EXTINF:4,
own.ts
");
    assert_eq!(targets(&listing), [["/live/own.ts"]]);
    assert_eq!((listing.left_out.foreign, listing.left_out.malformed), (4, 1));
    let listing = dash(
        "<MPD><Period><AdaptationSet><Representation><BaseURL>http://10.0.0.1/</BaseURL>\
        <SegmentList><SegmentURL media='a'/></SegmentList></Representation></AdaptationSet></Period></MPD>",
    );
    assert!(listing.tracks.is_empty());
    assert_eq!(listing.left_out.foreign, 1);
}

#[test]
fn odd_bytes_lose_their_own_line_only() {
    let body =
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n\xff\xfe.ts\n#EXTINF:4,\na\0b.ts\n#EXTINF:4,\nc.ts\nstray.ts\n";
    let listing = read(PlaylistKind::Hls, body).unwrap();
    assert_eq!(targets(&listing), [["/live/c.ts"]]);
    assert_eq!(listing.left_out.malformed, 3);
    assert_eq!(listing.position, Some(Position { sequence: 2, parts: 0 }));
    let long = format!("#EXTM3U\n#EXTINF:4,\n{}\n#EXTINF:4,\nc.ts\n", "x".repeat(1 << 20));
    assert_eq!(targets(&hls(&long)), [["/live/c.ts"]]);
}

#[test]
fn playlist_of_fifty_megabytes_is_refused_as_a_whole() {
    let mut body = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n".to_vec();
    body.resize(50 << 20, b'\n');
    for kind in [PlaylistKind::Hls, PlaylistKind::Dash] {
        assert_eq!(read(kind, &body), Err(Unreadable::TooLarge));
    }
    let many = format!("#EXTM3U\n{}", "#EXTINF:4,\nabcdefgh.ts\n#EXTINF:4,\nijklmnop.ts\n".repeat(100_000));
    assert!(many.len() < MAX_PLAYLIST_BYTES);
    let listing = hls(&many);
    assert_eq!(listing.tracks[0].pieces.len(), 43_200);
    assert_eq!(listing.left_out.beyond, 200_000 - 43_200);
}

#[test]
fn what_is_no_playlist_is_refused() {
    for body in ["", "<html>", "#EXTM3U8\n", "\n#EXTM3U\n", "EXTM3U"] {
        assert_eq!(read(PlaylistKind::Hls, body.as_bytes()), Err(Unreadable::NoPlaylist), "{body}");
    }
    for (body, expected) in [
        ("", Unreadable::NoPlaylist),
        ("plain", Unreadable::NoPlaylist),
        ("<rss/>", Unreadable::NoPlaylist),
        ("<MPD>", Unreadable::Malformed),
        ("<MPD></Period></MPD>", Unreadable::Malformed),
        ("<MPD", Unreadable::Malformed),
        ("<!DOCTYPE MPD [<!ENTITY a \"aaaa\">]><MPD/>", Unreadable::DocumentType),
        ("<MPD><Period><BaseURL>&a;</BaseURL></Period></MPD>", Unreadable::Malformed),
    ] {
        assert_eq!(read(PlaylistKind::Dash, body.as_bytes()), Err(expected), "{body}");
    }
    let deep = format!("<MPD>{}", "<a>".repeat(1 << 20));
    assert_eq!(read(PlaylistKind::Dash, deep.as_bytes()), Err(Unreadable::TooDeep));
    let many = format!("<MPD>{}</MPD>", "<Representation/>".repeat(1 << 16));
    assert_eq!(read(PlaylistKind::Dash, many.as_bytes()), Err(Unreadable::TooMany));
}

#[test]
fn entities_that_grow_are_never_expanded() {
    let mut body = "<?xml version=\"1.0\"?><!DOCTYPE MPD [<!ENTITY l0 \"lol\">".to_owned();
    for level in 1..10 {
        body += &format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10));
    }
    body += "]><MPD><Period><BaseURL>&l9;</BaseURL></Period></MPD>";
    assert_eq!(read(PlaylistKind::Dash, body.as_bytes()), Err(Unreadable::DocumentType));
}

#[test]
fn templates_by_number_name_every_segment_of_a_static_presentation() {
    let listing = dash("<?xml version=\"1.0\"?>
<MPD type=\"static\" mediaPresentationDuration=\"PT10S\"><BaseURL>/vod/</BaseURL><BaseURL>//b.example/</BaseURL><Period>
<AdaptationSet><SegmentTemplate timescale=\"1000\" duration=\"4000\" startNumber=\"5\"
 media=\"$RepresentationID$/$Number%05d$.m4s?a=1&amp;b=2\" initialization=\"$RepresentationID$/$$init-$Bandwidth$.mp4\"/>
<Representation id=\"v1\" bandwidth=\"100\"/><Representation id=\"v2\" bandwidth=\"200\"><BaseURL>sub/</BaseURL>
</Representation></AdaptationSet></Period></MPD>");
    let names = |directory: &str, id: &str, rate: &str| {
        let mut names = vec![format!("{directory}{id}/$init-{rate}.mp4")];
        names.extend((5..8).map(|number| format!("{directory}{id}/{number:05}.m4s?a=1&b=2")));
        names
    };
    let expected = [names("/vod/", "v1", "100"), names("/vod/sub/", "v2", "200")];
    assert_eq!(targets(&listing), expected);
    assert_eq!(listing.tracks[0].pieces[0].kind, PieceKind::Init);
    assert_eq!(listing.presentation, Presentation::OnDemand);
}

#[test]
fn templates_by_number_name_the_window_of_a_dynamic_presentation() {
    let listing = dash(
        "<MPD type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:00Z\" timeShiftBufferDepth=\"PT12S\">
<Period start=\"PT0S\"><AdaptationSet><SegmentTemplate duration=\"4\" media=\"$Number$.m4s\"/><Representation/>
</AdaptationSet></Period></MPD>",
    );
    assert_eq!(targets(&listing), [["/live/13.m4s", "/live/14.m4s", "/live/15.m4s"]]);
    let since_1970 = dash(
        "<MPD type=\"dynamic\" availabilityStartTime=\"1970-01-01T00:00:00Z\" timeShiftBufferDepth=\"PT8S\"><Period>
<AdaptationSet><SegmentTemplate duration=\"4\" media=\"$Number$.m4s\"/><Representation/></AdaptationSet></Period></MPD>",
    );
    assert_eq!(targets(&since_1970), [["/live/441806414.m4s", "/live/441806415.m4s"]]);
    let far = dash(
        "<MPD type=\"dynamic\" availabilityStartTime=\"1970-01-01T00:00:00Z\"><Period><AdaptationSet>
<SegmentTemplate timescale=\"18446744073709551615\" duration=\"1\" media=\"$Number$.m4s\"/><Representation/>
</AdaptationSet></Period></MPD>",
    );
    assert_eq!(far.tracks[0].pieces.len(), 43_200, "bounded whatever it claims");
}

/// ISO/IEC 23009-1 section 5.3.9.5.3: the test's clock stands at 60 s.
#[test]
fn segments_that_can_be_asked_for_before_they_end_are_there_so_much_earlier() {
    let check = |start: u64, offset: &str, expected: &[u64]| {
        let segments = format!("duration=\"4\" media=\"$Number$.m4s\" availabilityTimeOffset=\"{offset}\"");
        let timeline = format!("media=\"$Number$.m4s\" availabilityTimeOffset=\"{offset}\"");
        for template in [
            format!("<SegmentTemplate {segments}/>"),
            format!(
                "<SegmentTemplate {timeline}><SegmentTimeline><S t=\"0\" d=\"4\" r=\"-1\"/></SegmentTimeline></SegmentTemplate>"
            ),
        ] {
            let listing = dash(&format!(
                "<MPD type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:{start:02}Z\"><Period>\
                <AdaptationSet>{template}<Representation/></AdaptationSet></Period></MPD>"
            ));
            let expected: Vec<String> = expected.iter().map(|number| format!("/live/{number}.m4s")).collect();
            let found = targets(&listing).into_iter().next().unwrap_or_default();
            assert_eq!(found, expected, "{offset} from {start} s on: {template}");
        }
    };
    check(50, "0", &[1, 2]);
    check(50, "1.5", &[1, 2]); // the third begins at 58 s, and its first chunk is there at 60.5 s
    check(50, "2", &[1, 2, 3]);
    check(50, "3.9", &[1, 2, 3]);
    check(50, "1000", &[1, 2, 3]); // never before it begins
    check(50, "INF", &[1, 2]);
    check(50, "-3", &[1, 2]);
}

#[test]
fn only_track_of_its_sort_is_known_to_be_played() {
    let check = |sets: &[(&str, usize)], expected: &[bool]| {
        let sets: String = sets
            .iter()
            .enumerate()
            .map(|(set, (attributes, count))| {
                let representations: String =
                    (0..*count).map(|n| format!("<Representation id=\"{set}-{n}\"/>")).collect();
                format!("<AdaptationSet {attributes}>{representations}</AdaptationSet>")
            })
            .collect();
        let listing = dash(&format!(
            "<MPD mediaPresentationDuration=\"PT8S\"><Period><SegmentTemplate duration=\"4\" \
            media=\"$RepresentationID$/$Number$\"/>{sets}</Period></MPD>"
        ));
        let found: Vec<bool> = listing.tracks.iter().map(|track| track.is_alone).collect();
        assert_eq!(found, expected, "{sets}");
    };
    check(&[("contentType=\"video\"", 1), ("mimeType=\"audio/mp4\"", 1)], &[true, true]);
    check(&[("contentType=\"video\"", 2), ("contentType=\"audio\"", 1)], &[false, false, true]);
    check(&[("contentType=\"audio\"", 1), ("contentType=\"audio\" lang=\"de\"", 1)], &[false, false]);
    check(&[("contentType=\"text\"", 1), ("contentType=\"video\"", 1)], &[false, true]);
    check(&[("", 1)], &[false]);
}

#[test]
fn timelines_name_segments_by_their_times() {
    let listing = dash(
        "<MPD type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:00Z\"><Period><AdaptationSet>
<SegmentTemplate timescale=\"10\" media=\"t$Time$-$Number$.m4s\"><SegmentTimeline>
<S t=\"100\" d=\"20\" r=\"1\"/><S d=\"30\"/><S t=\"500\" d=\"50\" r=\"-1\"/></SegmentTimeline></SegmentTemplate>
<Representation id=\"a\"/></AdaptationSet></Period></MPD>",
    );
    let expected = ["t100-1", "t120-2", "t140-3", "t500-4", "t550-5"].map(|name| format!("/live/{name}.m4s"));
    assert_eq!(targets(&listing), [expected]);
    let endless = dash(
        "<MPD><Period><AdaptationSet><SegmentTemplate media=\"$Time$\"><SegmentTimeline>
<S t=\"0\" d=\"1\" r=\"9223372036854775807\"/></SegmentTimeline></SegmentTemplate><Representation/><Representation/>
</AdaptationSet></Period></MPD>",
    );
    assert_eq!(endless.tracks.iter().map(|track| track.pieces.len()).sum::<usize>(), 43_200);
    assert!(endless.left_out.beyond > 0);
}

#[test]
fn lists_and_single_files_are_read() {
    let listing = dash(
        "<MPD><Period><AdaptationSet><Representation id=\"a\"><BaseURL>a/</BaseURL><SegmentList>
<Initialization sourceURL=\"init.mp4\"/><SegmentURL media=\"1.m4s\"/><SegmentURL media=\"2.m4s\"/></SegmentList>
</Representation><Representation><BaseURL>whole.mp4</BaseURL><SegmentBase><Initialization range=\"0-9\"/></SegmentBase>
</Representation></AdaptationSet></Period></MPD>",
    );
    let expected = [vec!["/live/a/init.mp4", "/live/a/1.m4s", "/live/a/2.m4s"], vec!["/live/whole.mp4"]];
    assert_eq!(targets(&listing), expected);
}

#[test]
fn templates_that_cannot_be_filled_in_name_nothing() {
    for media in ["$Number", "$Unknown$", "$Number%5000d$", "$Number%s$", "$SubNumber$"] {
        let listing = dash(&format!(
            "<MPD mediaPresentationDuration=\"PT8S\"><Period><AdaptationSet>
<SegmentTemplate duration=\"4\" media=\"{media}\"/><Representation/></AdaptationSet></Period></MPD>"
        ));
        assert!(listing.tracks.is_empty(), "{media}");
    }
}

#[test]
fn what_is_kept_of_a_playlist_is_bounded_in_bytes() {
    // Short lines below a long path, and short templates below long bases, make long targets.
    let long = format!("/{}/index", "d/".repeat(1500));
    let place = Location::new("media.example", &long).unwrap();
    let lines: String = (0..10_000).map(|n| format!("#EXTINF:2,\n{n}\n")).collect();
    let hls = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}#EXT-X-ENDLIST\n");
    let dash = "<MPD type=\"static\" mediaPresentationDuration=\"PT20000S\"><Period><AdaptationSet>\
        <SegmentTemplate media=\"$Number$\" duration=\"2\"/><Representation id=\"1\"/></AdaptationSet></Period></MPD>";
    for (kind, body) in [(PlaylistKind::Hls, hls.as_str()), (PlaylistKind::Dash, dash)] {
        let listing = list(kind, body.as_bytes(), &place, now()).unwrap();
        let pieces = listing.tracks.iter().flat_map(|track| &track.pieces);
        let (count, bytes) = pieces.fold((0, 0), |(count, bytes), piece| (count + 1, bytes + piece.target.len()));
        assert!((1 << 20..=16 << 20).contains(&bytes), "{bytes} bytes of {kind:?}");
        assert_eq!(count + listing.left_out.beyond, 10_000, "{kind:?}");
    }
}

/// A manifest of six representations with a year of two-second segments, and a timeline of its own.
#[test]
fn outline_of_a_manifest_is_no_longer_for_all_that_it_stands_for() {
    let place = Location::new("media.example", "/live/index").unwrap();
    let check = |template: &str, expected: &[&str], parts: Option<u64>| {
        let body = format!(
            "<MPD type='dynamic' availabilityStartTime='2020-01-01T00:00:00Z'><Period><AdaptationSet contentType='video'>\
            {template}<Representation id='a'/><Representation id='b'/></AdaptationSet></Period></MPD>"
        );
        let listing = outline(PlaylistKind::Dash, body.as_bytes(), &place, now()).unwrap();
        let found: Vec<_> = targets(&listing).concat();
        assert_eq!(found, expected, "{template}");
        assert_eq!(listing.part_target, parts.map(Duration::from_millis), "{template}");
        assert!(listing.tracks.iter().all(|track| track.growth.is_none() && !track.is_alone), "{template}");
        assert_eq!(listing.presentation, Presentation::Live);
    };
    let numbers = "<SegmentTemplate duration='2' startNumber='7' availabilityTimeOffset='1.5' \
        media='$RepresentationID$/$Number$.m4s'/>";
    check(numbers, &["/live/a/7.m4s", "/live/b/7.m4s"], Some(500));
    let runs = "<S t='0' d='4'/><S t='4' d='2' r='99999999'/><S t='200000002' d='2'/>";
    let times = format!(
        "<SegmentTemplate availabilityTimeOffset='1.5' media='$RepresentationID$/$Time$.m4s'><SegmentTimeline>{runs}\
        </SegmentTimeline></SegmentTemplate>"
    );
    check(&times, &["/live/a/200000002.m4s", "/live/b/200000002.m4s"], Some(500));
    let list: String = (0..1000).map(|n| format!("<SegmentURL media='{n}.m4s'/>")).collect();
    check(&format!("<SegmentList>{list}</SegmentList>"), &["/live/0.m4s", "/live/0.m4s"], None);
}

#[test]
fn outline_of_a_playlist_has_its_newest_pieces_and_says_how_far_it_is() {
    let place = Location::new("media.example", "/live/index").unwrap();
    let segments: String = (0..1800).map(|n| format!("#EXTINF:2,\ns{n}.mp4\n")).collect();
    let parts: String = (0..40).map(|n| format!("#EXT-X-PART:DURATION=0.2,URI=\"p{n}.mp4\"\n")).collect();
    let body = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:100\n{segments}{parts}");
    let listing = outline(PlaylistKind::Hls, body.as_bytes(), &place, now()).unwrap();
    let newest = |prefix: &str, until: u32| -> Vec<String> {
        (until - 16..until).map(|n| format!("/live/{prefix}{n}.mp4")).collect()
    };
    assert_eq!(targets(&listing), [newest("s", 1800), newest("p", 40)]);
    assert_eq!(listing.position, Some(Position { sequence: 1900, parts: 40 }));
    let whole = hls(&body);
    assert_eq!((whole.position, whole.target_duration), (listing.position, listing.target_duration));
    let main = outline(PlaylistKind::Hls, b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n", &place, now());
    assert!(main.unwrap().playlists.is_empty());
}

/// A minute after the beginning, of periods of ten seconds in segments of four.
#[test]
fn short_last_segment_of_a_period_that_has_ended_is_there() {
    let check = |template: &str, expected: &[&str]| {
        let listing = dash(&format!(
            "<MPD type='dynamic' availabilityStartTime='2026-01-01T00:00:00Z'><Period start='PT0S' duration='PT10S'>\
            <AdaptationSet>{template}<Representation id='a'/></AdaptationSet></Period>\
            <Period start='PT50S'><AdaptationSet>{template}<Representation id='b'/></AdaptationSet></Period></MPD>"
        ));
        assert_eq!(targets(&listing).concat(), expected, "{template}");
    };
    let timeline = "<SegmentTemplate media='$RepresentationID$$Time$'><SegmentTimeline><S t='0' d='4' r='-1'/>\
        </SegmentTimeline></SegmentTemplate>";
    // Of the second period, which goes on, two segments are over.
    check(timeline, &["/live/a0", "/live/a4", "/live/a8", "/live/b0", "/live/b4"]);
    let numbers = "<SegmentTemplate duration='4' media='$RepresentationID$$Number$'/>";
    check(numbers, &["/live/a1", "/live/a2", "/live/a3", "/live/b1", "/live/b2"]);
}

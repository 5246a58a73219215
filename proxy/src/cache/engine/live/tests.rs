//! What playlists teach, and for how long.

use super::*;
use crate::cache::key::Scheme;

fn key(path: &str, query: Option<&str>) -> CacheKey {
    CacheKey::new(Scheme::Https, "a.test", path, query.map(str::as_bytes))
}

fn learn(live: &LivePlaylists, body: &str) {
    let key = key("/live/v.m3u8", Some("_HLS_msn=1"));
    let of = Learned { key: &key, path: "/live/v.m3u8", lifetime: Duration::ZERO };
    live.learn_from(of, &Body::growing(), PlaylistKind::Hls, body.as_bytes());
}

const LOW_DASH: &str = "<MPD type='dynamic' availabilityStartTime='2026-01-01T00:00:00Z'><Period><AdaptationSet>\
    <SegmentTemplate timescale='1000' duration='2000' availabilityTimeOffset='1.5' media='v/$Number$.m4s'/>\
    <Representation id='1'/></AdaptationSet></Period></MPD>";

#[test]
fn pace_is_believed_as_long_as_the_manifest_is_fresh_or_its_pieces_come() {
    let seconds = Duration::from_secs;
    let began = SystemTime::now();
    let check = |lifetime: u64, pieces_at: &[u64], asked_at: u64, known: bool| {
        let live = LivePlaylists::default();
        clock::set(began);
        let of = Learned { key: &key("/live/x.mpd", None), path: "/live/x.mpd", lifetime: seconds(lifetime) };
        live.learn_from(of, &Body::growing(), PlaylistKind::Dash, LOW_DASH.as_bytes());
        for at in pieces_at {
            clock::set(began + seconds(*at));
            live.has_come(&key("/live/v/7.m4s", None));
        }
        clock::set(began + seconds(asked_at));
        let pace = live.pace(&key("/live/v/8.m4s", None));
        assert_eq!(pace, known.then(|| Duration::from_millis(500)), "{lifetime} {pieces_at:?} {asked_at}");
    };
    check(2, &[], 119, true);
    check(2, &[], 121, false);
    check(600, &[], 130, true); // the manifest is a hit all the time
    check(600, &[], 601, false);
    check(2, &[100], 219, true);
    check(2, &[100, 200, 300], 419, true);
    check(2, &[100, 200, 300], 421, false);
    check(2, &[121], 122, false); // what is forgotten is not remembered by what comes then
    check(600, &[10], 130, true); // and nothing makes it shorter
    check(u64::MAX / 4, &[], 86_401, false);
}

#[test]
fn unchanged_playlist_is_not_read_again_and_counts_once_more() {
    let live = LivePlaylists::default();
    let began = SystemTime::now();
    let (key, piece) = (key("/live/x.mpd", Some("a=1")), key("/live/v/8.m4s", None));
    let of = Learned { key: &key, path: "/live/x.mpd", lifetime: Duration::ZERO };
    let body = Body::growing();
    clock::set(began);
    assert!(!live.learn_again(of, &body));
    live.learn_from(of, &body, PlaylistKind::Dash, LOW_DASH.as_bytes());
    clock::set(began + Duration::from_secs(130));
    assert_eq!(live.pace(&piece), None);
    assert!(live.learn_again(of, &body), "the same body, of which nothing is read");
    assert_eq!(live.pace(&piece), Some(Duration::from_millis(500)));
    assert!(!live.learn_again(of, &Body::growing()), "another version");
}

const LIVE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=0.2\n#EXT-X-MEDIA-SEQUENCE:7\n\
    #EXT-X-PART:DURATION=0.2,URI=\"p7.0.mp4\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p7.1.mp4?x=1\"\n";

#[test]
fn playlist_is_known_whatever_its_query_and_so_is_the_part_that_it_hints_at() {
    let live = LivePlaylists::default();
    learn(&live, LIVE);
    let known = live.playlist(&key("/live/v.m3u8", None)).unwrap();
    assert_eq!((known.position, known.target), (Position { sequence: 7, parts: 1 }, Duration::from_secs(4)));
    assert_eq!(live.hinted(&key("/live/p7.1.mp4", Some("x=1"))), Some(Duration::from_millis(200)));
    assert_eq!(live.hinted(&key("/live/p7.0.mp4", None)), None);
    assert_eq!(live.playlist(&key("/live/w.m3u8", None)), None);
}

#[test]
fn parts_at_the_live_edge_are_known_and_how_soon_the_next_one_comes() {
    let live = LivePlaylists::default();
    let parts: String = (0..40).map(|n| format!("#EXT-X-PART:DURATION=0.2,URI=\"a/p6.{n}.mp4?x\"\n")).collect();
    learn(&live, &LIVE.replace("#EXT-X-PART:DURATION=0.2,URI=\"p7.0.mp4\"\n", &parts));
    let check = |path: &str, edge: bool, pace: Option<u64>| {
        let key = key(path, Some("session=1"));
        assert_eq!((live.is_at_edge(&key), live.pace(&key)), (edge, pace.map(Duration::from_millis)), "{path}");
    };
    check("/live/p7.1.mp4", true, Some(200)); // announced
    check("/live/a/p6.39.mp4", true, Some(200));
    check("/live/a/p6.24.mp4", true, Some(200));
    check("/live/a/p6.23.mp4", false, Some(200)); // whoever asks for it is behind
    check("/live/a/p6.40.mp4", false, Some(200));
    check("/live/b/p6.39.mp4", false, None);
    check("/vod/p6.39.mp4", false, None);
}

#[test]
fn manifest_of_low_latency_tells_how_soon_the_next_chunk_comes() {
    let check = |attributes: &str, expected: Option<u64>| {
        let live = LivePlaylists::default();
        let body = format!(
            "<MPD type='dynamic' availabilityStartTime='2026-01-01T00:00:00Z'><Period><AdaptationSet>\
            <SegmentTemplate timescale='1000' media='v/$Number$.m4s' {attributes}/><Representation id='1'/>\
            </AdaptationSet></Period></MPD>"
        );
        let of = Learned { key: &key("/live/x.mpd", None), path: "/live/x.mpd", lifetime: Duration::ZERO };
        live.learn_from(of, &Body::growing(), PlaylistKind::Dash, body.as_bytes());
        let pace = live.pace(&key("/live/v/99999999.m4s", None));
        assert_eq!(pace, expected.map(Duration::from_millis), "{attributes}");
    };
    check("duration='2000'", None);
    check("duration='2000' availabilityTimeOffset='1.5'", Some(500));
    check("duration='2000' availabilityTimeOffset='1.999'", Some(100));
    check("duration='2000' availabilityTimeOffset='INF'", None);
    check("duration='2000' availabilityTimeOffset='-1'", None);
    check("duration='2000' availabilityTimeOffset='x'", None);
}

#[test]
fn playlist_that_has_ended_is_forgotten() {
    let live = LivePlaylists::default();
    learn(&live, LIVE);
    learn(&live, &format!("{LIVE}#EXT-X-ENDLIST\n"));
    assert_eq!(live.playlist(&key("/live/v.m3u8", None)), None);
}

#[test]
fn whole_segments_whose_parts_are_ranges_of_them_are_not_at_the_live_edge() {
    let live = LivePlaylists::default();
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=1\n#EXT-X-MEDIA-SEQUENCE:7\n";
    let part = |n: u32, at: u32| format!("#EXT-X-PART:DURATION=1,URI=\"s{n}.mp4\",BYTERANGE=\"100@{at}\"\n");
    let hint = |n: u32| format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"s{n}.mp4\",BYTERANGE-START=200\n");
    let check = |body: &str, expected: [bool; 2]| {
        learn(&live, &format!("{head}{body}"));
        let edge = ["/live/s7.mp4", "/live/s8.mp4"].map(|path| live.is_at_edge(&key(path, None)));
        assert_eq!(edge, expected, "{body}");
    };
    let seven = format!("{}{}", part(7, 0), part(7, 100));
    check(&format!("{seven}{}", hint(7)), [true, false]); // it is being made
    check(&format!("{seven}#EXTINF:4,\ns7.mp4\n{}{}", part(8, 0), hint(8)), [false, true]);
}

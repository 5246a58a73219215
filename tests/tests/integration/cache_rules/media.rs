//! Cases about media where the origin says nothing of freshness: the table for recognised media.

use super::answer::{Answer, answer};
use super::case::{Case, get};
use super::policies::Policy;

const SOURCE: &str = "media rules";
const HLS: &str = "application/vnd.apple.mpegurl";
const VOD: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\n1.m4s\n#EXT-X-ENDLIST\n";
const LIVE: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2.0,\n7.m4s\n";
const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=500000\nlow.m3u8\n";
const STATIC: &str = "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"></MPD>";
const DYNAMIC: &str = "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\"></MPD>";

pub(super) fn cases() -> Vec<Case> {
    [playlists(), segments(), missing(), others()].concat()
}

/// The origin has this at the path; the second request for it is a hit that is fresh for so long.
fn stored(name: &'static str, path: &str, answer: Answer, ttl: (i64, i64)) -> Case {
    let steps = [get().at(path).fetched(), get().at(path).hit().fresh_for(ttl.0, ttl.1)];
    Case::new(name, SOURCE, [answer], steps).under(Policy::Media)
}

/// As stored, under the policy with longer times.
fn slowly(name: &'static str, path: &str, answer: Answer, ttl: (i64, i64)) -> Case {
    stored(name, path, answer, ttl).under(Policy::SlowMedia).not_joined()
}

/// The first answer says that it is fresh for so long, which is too short for a second request to be sure of.
fn briefly(name: &'static str, path: &str, answer: Answer, ttl: &'static str) -> Case {
    let steps = [get().at(path).fetched().told(ttl), get().at(path).either()];
    Case::new(name, SOURCE, [answer], steps).under(Policy::Media)
}

fn unstored(name: &'static str, path: &str, answer: Answer) -> Case {
    let steps = [get().at(path).fetched(), get().at(path).fetched()];
    Case::new(name, SOURCE, [answer], steps).under(Policy::Media)
}

fn of(kind: &str) -> Answer {
    answer(&format!("200 | content-type: {kind}"))
}

fn playlists() -> Vec<Case> {
    let mpd = "application/dash+xml";
    let growing = |target: u32| of(HLS).text(&LIVE.replace("TARGETDURATION:2", &format!("TARGETDURATION:{target}")));
    vec![
        stored("finished_playlist_is_fresh_for_a_minute", "/a.m3u8", of(HLS).text(VOD), (20, 60)).not_joined(),
        stored("static_manifest_is_fresh_for_a_minute", "/a.mpd", of(mpd).text(STATIC), (20, 60)).not_joined(),
        briefly("growing_playlist_is_fresh_for_a_second", "/b.m3u8", of(HLS).text(LIVE), "ttl=1"),
        briefly("dynamic_manifest_is_fresh_for_a_second", "/b.mpd", of(mpd).text(DYNAMIC), "ttl=1"),
        slowly("finished_playlist_is_fresh_as_configured", "/c.m3u8", of(HLS).text(VOD), (860, 900)),
        slowly("static_manifest_is_fresh_as_configured", "/c.mpd", of(mpd).text(STATIC), (860, 900)),
        slowly("growing_playlist_is_fresh_for_half_its_target", "/d.m3u8", growing(90), (21, 45)),
        slowly("growing_playlist_is_fresh_for_the_ceiling_at_most", "/e.m3u8", growing(500), (21, 50)),
        slowly("multivariant_playlist_is_fresh_as_a_growing_one", "/f.m3u8", of(HLS).text(MULTIVARIANT), (0, 50)),
        slowly("playlist_is_known_by_its_other_type", "/g.m3u8", of("audio/mpegurl").text(VOD), (860, 900)),
        slowly("playlist_is_known_by_its_first_bytes", "/list", of("text/plain").text(VOD), (860, 900)),
        stored("explicit_freshness_of_a_playlist_counts", "/h.m3u8", explicit(HLS).text(LIVE), (60, 100)),
    ]
}

/// Fresh for a hundred seconds by the origin's word.
fn explicit(kind: &str) -> Answer {
    answer(&format!("200 | content-type: {kind} | cache-control: max-age=100"))
}

fn segments() -> Vec<Case> {
    let hour = (3500, 3600);
    vec![
        stored("segment_is_fresh_for_an_hour", "/1.m4s", of("video/iso.segment"), hour),
        stored("part_of_a_segment_is_fresh_for_an_hour", "/1.1.m4s", of("video/mp4"), hour),
        stored("transport_stream_is_fresh_for_an_hour", "/1.ts", of("video/mp2t"), hour),
        stored("initialisation_segment_is_fresh_for_an_hour", "/init.mp4", of("video/mp4"), hour),
        unstored("page_with_a_segment_s_name_is_no_segment", "/2.m4s", of("text/html").text("<!doctype html><p>sorry")),
        unstored(
            "no_store_goes_before_the_media_rules",
            "/3.m4s",
            answer("200 | content-type: video/mp4 | cache-control: no-store"),
        ),
        unstored(
            "private_goes_before_the_media_rules",
            "/4.m4s",
            answer("200 | content-type: video/mp4 | cache-control: private"),
        ),
        unstored(
            "zero_max_age_goes_before_the_media_rules",
            "/5.m4s",
            answer("200 | content-type: video/mp4 | cache-control: max-age=0"),
        ),
        unstored(
            "zero_expires_goes_before_the_media_rules",
            "/6.m4s",
            answer("200 | content-type: video/mp4 | expires: 0"),
        ),
        unstored(
            "set_cookie_is_not_stored_by_the_media_rules",
            "/7.m4s",
            answer("200 | content-type: video/mp4 | set-cookie: a=b"),
        ),
        unstored("no_media_rules_without_the_policy", "/8.m4s", of("video/iso.segment")).under(Policy::Plain),
    ]
}

fn missing() -> Vec<Case> {
    let error = |status: u16| answer(&format!("{status} | content-type: text/plain")).text("no");
    vec![
        slowly("missing_live_segment_is_remembered_as_configured", "/x/1.m4s", error(404), (1, 50)),
        slowly("segment_that_is_gone_is_remembered_as_configured", "/x/1.m4s", error(410), (680, 720)),
        briefly("error_for_a_segment_is_remembered_for_a_second", "/x/2.m4s", error(503), "ttl=1"),
        unstored("forbidden_segment_is_not_remembered", "/x/3.m4s", error(403)),
        unstored("unsatisfiable_segment_is_not_remembered", "/x/4.m4s", error(416)),
        unstored("error_for_something_else_is_not_remembered", "/x/5.html", error(503)),
        unstored("missing_page_is_not_remembered", "/x/6.html", error(404)),
        unstored("error_for_a_segment_is_not_remembered_without_the_policy", "/x/7.m4s", error(503))
            .under(Policy::Plain),
    ]
}

fn others() -> Vec<Case> {
    vec![
        unstored("page_is_left_to_the_general_rules", "/index.html", of("text/html")),
        unstored("data_is_left_to_the_general_rules", "/data.json", of("application/json")),
        stored("explicit_freshness_of_a_segment_counts", "/10.m4s", explicit("video/mp4"), (60, 100)),
    ]
}

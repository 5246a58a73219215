//! Rows about what is stored and how long it is fresh (RFC 9111, RFC 9213, and the defaults for media).

use tidegate_tests::client::Request;
use tidegate_tests::origin::Script;

use super::row::Content::{Any, Whole};
use super::row::{Field, Reuse, Row, SIZE, resource};

pub(super) fn rows() -> Vec<Row> {
    [responses(), requests(), targeted(), ages(), media()].concat()
}

/// An object with this Cache-Control.
fn controlled(name: &'static str, cache_control: &str) -> Row {
    let script = Script::status(200).pattern(0, SIZE).field("etag", "\"v1\"").field("cache-control", cache_control);
    Row::of(name, script.resource()).field_is("cache-control", cache_control)
}

fn responses() -> Vec<Row> {
    let expires = Script::status(200).pattern(0, SIZE).field("expires", "Fri, 01 Jan 2100 00:00:00 GMT");
    let expired = Script::status(200).pattern(0, SIZE).field("expires", "0");
    vec![
        controlled("stored_public", "public, max-age=60"),
        controlled("stored_shared_age", "max-age=0, s-maxage=60"),
        controlled("stored_quoted_age", "max-age=\"60\"").reuse(Reuse::Open),
        controlled("stored_unknown_directive", "max-age=60, x-unknown=\"a, b\""),
        Row::of("stored_expires", expires),
        Row::of("expired", expired).reuse(Reuse::Never),
        controlled("no_store", "no-store").reuse(Reuse::Never),
        controlled("private", "private, max-age=60").reuse(Reuse::Never),
        controlled("zero_age", "max-age=0").reuse(Reuse::Never),
        controlled("no_cache", "no-cache, max-age=60").reuse(Reuse::Never),
        controlled("authorised", "max-age=60")
            .with("authorization", "Basic eDp5")
            .warmed_by_itself()
            .reuse(Reuse::Never),
        controlled("authorised_public", "public, max-age=60").with("authorization", "Basic eDp5").warmed_by_itself(),
        Row::of("no_cache_control_500", Script::status(500).text("failed")).reuse(Reuse::Never),
        Row::of("stored_404", Script::status(404).text("missing").field("cache-control", "max-age=60")),
        Row::of("stored_410", Script::status(410).text("gone").field("cache-control", "max-age=60")),
        Row::of("stored_301", moved(301).field("cache-control", "max-age=60")).field_is("location", "/elsewhere?a=1"),
        Row::of("stored_308", moved(308).field("cache-control", "max-age=60")).field_is("location", "/elsewhere?a=1"),
        Row::of("passed_302", moved(302)).field_is("location", "/elsewhere?a=1").reuse(Reuse::Never),
    ]
}

fn moved(status: u16) -> Script {
    Script::status(status).text("moved").field("location", "/elsewhere?a=1")
}

fn requests() -> Vec<Row> {
    let asked = |name, directive: &str| Row::get(name).with("cache-control", directive);
    vec![
        asked("request_no_cache", "no-cache").reuse(Reuse::NeverWhenWhole),
        Row::get("request_pragma").with("pragma", "no-cache").reuse(Reuse::Open),
        asked("request_no_store", "no-store").reuse(Reuse::Open),
        asked("request_max_age_zero", "max-age=0").reuse(Reuse::NeverWhenWhole),
        asked("request_max_age_ample", "max-age=600"),
        asked("request_min_fresh_met", "min-fresh=5"),
        asked("request_min_fresh_unmet", "min-fresh=600").reuse(Reuse::NeverWhenWhole),
        asked("request_max_stale", "max-stale=10"),
        asked("request_only_if_cached", "only-if-cached").on_miss(504, Any).on_join(&[(200, Whole), (504, Any)]),
    ]
}

fn targeted() -> Vec<Row> {
    vec![
        controlled("targeted_stores", "no-store").and("cdn-cache-control", "max-age=60"),
        controlled("targeted_forbids", "max-age=60").and("cdn-cache-control", "no-store").reuse(Reuse::Never),
        controlled("targeted_own_first", "no-store")
            .and("cdn-cache-control", "no-store")
            .and("tidegate-cdn-cache-control", "max-age=60"),
        controlled("targeted_malformed", "max-age=60").and("cdn-cache-control", "&&& max-age"),
    ]
}

fn ages() -> Vec<Row> {
    let aged = |name, age: &str| Row::of(name, resource().field("age", age));
    vec![
        aged("age_of_upstream", "30").field("age", Field::AtLeast(30)),
        aged("age_beyond_lifetime", "100").field("age", Field::AtLeast(100)).reuse(Reuse::Never),
        aged("age_malformed", "soon").reuse(Reuse::Open),
    ]
}

/// Media without a word of the origin about freshness.
fn media() -> Vec<Row> {
    let silent = |name, path: &str, kind: &str, script: Script| {
        Row::of(name, script.field("content-type", kind))
            .target(path)
            .warmed_by(Request::get(path))
            .field_is("content-type", kind)
    };
    let of = |text: &str| Script::status(200).text(text);
    let segment = || Script::status(200).pattern(0, SIZE);
    // Playlists that may be live are fresh for a second or two, and by the second request perhaps no more.
    vec![
        silent("media_vod_playlist", "/vod/media.m3u8", "application/vnd.apple.mpegurl", of(VOD)),
        silent("media_live_playlist", "/live/media.m3u8", "application/vnd.apple.mpegurl", of(LIVE)).reuse(Reuse::Open),
        silent("media_multivariant", "/vod/master.m3u8", "application/vnd.apple.mpegurl", of(MULTIVARIANT))
            .reuse(Reuse::Open),
        silent("media_static_mpd", "/vod/manifest.mpd", "application/dash+xml", of(STATIC_MPD)),
        silent("media_segment", "/vod/1.m4s", "video/iso.segment", segment()),
        silent("media_segment_range", "/vod/2.m4s", "video/mp4", segment())
            .with("range", "bytes=100-199")
            .gives(206, super::row::Content::Part(100, 200)),
        silent("media_transport_stream", "/vod/1.ts", "video/mp2t", segment()),
        silent("media_mp3", "/vod/demo.mp3", "audio/mpeg", segment()).reuse(Reuse::Open),
        silent("media_playlist_head", "/vod/head.m3u8", "application/vnd.apple.mpegurl", of(VOD)).method("HEAD"),
        silent("media_missing_segment", "/vod/9.m4s", "text/plain", Script::status(404).text("none"))
            .reuse(Reuse::Open),
        silent("media_no_store_wins", "/vod/3.m4s", "video/mp4", segment().field("cache-control", "no-store"))
            .reuse(Reuse::Never),
    ]
}

const VOD: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\n1.m4s\n#EXT-X-ENDLIST\n";
const LIVE: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4.0,\n7.m4s\n";
const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS=\"avc1.42c01e\"\nlow.m3u8\n";
const STATIC_MPD: &str = "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
                          mediaPresentationDuration=\"PT4S\"></MPD>\n";

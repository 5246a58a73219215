//! The clip and page inside the program.

use tidegate_origin::Root;

use crate::running::{Running, options};

#[tokio::test]
async fn the_demonstration_needs_no_files() {
    let origin = Running::start(Root::Embedded, options()).await;
    let check = async |target: &str, media_type: &str, cache_control: &str| {
        let answer = origin.ask("GET", target, &[]).await;
        assert_eq!(answer.status, 200, "{target}");
        assert_eq!(answer.field("content-type"), Some(media_type), "{target}");
        assert_eq!(answer.field("cache-control"), Some(cache_control), "{target}");
        assert_eq!(answer.field("content-length"), Some(answer.body.len().to_string().as_str()), "{target}");
        assert_eq!(answer.field("x-tidegate-origin"), Some("eu-origin"), "{target}");
        assert_eq!(answer.field("server-timing"), Some("origin;desc=\"eu-origin\""), "{target}");
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"), "{target}");
        assert_eq!(answer.field("accept-ranges"), Some("bytes"), "{target}");
        assert!(answer.field("access-control-expose-headers").unwrap().contains("Content-Range"), "{target}");
    };
    check("/", "text/html; charset=utf-8", "no-cache").await;
    check("/player.js", "text/javascript; charset=utf-8", "no-cache").await;
    check("/vod/demo/master.m3u8", "application/vnd.apple.mpegurl", "public, max-age=60").await;
    check("/vod/demo/manifest.mpd", "application/dash+xml", "public, max-age=60").await;
    check("/vod/demo/segment-0-001.m4s", "video/mp4", "public, max-age=3600").await;
    check("/vod/demo/demo.mp4", "video/mp4", "public, max-age=3600").await;
    check("/vod/demo/demo.mp3", "audio/mpeg", "public, max-age=3600").await;
    let part = origin.ask("GET", "/vod/demo/demo.mp4", &["Range: bytes=4-7"]).await;
    assert_eq!((part.status, part.text()), (206, "ftyp"));
    origin.stop().await;
}

#[tokio::test]
async fn every_name_in_a_playlist_leads_to_a_file() {
    let origin = Running::start(Root::Embedded, options()).await;
    let mut playlists = vec!["master.m3u8".to_owned()];
    let mut segments = 0;
    while let Some(playlist) = playlists.pop() {
        let answer = origin.ask("GET", &format!("/vod/demo/{playlist}"), &[]).await;
        for line in answer.text().lines() {
            let in_tag = line.split_once("URI=\"").and_then(|(_, rest)| rest.split('"').next());
            let Some(name) = in_tag.or((!line.starts_with('#') && !line.is_empty()).then_some(line)) else {
                continue;
            };
            assert!(!name.contains('/'), "{name} in {playlist} is relative to it");
            if name.ends_with(".m3u8") {
                playlists.push(name.to_owned());
            } else {
                segments += 1;
                assert_eq!(origin.ask("HEAD", &format!("/vod/demo/{name}"), &[]).await.status, 200, "{name}");
            }
        }
    }
    assert_eq!(segments, 3 * 13, "three renditions of one initialisation and twelve media segments");
    origin.stop().await;
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let origin = Running::start(Root::Embedded, options()).await;
    let check = async |method: &str, target: &str, status: u16, allow: Option<&str>| {
        let answer = origin.ask(method, target, &["Content-Length: 0"]).await;
        assert_eq!((answer.status, answer.field("allow")), (status, allow), "{method} {target}");
    };
    let allowed = Some("GET, HEAD, OPTIONS");
    check("POST", "/", 405, allowed).await;
    check("PUT", "/x", 405, allowed).await;
    check("DELETE", "/index.html", 405, allowed).await;
    check("OPTIONS", "/vod/demo/master.m3u8", 204, allowed).await;
    check("OPTIONS", "*", 204, allowed).await;
    let preflight = ["Origin: https://elsewhere.test", "Access-Control-Request-Method: GET"];
    let answer = origin.ask("OPTIONS", "/vod/demo/demo.mp4", &preflight).await;
    assert!(answer.field("access-control-allow-headers").unwrap().contains("Range"));
    assert_eq!(answer.field("access-control-max-age"), Some("7200"));
    origin.stop().await;
}

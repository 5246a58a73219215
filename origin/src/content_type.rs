//! What a file is, by the ending of its name: its media type and how long a cache may keep it.
//!
//! Endings alone decide; nothing looks into files.

use std::time::Duration;

/// How long a file stays what it is, which decides its `Cache-Control`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Segments, initialisation segments, whole media files: not rewritten under the same name.
    Media,
    /// Playlists and manifests: rewritten every few seconds while live, else stable.
    Playlist,
    /// The page and its parts, which must match each other.
    Page,
    /// Everything else.
    Other,
}

/// The media type of a file and its lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentType {
    pub(crate) media_type: &'static str,
    pub(crate) lifetime: Lifetime,
}

/// A playlist untouched for this long is not live: live ones are rewritten at every target duration, which is rarely
/// above ten seconds.
const LIVE_PLAYLIST_AGE: Duration = Duration::from_secs(60);

impl ContentType {
    /// By the ending of the file's name, in any case; unknown endings are plain bytes.
    pub(crate) fn of(file_name: &str) -> Self {
        let extension = file_name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        let (media_type, lifetime) = match extension.as_str() {
            "m3u8" => ("application/vnd.apple.mpegurl", Lifetime::Playlist),
            "mpd" => ("application/dash+xml", Lifetime::Playlist),
            "m4s" | "mp4" | "m4v" | "cmfv" => ("video/mp4", Lifetime::Media),
            "m4a" | "cmfa" => ("audio/mp4", Lifetime::Media),
            "cmft" => ("application/mp4", Lifetime::Media),
            "ts" => ("video/mp2t", Lifetime::Media),
            "webm" => ("video/webm", Lifetime::Media),
            "aac" => ("audio/aac", Lifetime::Media),
            "mp3" => ("audio/mpeg", Lifetime::Media),
            "ogg" | "oga" | "opus" => ("audio/ogg", Lifetime::Media),
            "flac" => ("audio/flac", Lifetime::Media),
            "wav" => ("audio/wav", Lifetime::Media),
            "vtt" => ("text/vtt; charset=utf-8", Lifetime::Media),
            "html" | "htm" => ("text/html; charset=utf-8", Lifetime::Page),
            "css" => ("text/css; charset=utf-8", Lifetime::Page),
            "js" | "mjs" => ("text/javascript; charset=utf-8", Lifetime::Page),
            "json" | "map" => ("application/json", Lifetime::Other),
            "xml" => ("application/xml", Lifetime::Other),
            "txt" | "md" => ("text/plain; charset=utf-8", Lifetime::Other),
            "svg" => ("image/svg+xml", Lifetime::Other),
            "png" => ("image/png", Lifetime::Other),
            "jpg" | "jpeg" => ("image/jpeg", Lifetime::Other),
            "gif" => ("image/gif", Lifetime::Other),
            "webp" => ("image/webp", Lifetime::Other),
            "avif" => ("image/avif", Lifetime::Other),
            "ico" => ("image/vnd.microsoft.icon", Lifetime::Other),
            "woff2" => ("font/woff2", Lifetime::Other),
            "wasm" => ("application/wasm", Lifetime::Other),
            _ => ("application/octet-stream", Lifetime::Other),
        };
        Self { media_type, lifetime }
    }
}

impl Lifetime {
    /// The `Cache-Control` of a file that was last changed this long ago.
    pub(crate) fn cache_control(self, unchanged_for: Duration) -> &'static str {
        match self {
            Self::Media => "public, max-age=3600",
            Self::Playlist if unchanged_for < LIVE_PLAYLIST_AGE => "public, max-age=1",
            Self::Playlist | Self::Other => "public, max-age=60",
            Self::Page => "no-cache",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_decide_the_media_type() {
        let check = |name: &str, expected: &str| assert_eq!(ContentType::of(name).media_type, expected, "{name}");
        check("master.m3u8", "application/vnd.apple.mpegurl");
        check("manifest.mpd", "application/dash+xml");
        check("segment-0-001.m4s", "video/mp4");
        check("DEMO.MP4", "video/mp4");
        check("demo.mp3", "audio/mpeg");
        check("index.html", "text/html; charset=utf-8");
        check("player.js", "text/javascript; charset=utf-8");
        check("archive.tar.unknown", "application/octet-stream");
        check("no-ending", "application/octet-stream");
    }

    #[test]
    fn a_playlist_is_kept_briefly_only_while_it_may_be_live() {
        let check = |name: &str, seconds: u64, expected: &str| {
            let lifetime = ContentType::of(name).lifetime;
            assert_eq!(lifetime.cache_control(Duration::from_secs(seconds)), expected, "{name} after {seconds} s");
        };
        check("live.m3u8", 2, "public, max-age=1");
        check("vod.m3u8", 3600, "public, max-age=60");
        check("segment.m4s", 0, "public, max-age=3600");
        check("index.html", 3600, "no-cache");
    }
}

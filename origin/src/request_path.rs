//! From the path of a request to the path of a file below the root. Pure: nothing here touches a file system.
//!
//! Paths are brought into the same form that caches in front of us use for their keys: percent-encoding undone, dot
//! segments removed (RFC 3986, section 5.2.4), repeated slashes joined. Else one key could stand for two answers.

use percent_encoding::percent_decode_str;

/// Longer paths than the longest that Linux opens (PATH_MAX) cannot name a file.
const MAX_LENGTH: usize = 4096;

/// A path below the root, without a slash in front, without `.`, `..`, empty or hidden segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestPath(String);

/// Why a path cannot name a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathRefusal {
    /// Longer than any file's path.
    TooLong,
    /// Not a path that could name a file, with the reason in words.
    Malformed(&'static str),
    /// Names a dot file; those are not for the public.
    Hidden,
}

impl RequestPath {
    /// Reads the path of a request target (RFC 9112, section 3.2.1). A path that names a directory by ending in a
    /// slash stands for its `index.html`.
    pub(crate) fn parse(path: &str) -> Result<Self, PathRefusal> {
        if path.len() > MAX_LENGTH {
            return Err(PathRefusal::TooLong);
        }
        let Some(path) = path.strip_prefix('/') else {
            return Err(PathRefusal::Malformed("the path does not begin with a slash"));
        };
        let mut segments = Vec::new();
        let mut names_directory = true;
        for segment in path.split('/') {
            let segment = decode(segment)?;
            names_directory = matches!(segment.as_str(), "" | "." | "..");
            match segment.as_str() {
                "" | "." => {}
                ".." => {
                    segments.pop().ok_or(PathRefusal::Malformed("the path leads above the root"))?;
                }
                _ => segments.push(segment),
            }
        }
        if names_directory {
            segments.push("index.html".to_owned());
        }
        // RFC 8615 reserves this one name for public use.
        if segments.iter().any(|segment| segment.starts_with('.') && segment != ".well-known") {
            return Err(PathRefusal::Hidden);
        }
        Ok(Self(segments.join("/")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A decoded segment must not bring in what separates segments, or what ends strings for the operating system.
fn decode(segment: &str) -> Result<String, PathRefusal> {
    let segment = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| PathRefusal::Malformed("the path is not UTF-8 once its percent-encoding is undone"))?;
    if segment.contains(['/', '\\']) {
        return Err(PathRefusal::Malformed("the path contains an encoded slash"));
    }
    if segment.chars().any(char::is_control) {
        return Err(PathRefusal::Malformed("the path contains control characters"));
    }
    Ok(segment.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_paths_name_the_same_file() {
        let check = |path: &str, expected: &str| {
            assert_eq!(RequestPath::parse(path).as_ref().map(RequestPath::as_str), Ok(expected), "{path}");
        };
        check("/", "index.html");
        check("//", "index.html");
        check("/vod/demo/master.m3u8", "vod/demo/master.m3u8");
        check("/vod//demo/./master.m3u8", "vod/demo/master.m3u8");
        check("/vod/other/../demo/master.m3u8", "vod/demo/master.m3u8");
        check("/vod/%64emo/master%2em3u8", "vod/demo/master.m3u8");
        check("/vod/", "vod/index.html");
        check("/vod/.", "vod/index.html");
        check("/vod/demo/..", "vod/index.html");
        check("/a%20b", "a b");
        check("/%C3%BC", "ü");
        check("/.well-known/x", ".well-known/x");
    }

    #[test]
    fn paths_that_escape_or_hide_are_refused() {
        let check = |path: &str, expected: fn(&PathRefusal) -> bool| {
            let refusal = RequestPath::parse(path).expect_err(path);
            assert!(expected(&refusal), "{path}: {refusal:?}");
        };
        let malformed: fn(&PathRefusal) -> bool = |refusal| matches!(refusal, PathRefusal::Malformed(_));
        let hidden: fn(&PathRefusal) -> bool = |refusal| *refusal == PathRefusal::Hidden;
        check("/..", malformed);
        check("/../etc/passwd", malformed);
        check("/%2e%2e/etc/passwd", malformed);
        check("/vod/../../etc/passwd", malformed);
        check("/..%2fetc/passwd", malformed);
        check("/..%5cetc", malformed);
        check("/file%00.mp4", malformed);
        check("/%ff", malformed);
        check("*", malformed);
        check("", malformed);
        check("/.git/config", hidden);
        check("/vod/.hidden", hidden);
        check(&format!("/{}", "a".repeat(MAX_LENGTH)), |refusal| *refusal == PathRefusal::TooLong);
    }
}

//! The demonstration clip and page inside this program. The table is made by the build script.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use crate::{
    content_type::ContentType,
    request_path::RequestPath,
    resource::{Lookup, Resource, Source, Validators},
};

/// One file of the table, which is sorted by path.
struct EmbeddedFile {
    /// Without a slash in front.
    path: &'static str,
    bytes: &'static [u8],
    entity_tag: &'static str,
    /// Seconds since 1970.
    modified: u64,
}

include!(concat!(env!("OUT_DIR"), "/embedded_files.rs"));

/// Finds a file of the demonstration. Its playlists are complete, so never taken for live ones.
pub(crate) fn find(path: &RequestPath) -> Lookup {
    let Ok(index) = FILES.binary_search_by(|file| file.path.cmp(path.as_str())) else {
        return Lookup::NotFound;
    };
    let file = &FILES[index];
    let content_type = ContentType::of(file.path);
    Lookup::Found(Resource {
        content_type,
        cache_control: content_type.lifetime.cache_control(Duration::MAX),
        validators: Validators::new(file.entity_tag.to_owned(), UNIX_EPOCH + Duration::from_secs(file.modified)),
        length: file.bytes.len() as u64,
        source: Source::Memory(Bytes::from_static(file.bytes)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_the_demonstration_is_there() {
        let check = |path: &str| {
            let path = RequestPath::parse(path).unwrap();
            assert!(matches!(find(&path), Lookup::Found(_)), "{path:?}");
        };
        check("/");
        check("/player.js");
        check("/vod/demo/master.m3u8");
        check("/vod/demo/manifest.mpd");
        check("/vod/demo/demo.mp4");
        check("/vod/demo/demo.mp3");
    }

    #[test]
    fn the_program_grows_by_no_more_than_three_megabytes() {
        let total: usize = FILES.iter().map(|file| file.bytes.len()).sum();
        assert!(total <= 3_000_000, "{total} bytes");
    }

    #[test]
    fn what_made_the_clip_is_not_served() {
        let path = RequestPath::parse("/make-clip.sh").unwrap();
        assert!(matches!(find(&path), Lookup::NotFound));
    }
}

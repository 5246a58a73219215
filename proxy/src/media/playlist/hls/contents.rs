//! What an HLS playlist lists (RFC 8216 section 4, RFC 8216bis section 4.4).

use std::collections::VecDeque;
use std::time::Duration;

use super::attributes::{Attributes, integer};
use crate::media::Presentation;
use crate::media::playlist::listing::{Collector, Extent, Listing, OUTLINED, PieceKind, Position, Track, Unreadable};

/// Longest line read. Attributes hold keys and session data, but no tag that is read here comes near.
const MAX_LINE: usize = 16 * 1024;

/// Longest target duration believed, as in `super`.
const MAX_TARGET_SECONDS: u64 = 3600;

/// Most preload hints and rendition reports kept: one of each kind, and one for each rendition.
const MAX_REPORTS: usize = 64;

/// What the next line without `#` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Segment,
    Gap,
    Playlist,
    Nothing,
}

/// Pieces as they are read. Of an outline no more than the newest are kept, and resolved at the end.
#[derive(Default)]
struct Pieces<'b> {
    track: Track,
    newest: VecDeque<(&'b str, PieceKind)>,
}

impl<'b> Pieces<'b> {
    fn add(&mut self, uri: &'b str, kind: PieceKind, collector: &mut Collector) {
        match collector.extent {
            Extent::Whole => {
                let place = collector.place.clone();
                collector.piece(&mut self.track, &place, uri, kind);
            }
            Extent::Outline if self.newest.back().is_some_and(|(last, _)| *last == uri) => {} // another range of it
            Extent::Outline => {
                if self.newest.len() == OUTLINED {
                    self.newest.pop_front();
                }
                self.newest.push_back((uri, kind));
            }
        }
    }

    fn finish(mut self, collector: &mut Collector) {
        let place = collector.place.clone();
        for (uri, kind) in self.newest {
            collector.piece(&mut self.track, &place, uri, kind);
        }
        collector.track(self.track);
    }
}

struct Reader<'b> {
    collector: Collector,
    segments: Pieces<'b>,
    parts: Pieces<'b>,
    expected: Expected,
    first: u64,
    count: u64,
    parts_of_last: u32,
    ended: bool,
    is_media: bool,
}

/// Reads a playlist of either kind.
pub(in crate::media::playlist) fn list(body: &[u8], collector: Collector) -> Result<Listing, Unreadable> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    if lines.next() != Some(b"#EXTM3U") {
        return Err(Unreadable::NoPlaylist);
    }
    let mut reader = Reader {
        collector,
        segments: Pieces::default(),
        parts: Pieces::default(),
        expected: Expected::Nothing,
        first: 0,
        count: 0,
        parts_of_last: 0,
        ended: false,
        is_media: false,
    };
    for line in lines.filter(|line| !line.is_empty()) {
        match std::str::from_utf8(line).ok().filter(|line| line.len() <= MAX_LINE) {
            Some(line) if line.starts_with('#') => reader.tag(line),
            Some(line) => reader.uri(line),
            None => reader.unreadable(),
        }
    }
    Ok(reader.finish())
}

impl<'b> Reader<'b> {
    fn tag(&mut self, line: &'b str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "#EXTINF" if self.expected != Expected::Gap => self.expect(Expected::Segment),
            "#EXT-X-GAP" => self.expect(Expected::Gap),
            "#EXT-X-STREAM-INF" => self.expected = Expected::Playlist,
            "#EXT-X-TARGETDURATION" => self.target_duration(value),
            "#EXT-X-MEDIA-SEQUENCE" => self.first = integer(value.trim()).unwrap_or(0),
            "#EXT-X-ENDLIST" => self.ended = true,
            "#EXT-X-PLAYLIST-TYPE" => self.ended |= value.trim() == "VOD",
            _ => self.attributed(name, &Attributes::parse(value)),
        }
    }

    fn attributed(&mut self, name: &str, attributes: &Attributes<'b>) {
        let listing = &mut self.collector.listing;
        match name {
            "#EXT-X-PART-INF" => listing.part_target = attributes.seconds("PART-TARGET"),
            "#EXT-X-SERVER-CONTROL" => listing.blocks_reload = attributes.is_yes("CAN-BLOCK-RELOAD"),
            "#EXT-X-MEDIA" | "#EXT-X-I-FRAME-STREAM-INF" => {
                if let Some(uri) = attributes.get("URI") {
                    self.collector.playlist(uri);
                }
            }
            "#EXT-X-SKIP" => self.skip(attributes.integer("SKIPPED-SEGMENTS").unwrap_or(0)),
            "#EXT-X-MAP" => {
                if let Some(uri) = attributes.get("URI") {
                    self.init(uri);
                }
            }
            "#EXT-X-PART" => self.part(attributes),
            "#EXT-X-PRELOAD-HINT" => self.hint(attributes),
            "#EXT-X-RENDITION-REPORT" => self.report(attributes),
            _ => {}
        }
    }

    fn expect(&mut self, expected: Expected) {
        self.is_media = true;
        self.expected = expected;
    }

    fn target_duration(&mut self, value: &str) {
        self.is_media = true;
        let digits = value.trim().split('.').next().unwrap_or_default();
        let seconds = integer::<u64>(digits).map(|seconds| Duration::from_secs(seconds.min(MAX_TARGET_SECONDS)));
        let known = &mut self.collector.listing.target_duration;
        *known = known.or(seconds);
    }

    fn skip(&mut self, segments: u64) {
        self.count = self.count.saturating_add(segments);
    }

    fn init(&mut self, uri: &'b str) {
        self.segments.add(uri, PieceKind::Init, &mut self.collector);
    }

    fn part(&mut self, attributes: &Attributes<'b>) {
        self.parts_of_last = self.parts_of_last.saturating_add(1);
        let Some(uri) = attributes.get("URI").filter(|_| !attributes.is_yes("GAP")) else { return };
        self.parts.add(uri, PieceKind::Part, &mut self.collector);
    }

    fn hint(&mut self, attributes: &Attributes<'_>) {
        if attributes.get("TYPE") != Some("PART") || self.collector.listing.hints.len() == MAX_REPORTS {
            return;
        }
        if let Some(target) = attributes.get("URI").and_then(|uri| self.collector.own(uri)) {
            self.collector.listing.hints.push(target);
        }
    }

    fn report(&mut self, attributes: &Attributes<'_>) {
        if self.collector.listing.reports.len() == MAX_REPORTS {
            return self.collector.beyond(1);
        }
        let Some(target) = attributes.get("URI").and_then(|uri| self.collector.own(uri)) else { return };
        let Some(sequence) = attributes.integer("LAST-MSN") else { return };
        let parts = attributes.integer::<u32>("LAST-PART").map_or(0, |last| last.saturating_add(1));
        self.collector.listing.reports.push((target, Position { sequence, parts }));
    }

    fn uri(&mut self, uri: &'b str) {
        match std::mem::replace(&mut self.expected, Expected::Nothing) {
            Expected::Playlist => self.collector.playlist(uri),
            Expected::Segment => {
                self.segment_ended();
                self.segments.add(uri, PieceKind::Segment, &mut self.collector);
            }
            Expected::Gap => self.segment_ended(),
            Expected::Nothing => self.collector.malformed(),
        }
    }

    /// A line that is too long or no text: where a reference was expected, one is lost.
    fn unreadable(&mut self) {
        self.collector.malformed();
        if matches!(std::mem::replace(&mut self.expected, Expected::Nothing), Expected::Segment | Expected::Gap) {
            self.segment_ended();
        }
    }

    fn segment_ended(&mut self) {
        self.count = self.count.saturating_add(1);
        self.parts_of_last = 0;
    }

    fn finish(self) -> Listing {
        let mut collector = self.collector;
        self.segments.finish(&mut collector);
        self.parts.finish(&mut collector);
        let mut listing = collector.listing;
        listing.presentation = match (self.is_media, self.ended) {
            (_, true) => Presentation::OnDemand,
            (true, false) => Presentation::Live,
            (false, false) => Presentation::Unknown,
        };
        let next = self.first.saturating_add(self.count);
        listing.position = match (self.is_media, self.parts_of_last) {
            (false, _) => None,
            (true, 0) => next.checked_sub(1).map(|sequence| Position { sequence, parts: 0 }),
            (true, parts) => Some(Position { sequence: next, parts }),
        };
        listing
    }
}

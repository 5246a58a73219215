//! What a manifest lists (ISO/IEC 23009-1 section 5.3): for each representation its segments, in order.
//!
//! Reads events, keeps no tree: what levels inherit (base URLs, templates) is on a stack of bounded depth. A document
//! type declaration ends the reading, so that there are no entities but those five that XML itself has.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::super::listing::{Collector, Extent, Listing, PieceKind, Track, Unreadable};
use super::super::location::Location;
use super::duration;
use super::growth::Growth;
use super::template::{Period, Template};
use crate::media::Presentation;

/// Elements within each other; manifests have seven levels.
const MAX_DEPTH: usize = 32;

/// Longest attribute that is read, as for references.
const MAX_ATTRIBUTE: usize = 4096;

/// Longest id or bandwidth of a representation: every element below it has a copy.
const MAX_LABEL: usize = 128;

/// Representations that are read; real manifests have some dozens. Each may have a timeline of its own.
const MAX_REPRESENTATIONS: usize = 1024;

/// Longest base URL, as for references.
const MAX_BASE: usize = 4096;

/// What a level knows and those below it inherit.
#[derive(Clone)]
struct Level {
    /// `None` where its base URL leads elsewhere: then nothing below it is followed.
    base: Option<Arc<Location>>,
    /// Whether this level has a base URL of its own: further ones are alternatives.
    has_own_base: bool,
    /// Shared, as lists may be long and every level has them.
    template: Option<Arc<Template>>,
    initialization: Option<Arc<str>>,
    segments: Arc<Vec<String>>,
    id: String,
    bandwidth: String,
    sort: Sort,
}

/// What is in a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Video,
    Audio,
    Other,
}

impl Sort {
    /// By `contentType`, or the first word of `mimeType`.
    fn of(text: &str) -> Self {
        match text.split('/').next().unwrap_or_default().trim() {
            "video" => Self::Video,
            "audio" => Self::Audio,
            _ => Self::Other,
        }
    }
}

struct Manifest {
    collector: Collector,
    levels: Vec<Level>,
    names: usize,
    representations: usize,
    /// Of each track that was added, and of each representation there was.
    sorts: (Vec<Sort>, Vec<Sort>),
    period: Period,
    base_text: Option<String>,
}

/// Reads a manifest.
pub(in crate::media::playlist) fn list(
    body: &[u8],
    collector: Collector,
    now: SystemTime,
) -> Result<Listing, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Malformed)?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let place = Arc::new(collector.place.clone());
    let root = Level {
        base: Some(place),
        has_own_base: false,
        template: None,
        initialization: None,
        segments: Arc::default(),
        id: String::new(),
        bandwidth: String::new(),
        sort: Sort::Other,
    };
    let mut manifest = Manifest {
        collector,
        levels: vec![root],
        names: 0,
        representations: 0,
        sorts: (Vec::new(), Vec::new()),
        period: Period::at(now),
        base_text: None,
    };
    loop {
        match reader.read_event().map_err(|_| Unreadable::Malformed)? {
            Event::Start(element) => manifest.start(&element)?,
            Event::Empty(element) => {
                manifest.start(&element)?;
                manifest.end(element.local_name().as_ref());
            }
            Event::End(element) => manifest.end(element.local_name().as_ref()),
            Event::Text(text) => manifest.text(&text.into_inner()),
            Event::GeneralRef(reference) => manifest.reference(&reference)?,
            Event::DocType(_) => return Err(Unreadable::DocumentType),
            Event::Eof => break,
            Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if manifest.names == 0 {
        return Err(Unreadable::NoPlaylist);
    }
    if manifest.levels.len() > 1 {
        return Err(Unreadable::Malformed); // it is cut
    }
    Ok(manifest.finish())
}

impl Manifest {
    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), Unreadable> {
        if self.levels.len() > MAX_DEPTH {
            return Err(Unreadable::TooDeep);
        }
        let local = element.local_name();
        let name: &str = local.as_ref();
        if self.names == 0 && name != "MPD" {
            return Err(Unreadable::NoPlaylist);
        }
        self.names = self.names.saturating_add(1);
        let Some(above) = self.levels.last() else { return Err(Unreadable::Malformed) };
        let mut level = Level { has_own_base: false, ..above.clone() };
        match name {
            "MPD" => self.root(element),
            "Period" => self.period.begin(attribute(element, "start"), attribute(element, "duration")),
            "AdaptationSet" => level.sort = sort(element).unwrap_or(level.sort),
            "Representation" => {
                level.sort = sort(element).unwrap_or(level.sort);
                self.representations += 1;
                if self.representations > MAX_REPRESENTATIONS {
                    return Err(Unreadable::TooMany);
                }
                level.id = label(element, "id");
                level.bandwidth = label(element, "bandwidth");
            }
            "BaseURL" => self.base_text = Some(String::new()),
            "SegmentTemplate" => {
                let mut template = level.template.take().unwrap_or_default();
                Arc::make_mut(&mut template).read(|name| attribute(element, name));
                self.own(|above| above.template = Some(template));
            }
            "SegmentTimeline" => self.with_template(Template::begin_timeline),
            "S" => {
                let run = (attribute(element, "t"), attribute(element, "d"), attribute(element, "r"));
                let room = self.collector.room();
                match self.collector.extent {
                    Extent::Whole => self.with_template(|template| template.run(run, room)),
                    Extent::Outline => self.with_template(|template| template.last_run(run)),
                }
            }
            "Initialization" => {
                let url = attribute(element, "sourceURL");
                self.below_list(|level| level.initialization = url.map(Arc::from));
            }
            "SegmentURL" => {
                if let Some(media) = attribute(element, "media") {
                    let room = self.room();
                    self.below_list(|level| {
                        if level.segments.len() < room {
                            Arc::make_mut(&mut level.segments).push(media);
                        }
                    });
                }
            }
            _ => {}
        }
        self.levels.push(level);
        Ok(())
    }

    fn root(&mut self, element: &BytesStart<'_>) {
        let is_dynamic = attribute(element, "type").as_deref() == Some("dynamic");
        let listing = &mut self.collector.listing;
        listing.presentation = if is_dynamic { Presentation::Live } else { Presentation::OnDemand };
        let longest = attribute(element, "maxSegmentDuration");
        listing.target_duration = longest.and_then(|text| duration(text.trim().as_bytes()));
        self.period.presentation(is_dynamic, |name| attribute(element, name));
    }

    /// Changes the level that the element now read belongs to, which is the one its siblings inherit from as well.
    fn own(&mut self, change: impl FnOnce(&mut Level)) {
        if let Some(level) = self.levels.last_mut() {
            change(level);
        }
    }

    /// Changes the template of the level that holds the element `SegmentTemplate` which we are in.
    fn with_template(&mut self, change: impl FnOnce(&mut Template)) {
        // The timeline's elements are inside of `SegmentTemplate`, whose own level has none.
        if let Some(template) = self.levels.iter_mut().rev().find_map(|level| level.template.as_mut()) {
            change(Arc::make_mut(template));
        }
    }

    /// Changes the level above `SegmentList`, or `SegmentBase`.
    fn below_list(&mut self, change: impl FnOnce(&mut Level)) {
        let place = self.levels.len().checked_sub(2);
        if let Some(level) = place.and_then(|place| self.levels.get_mut(place)) {
            change(level);
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(base) = self.base_text.as_mut().filter(|base| base.len() + text.len() <= MAX_BASE) {
            base.push_str(text);
        }
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Unreadable> {
        let name: &str = reference;
        let text = match name {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "apos" => "'",
            _ if self.base_text.is_none() => return Ok(()),
            _ => return Err(Unreadable::Malformed),
        };
        self.text(text);
        Ok(())
    }

    fn end(&mut self, name: &str) {
        // The reader has seen to it that ends match their beginnings.
        let Some(level) = self.levels.pop().filter(|_| !self.levels.is_empty()) else { return };
        match name {
            "BaseURL" => self.base(),
            "Representation" => self.representation(&level),
            "Period" => self.period.end(),
            _ => {}
        }
    }

    /// The first base URL of a level counts; further ones are the same content elsewhere.
    fn base(&mut self) {
        let Some(text) = self.base_text.take() else { return };
        let Some(level) = self.levels.last_mut().filter(|level| !level.has_own_base) else { return };
        level.has_own_base = true;
        let joined = level.base.as_ref().map(|base| base.join(text.trim()));
        level.base = match joined {
            Some(Ok(base)) => Some(Arc::new(base)),
            Some(Err(_)) => {
                self.collector.listing.left_out.foreign += 1;
                None
            }
            None => None,
        };
    }

    fn representation(&mut self, level: &Level) {
        self.sorts.1.push(level.sort);
        let Some(base) = &level.base else { return };
        let mut track = Track::default();
        let names = (level.id.as_str(), level.bandwidth.as_str());
        if let Some(template) = &level.template {
            if let Some(initialization) = template.initialization(names) {
                self.collector.piece(&mut track, base, &initialization, PieceKind::Init);
            }
            self.of_template(&mut track, base, template, names);
            let parts = &mut self.collector.listing.part_target;
            *parts = parts.iter().copied().chain(template.chunk()).min();
        } else if level.segments.is_empty() {
            self.collector.piece(&mut track, base, "", PieceKind::Segment); // one file
        } else {
            if let Some(initialization) = &level.initialization {
                self.collector.piece(&mut track, base, initialization, PieceKind::Init);
            }
            for segment in level.segments.iter() {
                self.collector.piece(&mut track, base, segment, PieceKind::Segment);
            }
        }
        self.collector.track(track);
        self.sorts.0.resize(self.collector.listing.tracks.len(), level.sort);
    }

    fn of_template(&mut self, track: &mut Track, base: &Location, template: &Arc<Template>, names: (&str, &str)) {
        if self.collector.extent == Extent::Outline {
            if let Some(segment) = template.any_segment(names) {
                self.collector.piece(track, base, &segment, PieceKind::Segment);
            }
            return;
        }
        let (segments, beyond) = template.segments(names, &self.period, self.collector.room());
        self.collector.beyond(beyond);
        for segment in segments {
            self.collector.piece(track, base, &segment, PieceKind::Segment);
        }
        track.growth = Growth::of(base, template, names, &self.period).map(Arc::new);
    }

    /// Segments of a list that there is room for.
    fn room(&self) -> usize {
        match self.collector.extent {
            Extent::Whole => self.collector.room(),
            Extent::Outline => self.collector.room().min(1),
        }
    }

    /// Which track is played for certain is known at the end alone: where there is one of its sort.
    fn finish(self) -> Listing {
        let mut listing = self.collector.listing;
        let (of_tracks, all) = self.sorts;
        for (track, sort) in listing.tracks.iter_mut().zip(of_tracks) {
            track.is_alone = sort != Sort::Other && all.iter().filter(|other| **other == sort).count() == 1;
        }
        listing
    }
}

fn sort(element: &BytesStart<'_>) -> Option<Sort> {
    attribute(element, "contentType").or_else(|| attribute(element, "mimeType")).map(|text| Sort::of(&text))
}

fn label(element: &BytesStart<'_>, name: &str) -> String {
    attribute(element, name).filter(|text| text.len() <= MAX_LABEL).unwrap_or_default()
}

/// The value of an attribute, its entities resolved; none where these are not XML's own.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok().flatten().filter(|it| it.value.len() <= MAX_ATTRIBUTE)?;
    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}

/// Longest period believed: a year of media time.
pub(super) const MAX_PRESENTATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

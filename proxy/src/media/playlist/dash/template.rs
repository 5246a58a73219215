//! Segment templates (ISO/IEC 23009-1 section 5.3.9): names made of numbers or times.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::contents::MAX_PRESENTATION;
use super::long_duration;

/// Widest number that a template may ask for; a wider one would make names of any length.
const MAX_WIDTH: usize = 20;

/// Longest name that a template may make, as for references.
const MAX_NAME: usize = 4096;

/// A run of segments of equal duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: Option<u64>,
    duration: u64,
    /// Further ones after the first; none when it goes on until the next run or the end of the period.
    repeat: Option<u64>,
}

impl Run {
    /// Reads `t`, `d` and `r`.
    fn read((start, duration, repeat): (Option<String>, Option<String>, Option<String>)) -> Option<Self> {
        let number = |text: Option<String>| text.and_then(|text| text.trim().parse::<u64>().ok());
        let duration = number(duration).filter(|duration| *duration > 0)?;
        let repeat = match repeat.as_deref().map(str::trim) {
            None => Some(0),
            Some(text) => text.parse().ok(), // negative: open
        };
        Some(Self { start: number(start), duration, repeat })
    }
}

/// A template with what it inherited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Template {
    media: Option<String>,
    initialization: Option<String>,
    start_number: Option<u64>,
    end_number: Option<u64>,
    timescale: Option<u64>,
    duration: Option<u64>,
    offset: u64,
    /// How long before its end a segment can be asked for (`availabilityTimeOffset`): its first chunks are there then.
    early: Duration,
    /// Shared, as those who inherit it may be many.
    timeline: Option<Arc<Vec<Run>>>,
}

/// When a period is, and what of it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Period {
    now: SystemTime,
    is_dynamic: bool,
    available_from: Option<SystemTime>,
    depth: Option<Duration>,
    presentation: Option<Duration>,
    start: Duration,
    length: Option<Duration>,
}

/// How long a period is for now.
#[derive(Debug, Clone, Copy)]
enum PeriodEnd {
    /// So much of it has come. A segment is there when all of it is over, or its first chunks are.
    Come(Duration),
    /// It ends there, and so does its last segment, however short.
    Told(Duration),
}

impl PeriodEnd {
    /// How many segments of this duration are there after so many ticks.
    fn segments(self, ticks: impl Fn(Duration) -> u64, after: u64, duration: u64) -> u64 {
        match self {
            Self::Come(length) => ticks(length).saturating_sub(after) / duration,
            Self::Told(length) => ticks(length).saturating_sub(after).div_ceil(duration),
        }
    }
}

impl Period {
    pub(super) fn at(now: SystemTime) -> Self {
        let (start, length) = (Duration::ZERO, None);
        Self { now, is_dynamic: false, available_from: None, depth: None, presentation: None, start, length }
    }

    pub(super) fn presentation(&mut self, is_dynamic: bool, attribute: impl Fn(&str) -> Option<String>) {
        let read = |name: &str| attribute(name).and_then(|text| long_duration(&text, MAX_PRESENTATION));
        self.is_dynamic = is_dynamic;
        self.presentation = read("mediaPresentationDuration");
        self.depth = read("timeShiftBufferDepth");
        self.available_from = attribute("availabilityStartTime").and_then(|text| date_time(text.trim()));
    }

    pub(super) fn begin(&mut self, start: Option<String>, length: Option<String>) {
        let read = |text: Option<String>| text.and_then(|text| long_duration(&text, MAX_PRESENTATION));
        self.start = read(start).unwrap_or(self.start);
        self.length = read(length);
    }

    /// The next period begins where this one ends, unless it says otherwise.
    pub(super) fn end(&mut self) {
        self.start = self.start.saturating_add(self.length.unwrap_or_default());
    }

    /// Whether segments come with time.
    pub(super) fn is_growing(&self) -> bool {
        self.is_dynamic && self.available_from.is_some()
    }

    /// The same period at another time.
    pub(super) fn seen_at(self, now: SystemTime) -> Self {
        Self { now, ..self }
    }

    /// Its end, as far as it is known or has come; what comes so much later counts as here.
    fn end_of(&self, early: Duration) -> Option<PeriodEnd> {
        let told = self.length.or_else(|| self.presentation.map(|whole| whole.saturating_sub(self.start)));
        let come = self.elapsed().filter(|_| self.is_dynamic).map(|come| come.saturating_add(early));
        match (told, come) {
            (Some(told), Some(come)) if come < told => Some(PeriodEnd::Come(come)),
            (None, Some(come)) => Some(PeriodEnd::Come(come)),
            (told, _) => told.map(PeriodEnd::Told),
        }
    }

    fn elapsed(&self) -> Option<Duration> {
        let since = self.now.duration_since(self.available_from?).unwrap_or_default();
        // Of any length: many packagers number from 1970 on.
        Some(since.saturating_sub(self.start))
    }
}

impl Template {
    /// Reads the attributes over what is inherited.
    pub(super) fn read(&mut self, attribute: impl Fn(&str) -> Option<String>) {
        let number = |name: &str| attribute(name).and_then(|text| text.trim().parse::<u64>().ok());
        self.media = attribute("media").or(self.media.take());
        self.initialization = attribute("initialization").or(self.initialization.take());
        self.start_number = number("startNumber").or(self.start_number);
        self.end_number = number("endNumber").or(self.end_number);
        self.timescale = number("timescale").filter(|scale| *scale > 0).or(self.timescale);
        self.duration = number("duration").filter(|duration| *duration > 0).or(self.duration);
        self.offset = number("presentationTimeOffset").unwrap_or(self.offset);
        self.early = attribute("availabilityTimeOffset").and_then(|text| offset(text.trim())).unwrap_or(self.early);
    }

    pub(super) fn begin_timeline(&mut self) {
        self.timeline = Some(Arc::default());
    }

    /// Adds an element `S`: its `t`, `d` and `r`.
    pub(super) fn run(&mut self, run: (Option<String>, Option<String>, Option<String>), room: usize) {
        let Some(run) = Run::read(run) else { return };
        if let Some(timeline) = self.timeline.as_mut().filter(|timeline| timeline.len() < room) {
            Arc::make_mut(timeline).push(run);
        }
    }

    /// The same where no more than the last one is wanted.
    pub(super) fn last_run(&mut self, run: (Option<String>, Option<String>, Option<String>)) {
        let Some(run) = Run::read(run) else { return };
        if let Some(timeline) = self.timeline.as_mut() {
            *timeline = Arc::new(vec![run]);
        }
    }

    /// The name that some segment has, there or not: it tells where all of them are.
    pub(super) fn any_segment(&self, names: (&str, &str)) -> Option<String> {
        let time = self.timeline.as_ref().and_then(|runs| runs.last()).and_then(|run| run.start);
        fill_in(self.media.as_deref()?, names, Some((self.start_number.unwrap_or(1), time.unwrap_or(self.offset))))
    }

    pub(super) fn initialization(&self, names: (&str, &str)) -> Option<String> {
        fill_in(self.initialization.as_deref()?, names, None)
    }

    /// Names of the segments that are there, the last `room` of them, and how many were left out. Names are made one by
    /// one, as all together may be long.
    pub(super) fn segments<'a>(
        &'a self,
        names: (&'a str, &'a str),
        period: &Period,
        room: usize,
    ) -> (impl Iterator<Item = String> + use<'a>, usize) {
        let media = self.media.as_deref();
        let (places, beyond) = match (media, &self.timeline) {
            (None, _) => (Vec::new(), 0),
            (Some(_), Some(timeline)) => self.by_timeline(timeline, period, room),
            (Some(_), None) => self.by_number(period, room),
        };
        let name = move |place| fill_in(media?, names, Some(place));
        (places.into_iter().filter_map(name), beyond)
    }

    /// Whether segments follow from their numbers alone.
    pub(super) fn is_by_number(&self) -> bool {
        self.media.is_some() && self.timeline.is_none() && self.duration.is_some()
    }

    /// Bytes of its texts.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + self.media.as_ref().map_or(0, String::len)
            + self.initialization.as_ref().map_or(0, String::len)
    }

    /// How long before its end a segment can be asked for: never before it begins, whatever is said. An origin that is asked
    /// too early says 404, and players would get that.
    fn early(&self, duration: u64) -> Duration {
        self.early.min(self.seconds(duration))
    }

    /// How long a chunk is, where segments can be asked for before they end.
    pub(super) fn chunk(&self) -> Option<Duration> {
        let last = self.timeline.as_ref().and_then(|runs| runs.last()).map(|run| run.duration);
        let duration = self.seconds(last.or(self.duration)?);
        Some(duration.saturating_sub(self.early)).filter(|_| !self.early.is_zero())
    }

    fn seconds(&self, ticks: u64) -> Duration {
        let nanoseconds = u128::from(ticks).saturating_mul(1_000_000_000) / u128::from(self.scale());
        u64::try_from(nanoseconds).map_or(MAX_PRESENTATION, Duration::from_nanos)
    }

    fn scale(&self) -> u64 {
        self.timescale.unwrap_or(1)
    }

    fn ticks(&self, length: Duration) -> u64 {
        u64::try_from(length.as_nanos().saturating_mul(u128::from(self.scale())) / 1_000_000_000).unwrap_or(u64::MAX)
    }

    /// Number and time of each segment.
    fn by_timeline(&self, timeline: &[Run], period: &Period, room: usize) -> (Vec<(u64, u64)>, usize) {
        let mut places = Vec::new();
        let (mut number, mut time) = (self.start_number.unwrap_or(1), 0_u64);
        let ticks = |length| self.offset.saturating_add(self.ticks(length));
        for (index, run) in timeline.iter().enumerate() {
            time = run.start.unwrap_or(time);
            let next = timeline.get(index + 1).and_then(|next| next.start);
            let count = match (run.repeat, next, period.end_of(self.early(run.duration))) {
                (Some(repeat), ..) => repeat.saturating_add(1),
                (None, Some(until), _) => until.saturating_sub(time).div_ceil(run.duration),
                (None, None, Some(end)) => end.segments(ticks, time, run.duration),
                (None, None, None) => 1,
            };
            for step in 0..count {
                if places.len() >= room {
                    return (places, usize::try_from(count - step).unwrap_or(usize::MAX));
                }
                places.push((number, time));
                number = number.saturating_add(1);
                time = time.saturating_add(run.duration);
            }
        }
        (places, 0)
    }

    fn by_number(&self, period: &Period, room: usize) -> (Vec<(u64, u64)>, usize) {
        let Some(duration) = self.duration else { return (Vec::new(), 0) };
        let Some(end) = period.end_of(self.early(duration)) else { return (Vec::new(), 0) };
        let first = self.start_number.unwrap_or(1);
        let mut count = end.segments(|length| self.ticks(length), 0, duration);
        if let Some(end) = self.end_number {
            count = count.min(end.saturating_sub(first).saturating_add(1));
        }
        let window = period.depth.filter(|_| period.is_dynamic);
        let oldest = window.map_or(0, |depth| count.saturating_sub((self.ticks(depth) / duration).max(1)));
        let kept = (count - oldest).min(room as u64);
        let beyond = usize::try_from(count - oldest - kept).unwrap_or(usize::MAX);
        // Where there are too many, a live presentation keeps its end and another one its beginning.
        let from = if period.is_dynamic { count - kept } else { oldest };
        let place = |step: u64| (first.saturating_add(step), self.offset.saturating_add(step.saturating_mul(duration)));
        ((from..from + kept).map(place).collect(), beyond)
    }
}

/// Fills in a template (section 5.3.9.4.4); nothing where it asks for what is not known here.
fn fill_in(template: &str, (id, bandwidth): (&str, &str), place: Option<(u64, u64)>) -> Option<String> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('$') {
        name.push_str(before);
        let (identifier, behind) = behind.split_once('$')?;
        let (identifier, format) = identifier.split_once('%').map_or((identifier, None), |(it, f)| (it, Some(f)));
        match (identifier, place) {
            ("", _) => name.push('$'),
            ("RepresentationID", _) => name.push_str(id),
            ("Bandwidth", _) => name.push_str(&padded(bandwidth.parse().ok()?, format)?),
            ("Number", Some((number, _))) => name.push_str(&padded(number, format)?),
            ("Time", Some((_, time))) => name.push_str(&padded(time, format)?),
            _ => return None,
        }
        if name.len() > MAX_NAME {
            return None;
        }
        rest = behind;
    }
    name.push_str(rest);
    (name.len() <= MAX_NAME).then_some(name)
}

/// `%05d`, and no other conversion.
fn padded(number: u64, format: Option<&str>) -> Option<String> {
    let Some(format) = format else { return Some(number.to_string()) };
    let width = format.strip_prefix('0')?.strip_suffix('d')?;
    let width: usize = if width.is_empty() { 0 } else { width.parse().ok()? };
    (width <= MAX_WIDTH).then(|| format!("{number:0width$}"))
}

/// Seconds. `INF` says that segments are there however early one asks, which nothing here gains by.
fn offset(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse::<f64>().ok()?.max(0.0)).ok()
}

/// `xs:dateTime` with a zone, which DASH asks for; without one it is UTC.
fn date_time(text: &str) -> Option<SystemTime> {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    parse(text).or_else(|| parse(&format!("{text}Z"))).map(SystemTime::from)
}

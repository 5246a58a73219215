//! What is fetched ahead of whom.

use std::time::SystemTime;

use parking_lot::Mutex;

use super::*;
use crate::media::{PlaylistKind, list};

struct Seen {
    site: SiteName,
    place: Location,
    playlist: Option<(u64, String)>,
    kind: PlaylistKind,
    next: Option<NextTarget>,
    rules: PrefetchRules,
    at: Instant,
    answer: Ahead,
    fetched: Mutex<Vec<String>>,
}

impl Sighting for Seen {
    fn at(&self) -> Instant {
        self.at
    }
    fn site(&self) -> &SiteName {
        &self.site
    }
    fn rules(&self) -> PrefetchRules {
        self.rules
    }
    fn scope(&self) -> &str {
        "https://a.test"
    }
    fn place(&self) -> &Location {
        &self.place
    }
    fn listing(&self, known: Option<u64>) -> Option<Playlist> {
        let (version, body) = self.playlist.as_ref().filter(|(version, _)| Some(*version) != known)?;
        let listing = list(self.kind, body.as_bytes(), &self.place, SystemTime::UNIX_EPOCH).ok();
        Some(Playlist { version: *version, listing })
    }
    fn next_object(&self) -> Option<NextTarget> {
        self.next.clone()
    }
    fn key(&self, next: Option<&NextTarget>) -> Option<Box<str>> {
        Some(next.map_or_else(|| self.place.path().into(), |next| next.target.clone()))
    }
    fn fetch(&self, next: &NextTarget) -> Ahead {
        self.fetched.lock().push(next.target.to_string());
        self.answer
    }
}

fn seen(target: &str) -> Seen {
    let mut rules = PrefetchRules::default();
    rules.ahead = 2;
    Seen {
        site: SiteName::parse("site").unwrap(),
        place: Location::new("a.test", target).unwrap(),
        playlist: None,
        kind: PlaylistKind::Hls,
        next: None,
        rules,
        at: Instant::now(),
        answer: Ahead::Started,
        fetched: Mutex::default(),
    }
}

fn playlist(version: u64, first: u64, count: u64, end: &str) -> Seen {
    let segments: String = (first..first + count).map(|n| format!("#EXTINF:4,\ns{n}.ts\n")).collect();
    let body = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}{end}");
    Seen { playlist: Some((version, body)), ..seen("/v/index.m3u8") }
}

fn task() -> Task {
    Task::new(Metrics::new("test"))
}

fn check(task: &mut Task, sighting: &Seen, expected: &[&str]) {
    task.look_at(sighting, Instant::now());
    assert_eq!(std::mem::take(&mut *sighting.fetched.lock()), expected, "{:?}", sighting.place);
}

fn figures(task: &Task, outcome: &str) -> bool {
    task.metrics.render().lines().any(|line| line.starts_with("tidegate_prefetches_total") && line.ends_with(outcome))
}

#[test]
fn segments_after_the_one_that_was_served_are_fetched() {
    let mut task = task();
    check(&mut task, &playlist(1, 0, 9, "#EXT-X-ENDLIST\n"), &["/v/s0.ts", "/v/s1.ts"]);
    check(&mut task, &playlist(1, 0, 9, "#EXT-X-ENDLIST\n"), &[]);
    check(&mut task, &seen("/v/s3.ts?session=1"), &["/v/s4.ts", "/v/s5.ts"]);
    check(&mut task, &seen("/v/s7.ts"), &["/v/s8.ts"]);
    check(&mut task, &seen("/v/s8.ts"), &[]);
    check(&mut task, &seen("/v/elsewhere.ts"), &[]);
}

#[test]
fn new_segments_of_a_live_playlist_are_fetched_once() {
    let mut task = task();
    check(&mut task, &playlist(1, 0, 5, ""), &["/v/s4.ts", "/v/s3.ts"]);
    check(&mut task, &playlist(2, 1, 5, ""), &["/v/s5.ts"]);
    check(&mut task, &playlist(2, 1, 5, ""), &[]);
    check(&mut task, &seen("/v/s4.ts"), &["/v/s5.ts"]);
}

#[test]
fn what_the_player_says_goes_first_if_it_is_heard() {
    let mut task = task();
    let next = NextTarget { target: "/w/s9.ts".into(), range: Some("bytes=0-9".into()) };
    let mut sighting = Seen { next: Some(next), ..seen("/v/s3.ts") };
    check(&mut task, &sighting, &["/w/s9.ts"]);
    sighting.rules.cmcd = false;
    check(&mut task, &sighting, &[]);
}

#[test]
fn rate_and_a_busy_node_end_the_looking_ahead() {
    let mut task = task();
    let mut busy = playlist(1, 0, 9, "#EXT-X-ENDLIST\n");
    busy.answer = Ahead::Busy;
    check(&mut task, &busy, &["/v/s0.ts"]);
    let mut slow = seen("/v/s2.ts");
    slow.rules.rate = 1;
    check(&mut task, &slow, &["/v/s3.ts"]);
    assert!(figures(&task, "{outcome=\"limited\"} 2"), "{}", task.metrics.render());
}

#[test]
fn what_comes_too_late_is_not_followed() {
    let mut task = task();
    check(&mut task, &playlist(1, 0, 9, "#EXT-X-ENDLIST\n"), &["/v/s0.ts", "/v/s1.ts"]);
    let mut late = seen("/v/s2.ts");
    late.at -= MAX_DELAY + Duration::from_secs(1);
    check(&mut task, &late, &[]);
}

#[test]
fn used_and_wasted_fetches_are_counted() {
    let mut task = task();
    check(&mut task, &playlist(1, 0, 9, "#EXT-X-ENDLIST\n"), &["/v/s0.ts", "/v/s1.ts"]);
    let mut player = seen("/v/s0.ts?x=1");
    player.answer = Ahead::There;
    check(&mut task, &player, &["/v/s1.ts", "/v/s2.ts"]);
    task.sweep(Instant::now() + Duration::from_secs(3600));
    for expected in ["{outcome=\"started\"} 2", "{outcome=\"used\"} 1", "{outcome=\"wasted\"} 1"] {
        assert!(figures(&task, expected), "{expected} in {}", task.metrics.render());
    }
}

/// A manifest with two representations, by each way to name their segments.
fn manifest(version: u64, kind: &str, template: &str) -> Seen {
    let body = format!(
        "<MPD type='{kind}' mediaPresentationDuration='PT40S'><BaseURL>/cdn/</BaseURL><BaseURL>//b.test/</BaseURL><Period>
<AdaptationSet>{template}<Representation id='lo'/><Representation id='hi'/></AdaptationSet></Period></MPD>"
    );
    Seen { playlist: Some((version, body)), kind: PlaylistKind::Dash, ..seen("/v/x.mpd") }
}

#[test]
fn segments_of_manifests_follow_those_that_were_served() {
    for template in [
        "<SegmentTemplate duration='4' startNumber='0' initialization='$RepresentationID$/i' media='$RepresentationID$/$Number%03d$'/>",
        "<SegmentTemplate startNumber='0' initialization='$RepresentationID$/i' media='$RepresentationID$/$Number%03d$'>\
         <SegmentTimeline><S d='4' r='9'/></SegmentTimeline></SegmentTemplate>",
        "<SegmentTemplate initialization='$RepresentationID$/i' media='$RepresentationID$/$Time%03d$'>\
         <SegmentTimeline><S t='0' d='1' r='9'/></SegmentTimeline></SegmentTemplate>",
    ] {
        let mut task = task();
        check(&mut task, &manifest(1, "static", template), &[]);
        check(&mut task, &seen("/cdn/lo/i?token=1"), &["/cdn/lo/000", "/cdn/lo/001"]);
        check(&mut task, &seen("/cdn/lo/007"), &["/cdn/lo/008", "/cdn/lo/009"]);
        check(&mut task, &seen("/cdn/hi/008"), &["/cdn/hi/009"]);
        check(&mut task, &seen("/cdn/hi/009"), &[]);
    }
    let mut task = task();
    let list =
        "<SegmentList><Initialization sourceURL='i'/><SegmentURL media='a'/><SegmentURL media='b'/></SegmentList>";
    check(&mut task, &manifest(1, "static", list), &[]);
    check(&mut task, &seen("/cdn/a"), &["/cdn/b"]);
}

#[test]
fn new_segments_of_a_manifest_are_fetched_where_somebody_plays() {
    let timeline = |count: u64| {
        format!(
            "<SegmentTemplate media='$RepresentationID$/$Time$'><SegmentTimeline><S t='0' d='4' r='{}'/>\
             </SegmentTimeline></SegmentTemplate>",
            count - 1
        )
    };
    let mut task = task();
    check(&mut task, &manifest(1, "dynamic", &timeline(3)), &[]);
    check(&mut task, &seen("/cdn/hi/8"), &[]);
    check(&mut task, &manifest(2, "dynamic", &timeline(4)), &["/cdn/hi/12"]);
    check(&mut task, &manifest(2, "dynamic", &timeline(4)), &[]);
    check(&mut task, &seen("/cdn/hi/12"), &[]);
    check(&mut task, &manifest(3, "dynamic", &timeline(9)), &["/cdn/hi/16", "/cdn/hi/20"]);
}

#[test]
fn manifest_leads_to_what_is_played_for_certain() {
    let manifest = |version: u64, kind: &str| {
        let set = |sort: &str, ids: &[&str]| {
            let all: String = ids.iter().map(|id| format!("<Representation id='{id}'/>")).collect();
            format!("<AdaptationSet contentType='{sort}'>{all}</AdaptationSet>")
        };
        let body = format!(
            "<MPD {kind}><Period><SegmentTemplate duration='2' initialization='$RepresentationID$/i.mp4' \
            media='$RepresentationID$/$Number$.m4s'/>{}{}</Period></MPD>",
            set("video", &["v1", "v2"]),
            set("audio", &["a"])
        );
        Seen { playlist: Some((version, body)), kind: PlaylistKind::Dash, ..seen("/v/x.mpd") }
    };
    let on_demand = "type='static' mediaPresentationDuration='PT20S'";
    let mut first = task();
    check(&mut first, &manifest(1, on_demand), &["/v/a/i.mp4", "/v/a/1.m4s", "/v/a/2.m4s"]);
    check(&mut first, &manifest(2, on_demand), &[]);
    check(&mut first, &seen("/v/v1/1.m4s"), &["/v/v1/2.m4s", "/v/v1/3.m4s"]);
    let live = "type='dynamic' availabilityStartTime='1969-12-31T23:59:00Z'";
    check(&mut task(), &manifest(1, live), &["/v/a/i.mp4"]);
}

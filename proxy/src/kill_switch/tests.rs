use std::sync::Arc;
use std::time::Duration;

use tidegate_config::load_texts;
use tidegate_config::model::Model;

use super::*;
use crate::telemetry::Metrics;

const REST: &str = "{kind: node, name: a, pop: p}\n---\n{kind: region, name: eu}\n---\n\
    {kind: pop, name: p, region: eu}\n---\n{kind: origin_pool, name: o, origins: [{name: a, url: 'http://127.0.0.1', \
    region: eu}]}\n---\nkind: site\nname: s\nhosts: [a.example]\n\
    routes: [{name: r, path: /r, origin_pool: o}, {name: q, origin_pool: o}]\n";

fn model(more: &str) -> Arc<Model> {
    let model = load_texts(&[("edge.yaml".into(), format!("{REST}{more}"))]);
    Arc::new(model.unwrap_or_else(|problems| panic!("{problems}")))
}

fn at(seconds: u64) -> SystemTime {
    // 2030-01-01T00:00:00Z, so that times of documents can be read.
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000 + seconds)
}

struct Bench {
    metrics: Arc<Metrics>,
    switches: KillSwitches,
}

impl Bench {
    fn new(more: &str) -> Self {
        let metrics = Metrics::new("test");
        let switches = KillSwitches::new(metrics.kill_switches().clone());
        switches.put_in_force(&model(more), at(0));
        Self { metrics, switches }
    }

    fn order(&self, text: &str, now: SystemTime) -> Result<Arc<ActiveSwitch>, String> {
        let (site, switch) = Order::parse(text.as_bytes())?.check(&self.switches, now)?;
        self.switches.switch_on(site, switch, now).map_err(|error| error.to_string())
    }

    fn verdict(&self, route: &str, now: SystemTime) -> Verdict {
        let (site, route) = (SiteName::parse("s").unwrap(), RouteName::parse(route).unwrap());
        let verdict = self.switches.verdict(&site, &route, now);
        let pinned = self.switches.pinned(&site, &route, now).is_some();
        let touched = verdict != Verdict::default() || pinned;
        assert_eq!(self.switches.touches(&site, &route, now), touched, "the ways of asking agree");
        verdict
    }

    #[track_caller]
    fn refuses(&self, order: &str, expected: &str) {
        let error = self.order(order, at(0)).expect_err(order);
        assert!(error.contains(expected), "{order}: {error}");
    }
}

const BLOCK: Verdict = Verdict { refusal: Some(Refusal::Block(StatusCode::FORBIDDEN)), bypass_cache: false };

#[test]
fn without_switches_nothing_is_asked() {
    let bench = Bench::new("");
    assert_eq!(bench.verdict("r", at(0)), Verdict::default());
}

#[test]
fn an_order_is_in_force_at_once_and_ends_by_itself() {
    let bench = Bench::new("");
    let order = r#"{"site": "s", "action": {"block": {}}, "routes": ["r"], "for": "10s", "reason": "flood"}"#;
    let switch = bench.order(order, at(0)).unwrap();
    assert_eq!(switch.to_json(at(3))["remaining_seconds"], 7);
    assert_eq!(switch.to_json(at(3))["until"], "2030-01-01T00:00:10Z");
    assert_eq!(bench.verdict("r", at(9)), BLOCK);
    assert_eq!(bench.verdict("q", at(9)), Verdict::default(), "another route");
    assert_eq!(bench.verdict("r", at(10)), Verdict::default(), "before it is swept");
    let gauge = "tidegate_kill_switches_active{action=\"block\",site=\"s\"} 1";
    assert!(bench.metrics.render().contains(gauge));
    bench.switches.sweep(at(9));
    assert_eq!(bench.switches.list().len(), 1);
    bench.switches.sweep(at(10));
    assert_eq!(bench.switches.list().len(), 0);
    assert!(!bench.metrics.render().contains(gauge));
}

/// What is shown, what remains and what is in force say the same at every moment.
#[test]
fn a_switch_ends_with_the_whole_second_that_it_shows() {
    let bench = Bench::new("");
    let millis = |millis: u64| at(0) + Duration::from_millis(millis);
    let order = r#"{"site": "s", "action": "block", "for": "10s", "reason": "flood"}"#;
    let switch = bench.order(order, millis(790)).unwrap();
    for (now, remaining) in [(millis(790), 11), (at(1), 10), (millis(10_001), 1), (millis(10_999), 1)] {
        let shown = switch.to_json(now);
        assert_eq!((&shown["until"], &shown["remaining_seconds"]), (&"2030-01-01T00:00:11Z".into(), &remaining.into()));
        assert_eq!(bench.verdict("r", now), BLOCK, "{now:?}");
    }
    assert_eq!(
        (&switch.to_json(at(11))["remaining_seconds"], bench.verdict("r", at(11))),
        (&0.into(), Verdict::default())
    );
    let until = r#"{"site": "s", "action": "block", "until": "2030-01-01T00:00:10.5Z", "reason": "flood"}"#;
    assert_eq!(bench.order(until, at(0)).unwrap().to_json(at(0))["until"], "2030-01-01T00:00:11Z");
    let documented = "kill_switches: [{action: block, until: \"2030-01-01T00:00:12.25Z\", reason: flood}]";
    bench.switches.put_in_force(&model(documented), at(0));
    assert_eq!(bench.switches.list().last().unwrap().to_json(at(0))["until"], "2030-01-01T00:00:13Z");
}

#[test]
fn blocks_go_before_maintenance_and_the_cache_is_apart() {
    let bench = Bench::new("");
    for action in [r#""maintenance""#, r#""bypass_cache""#] {
        let order = format!(r#"{{"site": "s", "action": {action}, "for": "1m", "reason": "a"}}"#);
        bench.order(&order, at(0)).unwrap();
    }
    let refusal = Some(Refusal::Maintenance(at(60)));
    assert_eq!(bench.verdict("r", at(1)), Verdict { refusal, bypass_cache: true });
    let order = r#"{"site": "s", "action": {"block": {"status": 451}}, "for": "1m", "reason": "a"}"#;
    let block = bench.order(order, at(1)).unwrap();
    let refusal = Some(Refusal::Block(StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS));
    assert_eq!(bench.verdict("r", at(2)).refusal, refusal);
    let later = r#"{"site": "s", "action": "maintenance", "for": "1h", "reason": "a"}"#;
    let later = bench.order(later, at(1)).unwrap();
    assert_eq!(bench.verdict("r", at(2)).refusal, refusal, "whichever was first");
    bench.switches.switch_off(&later.id).unwrap();
    bench.switches.switch_off(&block.id).unwrap();
    assert_eq!(bench.verdict("r", at(2)).refusal, Some(Refusal::Maintenance(at(60))));
    assert_eq!(bench.switches.switch_off(&block.id), Err(NotSwitchedOff::Unknown));
}

#[test]
fn a_pin_names_an_origin() {
    let bench = Bench::new("");
    let order = r#"{"site": "s", "action": {"pin_origin": {"origin_pool": "o", "origin": "a"}}, "for": "1m",
        "reason": "a"}"#;
    bench.order(order, at(0)).unwrap();
    assert_eq!(bench.verdict("r", at(1)), Verdict::default());
    let pin = bench.switches.pinned(&SiteName::parse("s").unwrap(), &RouteName::parse("r").unwrap(), at(1));
    let (pool, origin) = (PoolName::parse("o").unwrap(), OriginName::parse("a").unwrap());
    assert_eq!(pin, Some(Pin { pool, origin }));
}

#[test]
fn switches_of_documents_follow_the_configuration_and_those_of_operators_outlive_it() {
    let documented = "kill_switches: [{action: maintenance, until: '2030-01-01T00:01:00Z', reason: a}, \
        {action: bypass_cache, until: '2029-01-01T00:00:00Z', reason: over}]\n";
    let bench = Bench::new(documented);
    let ids = |bench: &Bench| bench.switches.list().iter().map(|switch| switch.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&bench), ["s[0]"], "what is over is not on");
    assert_eq!(bench.switches.switch_off("s[0]"), Err(NotSwitchedOff::OfDocument));
    bench.order(r#"{"site": "s", "action": {"block": {}}, "for": "1m", "reason": "a"}"#, at(0)).unwrap();
    assert_eq!(ids(&bench), ["1", "s[0]"]);
    bench.switches.put_in_force(&model(""), at(1));
    assert_eq!(ids(&bench), ["1"]);
    assert_eq!(bench.verdict("q", at(2)), BLOCK);
    bench.switches.put_in_force(&model(documented), at(3));
    assert_eq!(ids(&bench), ["1", "s[0]"]);
}

#[test]
fn wrong_orders_are_told_what_was_expected() {
    let bench = Bench::new("");
    let order = |fields: &str| format!(r#"{{"site": "s", "action": "maintenance", "reason": "a", {fields}}}"#);
    bench.refuses("", "expected a JSON object");
    bench.refuses("[]", "expected a JSON object");
    bench.refuses(r#"{"site": "s"}"#, "missing field `action`");
    bench.refuses(&order(r#""for": "1h", "why": "a""#), "unknown field `why`");
    bench.refuses(&order(r#""for": "1 hour""#), "a duration such as 250ms");
    bench.refuses(&order(r#""for": "8d""#), "for: found \"8d\", expected 1s to 7d");
    bench.refuses(&order(r#""for": "0s""#), "expected 1s to 7d");
    bench.refuses(&order(r#""for": "1h", "until": "2030-01-01T00:00:00Z""#), "expected one of them");
    bench.refuses(r#"{"site": "s", "action": "maintenance", "reason": "a"}"#, "expected one of them");
    bench.refuses(&order(r#""until": "tomorrow""#), "RFC 3339");
    bench.refuses(&order(r#""until": "2029-01-01T00:00:00Z""#), "after now, which is 2030-01-01T00:00:00Z");
    bench.refuses(&order(r#""until": "2031-01-01T00:00:00Z""#), "within 7 days");
    bench.refuses(
        &order(r#""for": "1h", "routes": ["r", "x"]"#),
        "routes: found \"x\", expected routes of site s: r, q",
    );
    let with = |action: &str| format!(r#"{{"site": "s", "action": {action}, "reason": "a", "for": "1h"}}"#);
    bench.refuses(&with(r#""explode""#), "unknown variant `explode`, expected one of `bypass_cache`");
    bench.refuses(&with(r#"{"block": {"status": 200}}"#), "expected 400 to 599");
    bench.refuses(&with(r#"{"pin_origin": {"origin_pool": "x", "origin": "a"}}"#), "an origin pool: o");
    bench.refuses(&with(r#"{"pin_origin": {"origin_pool": "o", "origin": "x"}}"#), "an origin of pool o: a");
    bench.refuses(r#"{"site": "t", "action": "maintenance", "reason": "a", "for": "1h"}"#, "expected a site: s");
    bench.refuses(&with(r#""pin_origin""#), "{\"pin_origin\": {\"origin_pool\": NAME, \"origin\": NAME}}");
    let because =
        |reason: &str| format!(r#"{{"site": "s", "action": "maintenance", "reason": "{reason}", "for": "1h"}}"#);
    bench.refuses(&because(""), "reason: found an empty text, expected 1 to 200 printable characters");
    bench.refuses(&because(r"a\nb"), "reason: found a control character (\\u{a}), expected 1 to 200 printable");
    bench.refuses(&because(&"a".repeat(201)), "reason: found 201 characters, expected 1 to 200");
    assert_eq!(bench.switches.list().len(), 0);
}

#[test]
fn there_are_only_so_many() {
    let bench = Bench::new("");
    let order = r#"{"site": "s", "action": "maintenance", "for": "1m", "reason": "a"}"#;
    for _ in 0..64 {
        bench.order(order, at(0)).unwrap();
    }
    assert!(bench.order(order, at(0)).expect_err("one more").contains("64 kill switches"));
    bench.switches.switch_off("7").unwrap();
    bench.order(order, at(0)).unwrap();
}

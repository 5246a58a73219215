//! The table of purges against a list of them.

use proptest::prelude::*;

use super::*;
use crate::cache::key::{CacheKey, Scheme};

const HOSTS: [&str; 3] = ["a.test", "a.test.b", "b.test"];
const PATHS: [&str; 6] = ["/", "/a", "/a/", "/a/b", "/ab", "/\u{e9}/1.ts"];
const QUERIES: [Option<&str>; 3] = [None, Some(""), Some("v=1")];
const TAGS: [&str; 4] = ["red", "Red", "green", "a.test"];

#[derive(Debug, Clone)]
struct Thing {
    host: usize,
    path: usize,
    query: usize,
    https: bool,
    /// The tags of [`TAGS`] that it has, by bit; or all.
    tags: Option<u8>,
}

impl Thing {
    fn url(&self) -> String {
        let path = format!("{}{}", HOSTS[self.host], PATHS[self.path]);
        QUERIES[self.query].map_or(path.clone(), |query| format!("{path}?{query}"))
    }

    fn names(&self) -> Vec<&'static str> {
        let tags = self.tags.unwrap_or_default();
        (0..TAGS.len()).filter(|bit| tags & (1 << bit) != 0).map(|bit| TAGS[bit]).collect()
    }

    fn fetched(&self, generations: &Generations) -> Provenance {
        let scheme = if self.https { Scheme::Https } else { Scheme::Http };
        let query = QUERIES[self.query].map(str::as_bytes);
        let key = CacheKey::new(scheme, HOSTS[self.host], PATHS[self.path], query);
        let tags = if self.tags.is_some() { generations.tags(self.names()) } else { Tags::All };
        Provenance::new(key, generations.latest(), tags)
    }

    fn is_concerned(&self, scope: &Scope) -> bool {
        let path = format!("{}{}", HOSTS[self.host], PATHS[self.path]);
        match scope {
            Scope::Everything => true,
            Scope::Host(host) => HOSTS[self.host] == host,
            Scope::Prefix(prefix) => path.starts_with(prefix),
            Scope::Path(purged) => path == *purged,
            Scope::Changed { what, .. } => self.is_concerned(what),
            Scope::Url(url) => self.url() == *url,
            Scope::Shared(_) => false,
            Scope::Tag(tag) => self.tags.is_none() || self.names().contains(&tag.as_str()),
        }
    }
}

fn things() -> impl Strategy<Value = Thing> {
    let tags = prop_oneof![9 => any::<u8>().prop_map(Some), 1 => Just(None)];
    (0..HOSTS.len(), 0..PATHS.len(), 0..QUERIES.len(), any::<bool>(), tags)
        .prop_map(|(host, path, query, https, tags)| Thing { host, path, query, https, tags })
}

fn scopes() -> impl Strategy<Value = Scope> {
    let path = |thing: &Thing| format!("{}{}", HOSTS[thing.host], PATHS[thing.path]);
    prop_oneof![
        1 => Just(Scope::Everything),
        2 => (0..HOSTS.len()).prop_map(|host| Scope::Host(HOSTS[host].to_owned())),
        6 => (things(), 0..8_usize).prop_map(move |(thing, cut)| {
            let path = path(&thing);
            let end = HOSTS[thing.host].len() + 1 + cut;
            Scope::Prefix(path.get(..end).unwrap_or(&path).to_owned())
        }),
        4 => things().prop_map(move |thing| Scope::Path(path(&thing))),
        4 => (things(), any::<bool>(), 0..4_usize).prop_map(move |(thing, any_query, site)| {
            let what = Box::new(if any_query { Scope::Path(path(&thing)) } else { Scope::Url(thing.url()) });
            let host = HOSTS[thing.host];
            let site = [host, host.split_once('.').unwrap().1, "", "test"][site];
            // Of a site that the host is not of nothing is ever said.
            let site = if host.ends_with(site) { site } else { host };
            Scope::Changed { what, site: site.to_owned() }
        }),
        6 => things().prop_map(|thing| Scope::Url(thing.url())),
        6 => (0..TAGS.len()).prop_map(|tag| Scope::Tag(TAGS[tag].to_owned())),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Fetch(Thing),
    Purge(Scope, Mode),
    Judge,
    /// The node starts again.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mode = prop_oneof![Just(Mode::Hard), Just(Mode::Soft)];
    let step = prop_oneof![
        6 => things().prop_map(Step::Fetch),
        6 => (scopes(), mode).prop_map(|(scope, mode)| {
            // What has changed is never served again.
            let mode = if scope.kind() == ScopeKind::Changed { Mode::Hard } else { mode };
            Step::Purge(scope, mode)
        }),
        2 => Just(Step::Judge),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..80)
}

/// What a list of all purges says of something that was fetched when there were so many.
fn by_list(thing: &Thing, purges: &[(Scope, Mode)]) -> Option<Mode> {
    let concerning = || purges.iter().filter(|(scope, _)| thing.is_concerned(scope));
    concerning().map(|(_, mode)| *mode).find(|mode| *mode == Mode::Hard).or(concerning().map(|(_, mode)| *mode).next())
}

fn mode_of(verdict: Verdict) -> Option<Mode> {
    match verdict {
        Verdict::Current => None,
        Verdict::Stale(_) => Some(Mode::Soft),
        Verdict::Gone(_) => Some(Mode::Hard),
    }
}

fn is_as_bad(verdict: Option<Mode>, expected: Option<Mode>) -> bool {
    verdict == expected || verdict == Some(Mode::Hard) || expected.is_none()
}

/// Runs steps against a table that tells so many names apart; `exact`: it says just what the list does.
fn check(steps: Vec<Step>, bound: usize, exact: bool) -> Result<(), TestCaseError> {
    let secret = Secret::random();
    let mut generations = Generations::telling_apart(secret, Generation(5), bound, bound);
    let mut purges: Vec<(Scope, Mode)> = Vec::new();
    let mut fetched: Vec<(Thing, Provenance, usize)> = Vec::new();
    for step in steps {
        match step {
            Step::Fetch(thing) => {
                let provenance = thing.fetched(&generations);
                fetched.push((thing, provenance, purges.len()));
            }
            Step::Purge(scope, mode) => {
                let before = generations.latest();
                let record = generations.purge(std::slice::from_ref(&scope), mode, 7)[0];
                prop_assert!(record.generation() > before && generations.latest() == record.generation());
                purges.push((scope, mode));
            }
            Step::Restart => {
                let mut records = generations.records();
                // In any order, and some twice.
                records.reverse();
                records.extend_from_within(..records.len() / 2);
                let again = Generations::telling_apart(secret, Generation::default(), bound, bound);
                again.restore(records);
                prop_assert_eq!(again.latest(), generations.latest());
                generations = again;
                for (_, provenance, _) in &mut fetched {
                    let mut bytes = Vec::new();
                    provenance.encode(secret.lineage(), &mut bytes);
                    *provenance =
                        Provenance::decode(&mut &bytes[..], provenance.key.clone(), secret.lineage()).unwrap();
                }
            }
            Step::Judge => {
                for (thing, provenance, born) in &fetched {
                    let verdict = mode_of(generations.judge(provenance));
                    let expected = by_list(thing, &purges[*born..]);
                    prop_assert!(is_as_bad(verdict, expected), "{thing:?}: {verdict:?}, not {expected:?}");
                    prop_assert!(!exact || verdict == expected, "{thing:?}: {verdict:?}, not {expected:?}");
                }
            }
        }
        prop_assert!(generations.names() <= 2 * bound);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn table_says_what_a_list_of_all_purges_says(mut steps in steps()) {
        steps.push(Step::Judge);
        check(steps, 1000, true)?;
    }

    #[test]
    fn full_table_purges_more_and_never_less(mut steps in steps(), bound in 1..6_usize) {
        steps.push(Step::Judge);
        check(steps, bound, false)?;
    }
}

#[test]
fn soft_purge_is_over_once_it_was_applied_and_a_later_one_is_not() {
    let generations = Generations::new(Secret::random(), Generation::default());
    let thing = Thing { host: 0, path: 1, query: 0, https: true, tags: Some(1) };
    let object = thing.fetched(&generations);
    generations.purge(&[Scope::Tag("red".to_owned())], Mode::Soft, 10);
    let Verdict::Stale(purged) = generations.judge(&object) else { panic!("not stale") };
    assert_eq!((purged.by, purged.at), (ScopeKind::Tag, 10));
    let softened = object.clone();
    generations.note_softened(&softened, purged);
    assert_eq!(generations.judge(&softened), Verdict::Current);
    assert!(matches!(generations.judge(&object), Verdict::Stale(_)), "the copy alone was softened");
    generations.purge(&[Scope::Host("a.test".to_owned())], Mode::Soft, 20);
    assert!(matches!(generations.judge(&softened), Verdict::Stale(later) if later.at == 20));
    generations.purge(&[Scope::Url("a.test/a".to_owned())], Mode::Hard, 20);
    assert!(matches!(generations.judge(&softened), Verdict::Gone(gone) if gone.by == ScopeKind::Url));
}

#[test]
fn what_many_queries_share_goes_with_the_purge_of_any_of_them() {
    let generations = Generations::new(Secret::random(), Generation::default());
    let key = |path: &str, query: &'static str| CacheKey::new(Scheme::Https, "a.test", path, Some(query.as_bytes()));
    let born = generations.latest();
    let object = |key: CacheKey| Provenance::new(key, born, Tags::default());
    let shared = object(key("/a", "v=1").modulo_search("params", ""));
    let (other, own) = (object(key("/b", "v=1").modulo_search("params", "")), object(key("/a", "v=2")));
    generations.purge(&Scope::resource(&key("/a", "v=1"), false), Mode::Hard, 0);
    let is_gone = |object: &Provenance| matches!(generations.judge(object), Verdict::Gone(_));
    assert_eq!([&shared, &other, &own].map(is_gone), [true, false, false]);
    generations.purge(&Scope::resource(&key("/b", ""), true), Mode::Hard, 0);
    assert!(is_gone(&other));
}

#[test]
fn purges_of_one_url_make_hardly_another_object_look_at_the_table() {
    let generations = Generations::new(Secret::random(), Generation::default());
    let objects: Vec<_> = (0..1000)
        .map(|number| CacheKey::new(Scheme::Https, "a.test", &format!("/{number}"), None))
        .map(|key| Provenance::new(key, generations.latest(), Tags::default()))
        .collect();
    generations.purge(&[Scope::Url("a.test/7".to_owned())], Mode::Hard, 0);
    let latest = |object: &&Provenance| generations.judge(object) == Verdict::Current && object.checked() > object.born;
    let looked = objects.iter().filter(latest).count();
    assert!(looked < 50, "{looked} of 1000");
    assert!(matches!(generations.judge(&objects[7]), Verdict::Gone(_)));
}

#[test]
fn many_purges_take_bounded_memory_and_many_lengths_of_prefixes_are_all_found() {
    let generations = Generations::telling_apart(Secret::random(), Generation::default(), 4096, 64);
    let long = format!("a.test/{}", "x".repeat(4000));
    let key = CacheKey::new(Scheme::Https, "a.test", &long["a.test".len()..], None);
    for end in (8..long.len()).rev() {
        let object = Provenance::new(key.clone(), generations.latest(), Tags::default());
        generations.purge(&[Scope::Prefix(long[..end].to_owned())], Mode::Hard, 0);
        assert!(matches!(generations.judge(&object), Verdict::Gone(gone) if gone.by == ScopeKind::Prefix));
    }
    for number in 0..100_000 {
        generations.purge(&[Scope::Url(format!("b.test/{number}"))], Mode::Hard, 0);
        let what = Box::new(Scope::Path("b.test/changed".to_owned()));
        generations.purge(&[Scope::Changed { what, site: "b.test".to_owned() }], Mode::Hard, 0);
    }
    assert!(generations.names() <= 4096 + 64);
}

#[test]
fn flood_of_unsafe_methods_at_one_site_leaves_what_other_sites_have_stored() {
    let secret = Secret::random();
    let generations = Generations::new(secret, Generation::default());
    let object = |host: &str, number: usize| {
        let key = CacheKey::new(Scheme::Https, host, &format!("/{number}"), None);
        Provenance::new(key, generations.latest(), Tags::default())
    };
    // Of three sites, of which one takes whatever is below a domain.
    let hosts = ["a.test", "b.test", "x.y.wide.test"];
    let stored: Vec<Vec<_>> = hosts.map(|host| (0..500).map(|number| object(host, number)).collect()).into();
    let change = |number: usize| {
        let url = format!("n{number}.wide.test/api/{number}");
        let changed = |what| Scope::Changed { what: Box::new(what), site: "wide.test".to_owned() };
        generations.purge(&[changed(Scope::Url(url.clone())), changed(Scope::Shared(url))], Mode::Hard, 0);
    };
    (0..1_000_000).for_each(change);
    assert!(generations.names() <= 1 << 17);
    // Of what was never asked for since: whoever was asked for remembers that it was outlived.
    let again = Generations::new(secret, Generation::default());
    again.restore(generations.records());
    for table in [&generations, &again] {
        let gone = |of: usize| {
            let verdicts = stored[of].iter().map(|object| table.judge(&object.unchecked()));
            verdicts.filter(|verdict| *verdict != Verdict::Current).collect::<Vec<_>>()
        };
        assert_eq!((gone(0), gone(1)), (vec![], vec![]));
        assert!(gone(2).len() > 400, "the site itself pays: {}", gone(2).len());
        assert!(gone(2).iter().all(|verdict| matches!(verdict, Verdict::Gone(by) if by.because == Because::Folded)));
    }
}

#[test]
fn change_of_a_url_is_one_of_its_query_and_of_what_many_queries_share() {
    let generations = Generations::new(Secret::random(), Generation::default());
    let key = |path: &str, query: &'static str| CacheKey::new(Scheme::Https, "a.test", path, Some(query.as_bytes()));
    let born = generations.latest();
    let object = |key: CacheKey| Provenance::new(key, born, Tags::default());
    let objects = || {
        let shared = key("/a", "v=9").modulo_search("params", "");
        [key("/a", "v=1"), key("/a", "v=2"), shared, key("/b", "v=1")].map(object)
    };
    let check = |any_query, site, expected: [bool; 4]| {
        generations.purge(&Scope::changed(&key("/a", "v=1"), any_query, site), Mode::Hard, 0);
        let is_gone = |object: &Provenance| matches!(generations.judge(object), Verdict::Gone(_));
        assert_eq!(objects().each_ref().map(is_gone), expected, "{site}");
    };
    check(false, "a.test", [true, false, true, false]);
    check(true, "test", [true, true, true, false]);
}

#[test]
fn of_two_reasons_the_better_one_is_told() {
    let generations = Generations::telling_apart(Secret::random(), Generation::default(), 1, 1);
    let thing = Thing { host: 0, path: 1, query: 0, https: true, tags: None };
    let object = thing.fetched(&generations);
    let because = || match generations.judge(&object) {
        Verdict::Gone(by) => by.because,
        other => panic!("{other:?}"),
    };
    generations.purge(&[Scope::Tag("red".to_owned())], Mode::Hard, 0);
    assert_eq!(because(), Because::AllTags);
    generations.purge(&[Scope::Url("a.test/a".to_owned())], Mode::Hard, 0);
    assert_eq!(because(), Because::Exact);
    generations.purge(&[Scope::Url("a.test/b".to_owned())], Mode::Hard, 0);
    assert_eq!(because(), Because::AllTags, "the URL is folded");
}

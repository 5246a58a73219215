//! Which site and route a request meets.

use std::path::PathBuf;

use super::*;

const DOCUMENTS: &str = r#"
kind: node
name: eu-1
pop: eu-a
listeners: [{address: "127.0.0.1:0", protocol: http}]
---
kind: region
name: eu
---
kind: pop
name: eu-a
region: eu
---
kind: origin_pool
name: films
origins: [{name: one, url: "http://127.0.0.1:8081", region: eu}]
---
kind: origin_pool
name: uploads
origins: [{name: two, url: "http://127.0.0.1:8082", region: eu}]
---
kind: site
name: exact
hosts: [media.example, "127.0.11.1", "[::1]"]
routes:
  - {name: upload, path: /upload/*, methods: [POST, PUT], origin_pool: uploads}
  - {name: status, path: /upload/status, methods: [GET], origin_pool: films}
  - {name: vod, path: /vod/*, methods: [GET, HEAD], origin_pool: films}
  - {name: page, path: /, origin_pool: films}
---
kind: site
name: wide
hosts: ["*.example"]
routes: [{name: all, origin_pool: films}]
---
kind: site
name: narrow
hosts: ["*.live.example"]
routes: [{name: all, origin_pool: films}]
"#;

const ANY_SITE: &str = r#"
---
kind: site
name: any
hosts: ["*"]
routes: [{name: all, origin_pool: films}]
"#;

fn table(documents: &str) -> RouteTable {
    let texts = [(PathBuf::from("edge.yaml"), documents.to_owned())];
    RouteTable::build(&tidegate_config::load_texts(&texts).unwrap_or_else(|problems| panic!("{problems}")))
}

fn check_site(table: &RouteTable, host: &str, expected: Option<&str>) {
    let (host, _) = CanonicalHost::parse(host).unwrap();
    assert_eq!(table.find_site(&host).map(|entry| entry.site.name.as_str()), expected, "{host}");
}

fn check_route(method: Method, path: &str, expected: &str) {
    let table = table(DOCUMENTS);
    let (host, _) = CanonicalHost::parse("media.example").unwrap();
    let found = match table.find_site(&host).unwrap().find_route(path, &method, &ClientPlace::default()) {
        RouteMatch::Found(entry) => {
            format!("{} {}", entry.route.name, entry.origin_pool.as_ref().expect("a pool").name)
        }
        RouteMatch::MethodNotAllowed(methods) => methods.iter().map(Method::as_str).collect::<Vec<_>>().join(","),
        RouteMatch::NotFound => "not found".to_owned(),
    };
    assert_eq!(found, expected, "{method} {path}");
}

#[test]
fn the_exact_host_wins_then_the_longest_suffix() {
    let table = table(DOCUMENTS);
    check_site(&table, "media.example", Some("exact"));
    check_site(&table, "MEDIA.example.:8443", Some("exact"));
    check_site(&table, "127.0.11.1:8080", Some("exact"));
    check_site(&table, "[0::1]:8443", Some("exact"));
    check_site(&table, "other.example", Some("wide"));
    check_site(&table, "a.b.example", Some("wide"));
    check_site(&table, "a.media.example", Some("wide"));
    check_site(&table, "live.example", Some("wide"));
    check_site(&table, "a.live.example", Some("narrow"));
    check_site(&table, "a.b.live.example", Some("narrow"));
}

#[test]
fn a_wildcard_covers_neither_its_own_suffix_nor_names_that_merely_end_alike() {
    let table = table(DOCUMENTS);
    for host in ["example", "badexample", "a.example.org", "192.0.2.1", "[::2]"] {
        check_site(&table, host, None);
    }
}

#[test]
fn the_site_for_any_host_comes_last() {
    let table = table(&format!("{DOCUMENTS}{ANY_SITE}"));
    check_site(&table, "media.example", Some("exact"));
    check_site(&table, "a.example", Some("wide"));
    check_site(&table, "192.0.2.1", Some("any"));
    check_site(&table, "elsewhere.test", Some("any"));
}

#[test]
fn the_first_route_that_takes_path_and_method_wins() {
    check_route(Method::POST, "/upload/a", "upload uploads");
    check_route(Method::POST, "/upload/status", "upload uploads");
    check_route(Method::GET, "/upload/status", "status films");
    check_route(Method::GET, "/vod/", "vod films");
    check_route(Method::HEAD, "/vod/a/b.m4s", "vod films");
    check_route(Method::DELETE, "/", "page films");
}

#[test]
fn methods_of_all_routes_on_a_path_are_allowed_when_none_takes_the_request() {
    check_route(Method::POST, "/vod/a", "GET,HEAD");
    check_route(Method::DELETE, "/upload/status", "POST,PUT,GET");
    check_route(Method::HEAD, "/upload/status", "POST,PUT,GET");
}

#[test]
fn a_path_that_no_route_takes_is_not_found() {
    check_route(Method::GET, "/vod", "not found");
    check_route(Method::GET, "/vodka/a", "not found");
    check_route(Method::GET, "/VOD/a", "not found");
    check_route(Method::GET, "/index.html", "not found");
}

#[test]
fn sites_are_listed_in_the_order_of_their_indices() {
    let table = table(DOCUMENTS);
    let names: Vec<_> = table.sites().iter().map(|entry| (entry.index.0, entry.site.name.as_str())).collect();
    assert_eq!(names, [(0, "exact"), (1, "wide"), (2, "narrow")]);
}

const ACTING_SITE: &str = r#"
---
kind: site
name: acting
hosts: [acting.test]
routes:
  - {name: german, path: /a/*, methods: [GET, PUT], clients: {countries: [DE]}, origin_pool: films}
  - name: divided
    path: /a/*
    methods: [GET]
    origin_pool: films
    split: {parts: [{share: 5%, origin_pool: uploads}]}
  - {name: moved, path: /b, redirect: {location: /c}}
"#;

fn acting(check: impl FnOnce(&SiteEntry)) {
    let table = table(&format!("{DOCUMENTS}{ACTING_SITE}"));
    let (host, _) = CanonicalHost::parse("acting.test").unwrap();
    check(table.find_site(&host).unwrap());
}

fn place(country: &str) -> ClientPlace {
    ClientPlace { country: tidegate_config::model::CountryCode::parse(country), ..ClientPlace::default() }
}

#[test]
fn a_route_for_other_clients_does_not_exist_for_this_one() {
    acting(|site| {
        assert!(site.asks_for_place);
        let found = |method, country: &str| match site.find_route("/a/b", &method, &place(country)) {
            RouteMatch::Found(entry) => entry.route.name.to_string(),
            RouteMatch::MethodNotAllowed(methods) => methods.iter().map(Method::as_str).collect::<Vec<_>>().join(","),
            RouteMatch::NotFound => "not found".to_owned(),
        };
        assert_eq!(found(Method::GET, "DE"), "german");
        assert_eq!(found(Method::GET, "FR"), "divided");
        assert_eq!(found(Method::GET, "unknown"), "divided");
        assert_eq!(found(Method::PUT, "DE"), "german");
        assert_eq!(found(Method::PUT, "FR"), "GET");
        assert_eq!(found(Method::POST, "DE"), "GET,PUT");
    });
    let table = table(DOCUMENTS);
    assert!(table.sites().iter().all(|site| !site.asks_for_place));
}

#[test]
fn what_clients_do_not_share_is_stored_apart_and_found_again_for_invalidation() {
    acting(|site| {
        let [german, divided, moved] = &site.routes[..] else { panic!("three routes") };
        let names = |choice| divided.pool(choice).map(|pool| pool.name.to_string());
        assert_eq!(names(PoolChoice::Own).as_deref(), Some("films"));
        assert_eq!(names(PoolChoice::Part(0)).as_deref(), Some("uploads"));
        assert_eq!((names(PoolChoice::Part(1)), names(PoolChoice::Mirror)), (None, None));
        assert!(moved.pool(PoolChoice::Own).is_none());
        assert_eq!(divided.partition(PoolChoice::Own), None, "keys of the usual share stay what they were");
        let partitions = [None, german.partition(PoolChoice::Own), divided.partition(PoolChoice::Part(0))];
        assert!(partitions[1] != partitions[2] && partitions[1..].iter().all(Option::is_some));
        let under = |path| site.stored_under(path).map(|(partition, _)| partition).collect::<Vec<_>>();
        let found = under("/a/b");
        assert!(partitions.iter().all(|partition| found.contains(partition)), "{found:?}");
        assert!(under("/b").iter().all(Option::is_none));
    });
}

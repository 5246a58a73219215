//! What is written arrives: each field that has a default, with another value than that, and existing documents with
//! nothing of it.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, StatusCode};
use tidegate_config::load_texts;
use tidegate_config::model::{
    CachePolicy, Coding, Continent, CorsRules, CountryCode, Credentials, Destination, Discovery, HealthCheck,
    HedgeDelay, KillSwitchAction, Model, OriginLimits, OriginOrder, OriginPool, OutlierEjection, PathPattern, Probe,
    ProxyProtocolVersion, QueryRule, RetryPolicy, Rewrite, RouteActions, ServerNamePolicy, SetCookieRule, Site,
    StickyKey, Template, TemplatePart, Variable,
};
use tidegate_config::units::ByteSize;

const PLACES: &str = "---\n{kind: region, name: eu}\n---\n{kind: pop, name: eu-a, region: eu}\n";
const NODE: &str = "{kind: node, name: eu-1, pop: eu-a}\n";
const OTHER: &str = "---\n{kind: origin_pool, name: q, origins: [{name: a, url: 'http://127.0.0.1', region: eu}]}\n";

fn model(text: &str) -> Model {
    load_texts(&[(PathBuf::from("edge.yaml"), text.to_owned())]).unwrap_or_else(|problems| panic!("{problems}"))
}

fn pool(fields: &str) -> OriginPool {
    let text = format!("{NODE}{PLACES}---\nkind: origin_pool\nname: p\n{fields}");
    let pool = model(&text).origin_pools.into_values().next().expect("the pool");
    pool.as_ref().clone()
}

fn site(fields: &str) -> Site {
    let text = format!(
        "{NODE}{PLACES}{OTHER}---\n{{kind: origin_pool, name: p, origins: [{{name: o, url: 'http://127.0.0.1', region: \
         eu}}]}}\n---\nkind: site\nname: s\nhosts: [a.example]\n{fields}"
    );
    model(&text).sites[0].as_ref().clone()
}

fn policy(fields: &str) -> CachePolicy {
    let text = format!("{NODE}{PLACES}---\nkind: cache_policy\nname: c\n{fields}");
    let policies = model(&text).cache_policies;
    policies.values().find(|policy| policy.name.as_str() == "c").expect("the policy").as_ref().clone()
}

fn text(text: &str) -> TemplatePart {
    TemplatePart::Text(text.to_owned())
}

fn template(parts: &[TemplatePart]) -> Template {
    Template(parts.into())
}

const ORIGIN: &str = "origins: [{name: a, url: 'http://127.0.0.1:81', region: eu}]\n";

#[test]
fn pool_that_says_nothing_has_every_default() {
    let pool = pool(ORIGIN);
    assert_eq!(pool.order, OriginOrder::Nearest);
    assert_eq!((pool.sticky, pool.hedging), (None, None));
    assert_eq!(pool.health, HealthCheck::default());
    assert_eq!(pool.outlier, OutlierEjection::default());
    assert_eq!(pool.retry, RetryPolicy::default());
    assert_eq!(pool.limits, OriginLimits::default());
    assert!(pool.timeouts.connect + pool.timeouts.read < pool.retry.deadline, "another attempt after one that hangs");
    let origin = &pool.origins[0];
    assert_eq!((origin.path_prefix.as_str(), origin.discovery), ("", Discovery::Address));
    assert_eq!((&origin.credentials, origin.proxy_protocol), (&None, None));
}

#[test]
fn node_says_whom_it_trusts_and_asks() {
    let node = model(&format!(
        "kind: node\nname: eu-1\npop: eu-a\nlisteners: [{{address: '127.0.0.1:80', protocol: http, proxy_protocol: \
         {{from: [10.0.0.0/8, '::1']}}}}]\ntrusted_proxies: [192.0.2.7, '2001:db8::/32']\ncdn_id: \
         other\nresolvers: [192.0.2.53, '[::1]:5353']\n{PLACES}"
    ))
    .node;
    let texts = |networks: &[ipnet::IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts(node.listeners[0].proxy_protocol.as_deref().expect("networks")), ["10.0.0.0/8", "::1/128"]);
    assert_eq!(texts(&node.trusted_proxies), ["192.0.2.7/32", "2001:db8::/32"]);
    assert_eq!(node.cdn_id, "other");
    assert_eq!(node.resolvers, ["192.0.2.53:53".parse().unwrap(), "[::1]:5353".parse().unwrap()]);
    let text = format!(
        "kind: node\nname: eu-1\npop: eu-a\nadmin: {{address: '127.0.0.1:9000', token_file: a, debug_token_file: b}}\n\
         {PLACES}"
    );
    let admin = model(&text).node.admin.expect("a listener");
    assert_eq!((admin.token_file, admin.debug_token_file), (Some("a".into()), Some("b".into())));
    let plain = model(&format!("{NODE}{PLACES}")).node;
    assert_eq!((plain.cdn_id.as_str(), plain.trusted_proxies.len(), plain.resolvers.len()), ("tidegate", 0, 0));
    assert!(plain.listeners.iter().all(|listener| listener.proxy_protocol.is_none()));
}

#[test]
fn disk_tier_arrives() {
    let cache =
        |fields: &str| model(&format!("kind: node\nname: eu-1\npop: eu-a\ncache: {fields}\n{PLACES}")).node.cache;
    assert_eq!(cache("{capacity: 64MiB}").disk, None);
    let disk =
        cache("{disk: {devices: [{directory: /a, capacity: 64MiB}, {directory: b, capacity: 2GiB}]}}").disk.unwrap();
    let devices: Vec<_> = disk.devices.iter().map(|device| (device.directory.clone(), device.capacity)).collect();
    assert_eq!(devices, [("/a".into(), ByteSize::mib(64)), ("b".into(), ByteSize::mib(2048))]);
    assert_eq!((disk.min_lifetime, disk.read_timeout), (Duration::from_secs(60), Duration::from_secs(1)));
    let device = "devices: [{directory: a, capacity: 64MiB}]";
    let disk = cache(&format!("{{disk: {{{device}, min_lifetime: 0s, read_timeout: 20ms}}}}")).disk.unwrap();
    assert_eq!((disk.min_lifetime, disk.read_timeout), (Duration::ZERO, Duration::from_millis(20)));
    assert!(disk.shares.is_empty());
}

#[test]
fn places_of_clients_arrive() {
    let geo = model(&format!(
        "{NODE}{PLACES}---\nkind: geo\nname: g\ndatabases: [city.mmdb]\noverrides:\n  - {{networks: [127.0.1.0/24], \
         country: DE, continent: EU, asn: 64496, region: eu, coordinates: {{latitude: 50, longitude: -8.5}}}}\n"
    ))
    .geo;
    assert_eq!(geo.databases, [PathBuf::from("city.mmdb")]);
    let known = &geo.overrides[0];
    assert_eq!(known.networks, ["127.0.1.0/24".parse().unwrap()]);
    assert_eq!((known.country, known.continent), (CountryCode::parse("DE"), Some(Continent::Europe)));
    assert_eq!((known.asn, known.coordinates), (Some(64_496), Some((50.0, -8.5))));
    assert_eq!(known.region.as_ref().map(|region| region.as_str()), Some("eu"));
}

#[test]
fn health_of_a_pool_arrives() {
    let pool = pool(&format!(
        "{ORIGIN}health:\n  probe: {{http: {{path: '/h?a', method: HEAD, host: 'h:1', statuses: [204, 300-399]}}}}\n  \
         interval: 100ms\n  fall: 1\n  rise: 2\n  slow_start: 0s\n  panic_threshold: 0%\noutlier: \
         {{consecutive_failures: 0, ejection: 10m, max_ejected: 100%}}\n"
    ));
    let Probe::Http(probe) = &pool.health.probe else { panic!("{:?}", pool.health) };
    assert_eq!((probe.path.as_str(), &probe.method, probe.host.as_deref()), ("/h?a", &Method::HEAD, Some("h:1")));
    assert_eq!(probe.statuses, [204..=204, 300..=399]);
    assert_eq!((pool.health.interval, pool.health.timeout), (Duration::from_millis(100), Duration::from_millis(50)));
    assert_eq!((pool.health.fall, pool.health.rise, pool.health.panic_threshold), (1, 2, 0));
    assert_eq!(pool.health.slow_start, Duration::ZERO);
    assert_eq!((pool.outlier.consecutive_failures, pool.outlier.max_ejected), (0, 100));
    assert_eq!(
        (pool.outlier.ejection, pool.outlier.ejection_max),
        (Duration::from_secs(600), Duration::from_secs(600))
    );
}

#[test]
fn order_attempts_and_bounds_of_a_pool_arrive() {
    let pool = pool(&format!(
        "{ORIGIN}order: written\nsticky: {{cookie: id}}\nretry: {{budget: 0%, budget_floor: 1, deadline: 2s, statuses: \
         [500]}}\nhedging: {{after: 50ms, budget: 10%}}\nlimits: {{requests: 1, fills: 2, rate: 3, pending: 0, \
         pending_timeout: 4ms, failures: 0%, failures_floor: 6, open: 7s}}\n"
    ));
    assert_eq!((pool.order, pool.sticky), (OriginOrder::Written, Some(StickyKey::Cookie("id".to_owned()))));
    let RetryPolicy { budget, budget_floor, deadline, ref statuses, .. } = pool.retry;
    assert_eq!((budget, budget_floor, deadline, statuses.as_slice()), (0, 1, Duration::from_secs(2), &[500][..]));
    let hedging = pool.hedging.expect("hedging");
    assert_eq!((hedging.after, hedging.budget), (HedgeDelay::Fixed(Duration::from_millis(50)), 10));
    let limits = &pool.limits;
    assert_eq!((limits.requests, limits.fills, limits.rate, limits.pending), (1, 2, Some(3), 0));
    assert_eq!((limits.pending_timeout, limits.open), (Duration::from_millis(4), Duration::from_secs(7)));
    assert_eq!((limits.failures, limits.failures_floor), (0, 6));
}

#[test]
fn everything_of_an_origin_arrives() {
    let pool = pool(
        "origins:\n  - {name: a, url: 'http://127.0.0.1:81/media/%20', region: eu, proxy_protocol: v1, credentials: \
         {fields: [{name: X-Key, value_file: secrets/key}]}}\n  - {name: b, url: 'https://_https._tcp.a.example', \
         region: eu, discovery: srv, tls: {server_name: {from: host_field}, client_certificate: {chain_file: c.pem, \
         key_file: c.key}}, credentials: {s3: {region: eu-1, access_key_file: a, secret_key_file: s, \
         session_token_file: t}}}\n  - {name: c, url: 'https://[::1]/x', region: eu, proxy_protocol: v2}\n",
    );
    let [first, second, third] = pool.origins.as_slice() else { panic!("{:?}", pool.origins) };
    assert_eq!((first.host.as_str(), first.port, first.path_prefix.as_str()), ("127.0.0.1", 81, "/media/%20"));
    assert_eq!(first.proxy_protocol, Some(ProxyProtocolVersion::V1));
    let secret = (http::HeaderName::from_static("x-key"), PathBuf::from("secrets/key"));
    assert_eq!(first.credentials, Some(Credentials::Fields(vec![secret])));
    assert_eq!(second.discovery, Discovery::Srv);
    let tls = second.tls.as_ref().expect("TLS");
    assert_eq!(tls.server_name, ServerNamePolicy::HostField);
    assert_eq!(tls.client_certificate, Some(("c.pem".into(), "c.key".into())));
    let Some(Credentials::S3 { region, session_token_file, .. }) = &second.credentials else { panic!("{second:?}") };
    assert_eq!((region.as_str(), session_token_file.clone()), ("eu-1", Some(PathBuf::from("t"))));
    assert_eq!((third.host.as_str(), third.port, third.path_prefix.as_str()), ("::1", 443, "/x"));
    assert_eq!(third.proxy_protocol, Some(ProxyProtocolVersion::V2));
    assert_eq!(third.tls.as_ref().expect("TLS").server_name, ServerNamePolicy::Name("::1".to_owned()));
}

#[test]
fn route_that_says_nothing_does_nothing() {
    let site = site("routes: [{name: r, origin_pool: p}]\n");
    let route = &site.routes[0];
    assert_eq!((&route.path, &route.actions), (&PathPattern::Prefix("/".to_owned()), &RouteActions::default()));
    assert_eq!((&route.clients, route.error_pages.len()), (&Default::default(), 0));
    assert!(matches!(&route.destination, Destination::Pool { pool, split: None } if pool.as_str() == "p"));
    assert_eq!((site.error_pages.len(), site.maintenance_page, site.kill_switches.len()), (0, None, 0));
}

#[test]
fn destinations_and_conditions_of_routes_arrive() {
    let site = site(
        "routes:\n  - {name: a, path: /a, maintenance: true, clients: {countries: [DE], continents: [EU], asns: [1]}}\n  \
         - {name: b, path: /a, redirect: {status: 302, location: 'https://${host}${path}'}}\n  - {name: c, \
         origin_pool: p, split: {by: {header: X-Id}, parts: [{share: 0.25%, origin_pool: q}]}}\n",
    );
    let [first, second, third] = site.routes.as_slice() else { panic!("{:?}", site.routes) };
    assert_eq!(first.destination, Destination::Maintenance);
    assert_eq!(first.clients.countries, [CountryCode::parse("DE").unwrap()]);
    assert_eq!(
        (first.clients.continents.as_slice(), first.clients.asns.as_slice()),
        (&[Continent::Europe][..], &[1][..])
    );
    let Destination::Redirect(redirect) = &second.destination else { panic!("{second:?}") };
    assert_eq!(redirect.status, StatusCode::FOUND);
    let variables = [Variable::Host, Variable::Path].map(TemplatePart::Variable);
    assert_eq!(redirect.location, template(&[text("https://"), variables[0].clone(), variables[1].clone()]));
    let Destination::Pool { split: Some(split), .. } = &third.destination else { panic!("{third:?}") };
    assert_eq!(split.by, StickyKey::Header(http::HeaderName::from_static("x-id")));
    assert_eq!((split.parts[0].0, split.parts[0].1.as_str()), (25, "q"));
}

#[test]
fn actions_of_a_route_arrive() {
    let site = site(
        "routes:\n  - name: r\n    path: /a/*\n    origin_pool: p\n    rewrite: {prefix: /b/}\n    request_fields: \
         {remove: [Cookie], set: [{name: X-A, value: '$${x} ${client.asn}'}], add: [{name: Link, value: a}]}\n    \
         response_fields: {remove: [Server]}\n    mirror: {origin_pool: q, share: 5%}\n    timeouts: {response: 1s, \
         read: 2s}\n    body_bytes: 1KiB\n    websocket: true\n",
    );
    let actions = &site.routes[0].actions;
    assert_eq!(actions.rewrite, Some(Rewrite::Prefix("/b/".to_owned())));
    assert_eq!((actions.request_fields.remove.as_slice(), actions.websocket), (&[http::header::COOKIE][..], true));
    let value = template(&[text("${x} "), TemplatePart::Variable(Variable::ClientAsn)]);
    assert_eq!(actions.request_fields.set, [(http::HeaderName::from_static("x-a"), value)]);
    assert_eq!(actions.request_fields.add, [(http::header::LINK, template(&[text("a")]))]);
    assert_eq!(actions.response_fields.remove, [http::header::SERVER]);
    let mirror = actions.mirror.as_ref().expect("a mirror");
    assert_eq!((mirror.pool.as_str(), mirror.share), ("q", 500));
    assert_eq!(actions.timeouts.response, Some(Duration::from_secs(1)));
    assert_eq!((actions.timeouts.read, actions.body_bytes), (Some(Duration::from_secs(2)), Some(ByteSize::kib(1))));
}

#[test]
fn pages_are_read_with_the_configuration_and_switches_arrive() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("down.html"), "<p>${request_id}").expect("a page");
    let text = format!(
        "{NODE}{PLACES}{OTHER}---\nkind: site\nname: s\nhosts: [a.example]\nerror_pages: [{{statuses: [404, 502-504], \
         file: down.html, replace_origin: true}}]\nmaintenance_page: {{content: soon, content_type: \
         text/plain}}\nkill_switches:\n  - {{action: {{pin_origin: {{origin_pool: q, origin: a}}}}, routes: [r], until: \
         '1970-01-01T01:00:10+01:00', reason: why}}\n  - {{action: {{block: {{}}}}, until: '2030-01-01T00:00:00Z', \
         reason: why}}\nroutes: [{{name: r, origin_pool: q}}]\n"
    );
    let model = load_texts(&[(folder.path().join("edge.yaml"), text)]).unwrap_or_else(|problems| panic!("{problems}"));
    let site = &model.sites[0];
    let page = &site.error_pages[0];
    assert_eq!((page.content.as_ref(), page.replace_origin), ("<p>${request_id}", true));
    assert_eq!(page.statuses.iter().map(StatusCode::as_u16).collect::<Vec<_>>(), [404, 502, 503, 504]);
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    let page = site.maintenance_page.as_ref().expect("a page");
    assert_eq!((page.content.as_ref(), page.content_type.as_str()), ("soon", "text/plain"));
    let [pin, block] = site.kill_switches.as_slice() else { panic!("{:?}", site.kill_switches) };
    assert_eq!((pin.until, pin.reason.as_str()), (UNIX_EPOCH + Duration::from_secs(10), "why"));
    assert_eq!(pin.routes.iter().map(|route| route.as_str()).collect::<Vec<_>>(), ["r"]);
    assert!(matches!(&pin.action, KillSwitchAction::PinOrigin { pool, origin }
        if pool.as_str() == "q" && origin.as_str() == "a"));
    assert_eq!((&block.action, block.routes.len()), (&KillSwitchAction::Block(StatusCode::FORBIDDEN), 0));
}

#[test]
fn policy_that_says_nothing_adds_media_slices_compression_and_blocking_reload_to_the_plain_one() {
    let found = policy("");
    let built_in = model(&format!("{NODE}{PLACES}")).cache_policies.into_values().next().expect("the built-in one");
    let mut expected = CachePolicy::plain(found.name.clone());
    (expected.heuristic, expected.honour_request_directives) = (true, true);
    expected.media = Some(Default::default());
    expected.slices = Some(Default::default());
    expected.compression = Some(Default::default());
    expected.blocking_reload = Some(Default::default());
    assert_eq!(found, expected);
    let mut built_in = built_in.as_ref().clone();
    built_in.name = found.name.clone();
    assert_eq!(built_in, expected);
    let without = policy("media: null\nslices: null\ncompression: null\nblocking_reload: null\nprefetch: null\n");
    expected.media = None;
    (expected.slices, expected.compression, expected.blocking_reload) = (None, None, None);
    assert_eq!(without, expected);
}

#[test]
fn what_makes_a_key_arrives() {
    let key = policy(
        "key: {host: a.example, query: {only: [v, 'a b']}, sort_query: true, headers: [X-A], cookies: [id], country: \
         true, device: true, no_vary_search: false}\n",
    )
    .key;
    assert_eq!((key.host.as_deref(), key.sort_query), (Some("a.example"), true));
    assert_eq!(key.query, QueryRule::Only(vec!["v".to_owned(), "a b".to_owned()]));
    assert_eq!(key.headers, [http::HeaderName::from_static("x-a")]);
    assert_eq!((key.cookies.as_slice(), key.country, key.device), (&["id".to_owned()][..], true, true));
    assert!(!key.no_vary_search);
    assert_eq!(policy("key: {query: drop}\n").key.query, QueryRule::Drop);
    let except = QueryRule::Except(vec!["utm_*".to_owned()]);
    assert_eq!(policy("key: {query: {except: ['utm_*']}}\n").key.query, except);
}

#[test]
fn times_of_errors_and_of_stale_answers_arrive() {
    let found =
        policy("negative: {404: 10s, '410': 1m}\nstale: {while_revalidate: 1s, if_error: 0s}\nset_cookie: strip\n");
    let seconds = |status: StatusCode, seconds| (status, Duration::from_secs(seconds));
    assert_eq!(found.negative, [seconds(StatusCode::NOT_FOUND, 10), seconds(StatusCode::GONE, 60)]);
    assert_eq!(found.stale.while_revalidate, Duration::from_secs(1));
    assert_eq!((found.stale.if_error, found.set_cookie), (Some(Duration::ZERO), SetCookieRule::Strip));
    assert_eq!(policy("set_cookie: never\n").set_cookie, SetCookieRule::Never);
}

#[test]
fn fields_of_tags_arrive() {
    let names = |found: &CachePolicy| found.tags.fields.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let usual = policy("enabled: true\n");
    assert_eq!((names(&usual), usual.tags.expose), (vec!["surrogate-key".to_owned(), "cache-tag".to_owned()], false));
    let found = policy("tags: {fields: [xkey], expose: true}\n");
    assert_eq!((names(&found), found.tags.expose), (vec!["xkey".to_owned()], true));
}

#[test]
fn delivery_of_media_arrives() {
    let found = policy(
        "slices: {threshold: 4MiB, size: 4MiB}\ncompression: {codings: [br, zstd], min: 1KiB, max: 2KiB}\nprefetch: \
         {ahead: 8, rate: 1, cmcd: false}\ncmcd: {figures: false, priority: false, pacing: true}\nblocking_reload: \
         {timeout: 1s}\n",
    );
    let slices = found.slices.expect("slices");
    assert_eq!((slices.threshold, slices.size), (ByteSize::mib(4), ByteSize::mib(4)));
    let compression = found.compression.expect("compression");
    assert_eq!(compression.codings, [Coding::Brotli, Coding::Zstd]);
    assert_eq!((compression.min, compression.max), (ByteSize::kib(1), ByteSize::kib(2)));
    let prefetch = found.prefetch.expect("prefetch");
    assert_eq!((prefetch.ahead, prefetch.rate, prefetch.cmcd), (8, 1, false));
    assert_eq!((found.cmcd.figures, found.cmcd.priority, found.cmcd.pacing), (false, false, true));
    assert_eq!(found.blocking_reload.expect("blocking reload").timeout, Duration::from_secs(1));
    assert_eq!(policy("prefetch: {}\n").prefetch, Some(Default::default()));
}

#[test]
fn cross_origin_sharing_arrives() {
    let site = site(
        "routes:\n  - {name: a, path: /a, origin_pool: p, cors: {}}\n  - {name: b, origin_pool: p, cors: {origins: \
         ['https://*.example:8443', 'http://[::1]:8080'], credentials: true, methods: [PUT], headers: [X-A], expose: \
         [Age], max_age: 2h}}\n",
    );
    assert_eq!(site.routes[0].actions.cors, Some(CorsRules::default()));
    let cors = site.routes[1].actions.cors.as_ref().expect("sharing");
    assert_eq!(
        (cors.origins.as_slice(), cors.credentials),
        (&["https://*.example:8443".to_owned(), "http://[::1]:8080".to_owned()][..], true)
    );
    assert_eq!((cors.methods.as_slice(), cors.expose.as_slice()), (&[Method::PUT][..], &[http::header::AGE][..]));
    assert_eq!(
        (cors.headers.as_slice(), cors.max_age),
        (&[http::HeaderName::from_static("x-a")][..], Duration::from_secs(7200))
    );
}

#[test]
fn shares_of_the_disk_tier_arrive() {
    let text = format!(
        "kind: node\nname: eu-1\npop: eu-a\ncache: {{disk: {{devices: [{{directory: /a, capacity: 64MiB}}], shares: \
         [{{site: s, floor: 20%, ceiling: 40%}}, {{site: t}}]}}}}\n{PLACES}---\n{{kind: site, name: s, hosts: [a.example], \
         routes: [{{name: r, redirect: {{location: /}}}}]}}\n---\n{{kind: site, name: t, hosts: [b.example], routes: [{{name: r, \
         redirect: {{location: /}}}}]}}\n"
    );
    let disk = model(&text).node.cache.disk.unwrap();
    let shares: Vec<_> = disk.shares.iter().map(|(site, share)| (site.as_str(), share.floor, share.ceiling)).collect();
    assert_eq!(shares, [("s", 20, 40), ("t", 0, 100)]);
}

//! With whom responses are shared, and what they say of it.

use std::time::Duration;

use super::*;

fn rules(origins: &[&str], credentials: bool) -> CorsRules {
    let mut rules = CorsRules::default();
    rules.origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    rules.credentials = credentials;
    rules.max_age = Duration::from_secs(900);
    rules
}

fn asking(origins: &[&str]) -> HeaderMap {
    origins.iter().map(|origin| (header::ORIGIN, origin.parse().unwrap())).collect()
}

/// `name: value` lines.
fn told(fields: impl Iterator<Item = (HeaderName, HeaderValue)>) -> Vec<String> {
    fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

#[test]
fn everyone_is_told_the_same_where_everyone_may() {
    let sharing = Sharing::new(&rules(&[], false));
    for request in [&[][..], &["https://a.test"], &["null"], &["https://a.test", "https://b.test"]] {
        let grant = sharing.grant(&asking(request));
        assert_eq!(grant, Grant::Everyone, "{request:?}");
        let fields = told(sharing.fields(&grant));
        assert_eq!(fields[0], "access-control-allow-origin: *");
        assert!(fields[1].starts_with("access-control-expose-headers: content-length, content-range, date, "));
        assert_eq!(fields.len(), 2);
    }
}

#[test]
fn origin_of_the_list_is_echoed_and_everyone_told_that_it_varies() {
    let list = ["https://player.test", "https://*.below.test", "http://*.port.test:8080", "https://other.test:8443"];
    let check = |named: &[&str], allowed: bool| {
        let sharing = Sharing::new(&rules(&list, false));
        let grant = sharing.grant(&asking(named));
        let fields = told(sharing.fields(&grant));
        assert_eq!(fields[0], "vary: Origin", "{named:?}");
        let expected = if allowed { Grant::To(named[0].parse().unwrap()) } else { Grant::Nobody };
        assert_eq!(grant, expected, "{named:?}");
        if allowed {
            assert_eq!(fields[1], format!("access-control-allow-origin: {}", named[0]));
            assert!(!fields.iter().any(|field| field.starts_with("access-control-allow-credentials")));
        } else {
            assert_eq!(fields.len(), 1, "{named:?}");
            assert_eq!(told(sharing.preflight_fields(&grant)), [""; 0]);
        }
    };
    for allowed in [
        "https://player.test",
        "https://a.below.test",
        "https://a.b-c.below.test",
        "http://a.port.test:8080",
        "https://other.test:8443",
    ] {
        check(&[allowed], true);
    }
    for refused in [
        "null",
        "http://player.test",
        "https://player.test:8443",
        "https://player.test.evil.test",
        "https://Player.test",
        "https://below.test",
        "https://.below.test",
        "https://evilbelow.test",
        "https://evil.test/.below.test",
        "https://evil.test?.below.test",
        "https://evil.test#.below.test",
        "https://a@b.below.test",
        "https://a.below.test:1",
        "https://a b.below.test",
        "http://a.below.test",
        "https://other.test",
        "",
        "*",
    ] {
        check(&[refused], false);
    }
    check(&[], false);
    check(&["https://player.test", "https://player.test"], false);
}

#[test]
fn credentials_are_allowed_to_listed_origins_alone() {
    let sharing = Sharing::new(&rules(&["https://player.test"], true));
    let grant = sharing.grant(&asking(&["https://player.test"]));
    assert!(told(sharing.fields(&grant)).contains(&"access-control-allow-credentials: true".to_owned()));
    let other = sharing.grant(&asking(&["https://other.test"]));
    assert_eq!(told(sharing.fields(&other)), ["vary: Origin"]);
    // Without a list nobody may, whatever configuration let through.
    let everyone = Sharing::new(&rules(&[], true));
    assert_eq!(everyone.grant(&asking(&["https://player.test"])), Grant::Nobody);
}

#[test]
fn preflight_says_what_requests_may_be_and_for_how_long() {
    let sharing = Sharing::new(&rules(&[], false));
    let fields = told(sharing.preflight_fields(&Grant::Everyone));
    assert_eq!(fields[0], "access-control-allow-methods: GET, HEAD, OPTIONS");
    assert!(fields[1].starts_with("access-control-allow-headers: range, cmcd-request"), "{}", fields[1]);
    assert_eq!(fields[2], "access-control-max-age: 900");
}

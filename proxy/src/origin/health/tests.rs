//! Health across configurations and requests at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_config::load_texts;
use tidegate_config::model::OriginPool;
use tidegate_steering::Health;

use super::{HealthRegistry, OriginHealth};
use crate::telemetry::Metrics;

/// A pool of origins by name and port, without probes.
fn pool(origins: &[(&str, u16)], more: &str) -> Arc<OriginPool> {
    let origins: Vec<_> = origins
        .iter()
        .map(|(name, port)| format!("  - {{name: {name}, url: \"http://127.0.0.1:{port}\", region: eu}}"))
        .collect();
    let text = format!(
        "kind: node\nname: one\npop: eu-a\nlisteners: [{{address: \"127.0.0.1:1\", protocol: http, plaintext: serve}}]\n\
         ---\nkind: pop\nname: eu-a\nregion: eu\n---\nkind: region\nname: eu\n---\nkind: site\nname: media\nhosts: [\"*\"]\n\
         routes: [{{name: all, path: /*, origin_pool: films}}]\n---\nkind: origin_pool\nname: films\n\
         health: {{probe: off}}\n{more}\norigins:\n{}\n",
        origins.join("\n")
    );
    let model = load_texts(&[("node.yaml".into(), text)]).unwrap_or_else(|problems| panic!("{problems}"));
    Arc::clone(model.origin_pools.values().next().unwrap())
}

fn handles(registry: &HealthRegistry, pool: &OriginPool) -> Vec<OriginHealth> {
    registry.pool(pool).handles(pool, &Metrics::new("0"))
}

fn health(origin: &OriginHealth) -> Health {
    origin.view(Instant::now()).health
}

#[test]
fn another_configuration_knows_what_the_one_before_knew() {
    let registry = HealthRegistry::default();
    let before = handles(&registry, &pool(&[("one", 1), ("two", 2)], ""));
    before[0].connection_failed(true);
    let after = handles(&registry, &pool(&[("two", 2), ("one", 1)], "attempts: 3"));
    assert_eq!((health(&after[1]), health(&after[0])), (Health::Ejected, Health::Unknown));
    // Whoever still uses the old configuration reports to the same place.
    before[1].connection_failed(false);
    assert_eq!(health(&after[0]), Health::Suspect);
}

#[test]
fn another_address_is_another_origin_and_nothing_is_kept_that_nobody_uses() {
    let registry = HealthRegistry::default();
    let before = handles(&registry, &pool(&[("one", 1), ("two", 2)], ""));
    before[0].connection_failed(true);
    let moved = handles(&registry, &pool(&[("one", 11), ("two", 2)], ""));
    assert_eq!(health(&moved[0]), Health::Unknown);
    assert!(moved[0].view(Instant::now()).share.as_percent() < 20, "it joins origins that serve");
    assert_eq!(moved[1].view(Instant::now()).share.as_percent(), 100);
    drop((before, moved));
    let anew = handles(&registry, &pool(&[("one", 1), ("two", 2)], ""));
    assert_eq!((health(&anew[0]), anew[0].view(Instant::now()).share.as_percent()), (Health::Unknown, 100));
}

#[test]
fn origins_that_fail_at_the_same_time_are_never_all_ejected() {
    let registry = HealthRegistry::default();
    let origins = handles(&registry, &pool(&[("one", 1), ("two", 2), ("three", 3)], "outlier: {max_ejected: 100%}"));
    std::thread::scope(|scope| {
        for origin in &origins {
            scope.spawn(|| (0..100).for_each(|_| origin.gateway_error()));
        }
    });
    let ejected = origins.iter().filter(|origin| health(origin) == Health::Ejected).count();
    assert_eq!(ejected, 2);
}

#[test]
fn one_request_at_a_time_is_the_trial() {
    let registry = HealthRegistry::default();
    let origins = handles(&registry, &pool(&[("one", 1), ("two", 2)], ""));
    origins[0].connection_failed(true);
    let now = Instant::now();
    assert!(!origins[0].view(now).trial);
    let later = now + Duration::from_secs(31);
    assert!(origins[0].view(later).trial);
    let claimed = std::thread::scope(|scope| {
        let claims: Vec<_> = (0..8).map(|_| scope.spawn(|| origins[0].claim_trial(later))).collect();
        claims.into_iter().map(|claim| claim.join().unwrap()).filter(|claimed| *claimed).count()
    });
    assert_eq!(claimed, 1);
    // A trial that nobody hears of again ends by time: connecting and reading take 23 s at most.
    assert!(!origins[0].claim_trial(later + Duration::from_secs(22)));
    assert!(origins[0].claim_trial(later + Duration::from_secs(24)));
    // One that has ended makes room at once.
    origins[0].gateway_error();
    assert!(origins[0].claim_trial(later + Duration::from_secs(24)));
}

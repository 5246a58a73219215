//! Health across configurations and requests at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_config::load_texts;
use tidegate_config::model::{Model, OriginPool};
use tidegate_steering::Health;
use tokio::runtime::Handle;

use super::{HealthRegistry, OriginHealth, Prober};
use crate::origin::{CompiledPool, Registries, Resolver};
use crate::telemetry::Metrics;

/// A pool of origins by name and port, without probes.
fn pool(origins: &[(&str, u16)], more: &str) -> Arc<OriginPool> {
    Arc::clone(model(origins, "off", more).origin_pools.values().next().unwrap())
}

fn compiled(registries: &Registries, origins: &[(&str, u16)], probe: &str, more: &str) -> Arc<CompiledPool> {
    let model = model(origins, probe, more);
    let pool = model.origin_pools.values().next().unwrap();
    Arc::new(CompiledPool::compile(pool, &model, &Metrics::new("0"), registries).unwrap())
}

fn model(origins: &[(&str, u16)], probe: &str, more: &str) -> Model {
    let origins: Vec<_> = origins
        .iter()
        .map(|(name, port)| format!("  - {{name: {name}, url: \"http://127.0.0.1:{port}\", region: eu}}"))
        .collect();
    let text = format!(
        "kind: node\nname: one\npop: eu-a\nlisteners: [{{address: \"127.0.0.1:1\", protocol: http, plaintext: serve}}]\n\
         ---\nkind: pop\nname: eu-a\nregion: eu\n---\nkind: region\nname: eu\n---\nkind: site\nname: media\nhosts: [\"*\"]\n\
         routes: [{{name: all, path: /*, origin_pool: films}}]\n---\nkind: origin_pool\nname: films\n\
         health: {{probe: {probe}}}\n{more}\norigins:\n{}\n",
        origins.join("\n")
    );
    load_texts(&[("node.yaml".into(), text)]).unwrap_or_else(|problems| panic!("{problems}"))
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
        claims.into_iter().map(|claim| claim.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(claimed.iter().flatten().count(), 1);
    // A trial that nobody hears of again ends by time: connecting and reading take 13 s at most.
    assert!(origins[0].claim_trial(later + Duration::from_secs(12)).is_none());
    let second = origins[0].claim_trial(later + Duration::from_secs(14)).unwrap();
    drop(claimed);
    assert!(origins[0].claim_trial(later + Duration::from_secs(15)).is_none(), "the first one gives back its own only");
    // One that has ended makes room at once.
    origins[0].gateway_error();
    assert!(origins[0].claim_trial(later + Duration::from_secs(15)).is_some());
    drop(second);
}

#[test]
fn trial_that_tells_nothing_makes_room_for_another() {
    let (hours, pool) = ("timeouts: {read: 1h}", |more| pool(&[("one", 1), ("two", 2)], more));
    let registry = HealthRegistry::default();
    let origins = handles(&registry, &pool(hours));
    origins[0].connection_failed(true);
    let later = Instant::now() + Duration::from_secs(31);
    let first = origins[0].claim_trial(later).unwrap();
    assert!(origins[0].is_tried_by(&first) && !origins[1].is_tried_by(&first));
    assert!(origins[0].claim_trial(later + Duration::from_secs(29)).is_none());
    drop(first);
    let lost = origins[0].claim_trial(later).expect("given back");
    assert!(origins[0].claim_trial(later + Duration::from_secs(30)).is_some(), "however patient the pool is");
    drop(lost);
}

#[tokio::test]
async fn what_probes_found_out_is_forgotten_when_a_configuration_without_them_is_in_force_and_not_before() {
    let registries = Registries::default();
    let before = compiled(&registries, &[("one", 1), ("two", 2)], "tcp", "");
    before.origins[0].health.connection_failed(true);
    assert_eq!(health(&before.origins[0].health), Health::Down);
    let after = compiled(&registries, &[("one", 1), ("two", 2)], "off", "");
    assert_eq!(health(&before.origins[0].health), Health::Down, "it may never come into force");
    let metrics = Metrics::new("0");
    Prober::new(Resolver::new(&[], Handle::current(), metrics.resolver().clone())).probe([&after]);
    assert_eq!(health(&before.origins[0].health), Health::Unknown);
}

#[test]
fn while_all_are_on_trial_they_are_tried_in_the_usual_order() {
    let pool = compiled(&Registries::default(), &[("spare, weight: 0", 1), ("one", 2), ("two", 3)], "off", "");
    pool.origins.iter().for_each(|origin| origin.health.connection_failed(false));
    let later = Instant::now() + Duration::from_secs(6);
    let taken: Vec<_> = (0..3).map(|seed| pool.order(seed, later)).collect();
    for seed in 0..20 {
        let order = pool.order(seed, later);
        assert!(order.trial.is_none());
        assert_eq!(order.origins.len(), 3);
        assert_eq!(order.origins[2].origin.name.as_str(), "spare", "{seed}");
    }
    drop(taken);
    assert!(pool.order(0, later).trial.is_some(), "requests that never asked give their trials back");
}

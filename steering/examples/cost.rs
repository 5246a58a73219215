//! What steering costs: `cargo run --release -p tidegate-steering --example cost`. Figures belong to a machine and a day.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tidegate_steering::{Candidate, Coordinates, Proximity, Rules, Share, explain, identity, nearest_region, order};

/// Of each measurement; the least of several is the one the machine disturbed least.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(200);

fn main() {
    for count in [2, 8, 256] {
        let healthy = pool(count);
        let mut starting = healthy.clone();
        starting[0].share = Share::percent(10);
        let mut panicking = healthy.clone();
        panicking.iter_mut().skip(count / 4).for_each(|candidate| candidate.health = tidegate_steering::Health::Down);
        for (name, pool) in [("healthy", &healthy), ("one starts slowly", &starting), ("panic", &panicking)] {
            report(&format!("order, {count} origins, {name}"), |seed| order(pool, &rules(seed)).indices.len());
        }
        report(&format!("explain, {count} origins"), |seed| explain(&healthy, &rules(seed)).len());
    }
    for count in [3, 30] {
        let regions: Vec<(usize, Coordinates)> =
            (0..count).filter_map(|number| Some((number, at(number as u64)?))).collect();
        report(&format!("nearest of {count} regions"), |seed| {
            at(seed).and_then(|point| nearest_region(point, regions.iter().copied())).unwrap_or_default()
        });
    }
}

fn pool(count: usize) -> Vec<Candidate> {
    let candidate = |number: usize| {
        let proximity = Proximity(u32::try_from(number % 3).unwrap_or_default());
        Candidate::new(identity(&format!("origin-{number}")), proximity, 100)
    };
    (0..count).map(candidate).collect()
}

fn rules(seed: u64) -> Rules {
    Rules { panic_threshold: 50, seed }
}

fn at(seed: u64) -> Option<Coordinates> {
    Coordinates::new((seed % 170) as f64 - 85.0, (seed * 7 % 350) as f64 - 175.0)
}

fn report(name: &str, mut work: impl FnMut(u64) -> usize) {
    let least = (0..ROUNDS).map(|_| nanoseconds(&mut work)).fold(f64::INFINITY, f64::min);
    println!("{least:>9.0} ns  {name}");
}

fn nanoseconds(work: &mut impl FnMut(u64) -> usize) -> f64 {
    let (started, mut runs) = (Instant::now(), 0_u64);
    while started.elapsed() < ROUND {
        for _ in 0..64 {
            black_box(work(black_box(runs)));
            runs += 1;
        }
    }
    started.elapsed().as_nanos() as f64 / runs as f64
}

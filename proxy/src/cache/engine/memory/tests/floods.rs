//! What floods of keys cannot do to the memory tier: grow it beyond its bounds, or push out what is asked for often.

use super::super::*;
use super::{fields, key, object, tier};

/// Keys that are asked for once each, many times more than the tier has room for.
const FLOOD: usize = 200_000;
const CAPACITY: u64 = 8 << 20;

/// Asked for between the others, as often as one in so many.
const POPULAR_EVERY: usize = 20;

fn query(number: usize) -> CacheKey {
    let query = format!("{number}={number}");
    CacheKey::new(crate::cache::key::Scheme::Http, "a.test", "/a", Some(query.as_bytes()))
}

#[test]
fn distinct_queries_stay_within_the_bounds_and_leave_what_is_popular() {
    let tier = tier(CAPACITY);
    let popular: Vec<CacheKey> = (0..20).map(|number| key(&format!("/popular/{number}"))).collect();
    let (small, none) = (object("", 1000), fields(&[]));
    for key in &popular {
        tier.store(key, &none, Arc::clone(&small));
        for _ in 0..10 {
            tier.find(key, &none);
        }
    }
    let mut most = 0;
    for number in 0..FLOOD {
        let key = query(number);
        tier.find(&key, &none);
        tier.store(&key, &none, Arc::clone(&small));
        if number % POPULAR_EVERY == 0 {
            tier.find(&popular[number / POPULAR_EVERY % popular.len()], &none);
        }
        if number % 1000 == 0 {
            most = most.max(tier.figures().bytes);
        }
    }
    assert!(most <= CAPACITY && tier.figures().bytes <= CAPACITY, "{most}");
    let left = popular.iter().filter(|key| tier.find(key, &none).object.is_some()).count();
    assert!(left >= popular.len() * 9 / 10, "{left} of {} are left", popular.len());
}

#[test]
fn variants_of_one_key_stay_within_the_bounds_and_leave_what_is_popular() {
    let tier = tier(CAPACITY);
    let (popular, none, small) = (key("/popular"), fields(&[]), object("", 1000));
    tier.store(&popular, &none, Arc::clone(&small));
    let varying = object("user-agent", 1000);
    for number in 0..10_000 {
        let agent = fields(&[("user-agent", &format!("agent/{number} {}", "x".repeat(200)))]);
        tier.find(&key("/a"), &agent);
        tier.store(&key("/a"), &agent, Arc::clone(&varying));
        tier.find(&popular, &none);
    }
    assert!(tier.figures().bytes <= CAPACITY);
    assert!(tier.find(&popular, &none).object.is_some());
    let last = fields(&[("user-agent", &format!("agent/9999 {}", "x".repeat(200)))]);
    assert!(tier.find(&key("/a"), &last).varies, "the rule is asked for by all of them and stays");
}

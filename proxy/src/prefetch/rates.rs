//! How much each site may fetch ahead.

use std::collections::HashMap;
use std::time::Instant;

use tidegate_config::ids::SiteName;

/// Sites that are told apart; further ones share a rate. As many as have figures of their own.
const MAX_SITES: usize = 1_000;

/// A bucket of tokens, as large as what a second brings.
struct Bucket {
    tokens: f64,
    filled: Instant,
}

#[derive(Default)]
pub(super) struct Rates {
    sites: HashMap<SiteName, Bucket>,
    others: Option<Bucket>,
}

impl Rates {
    /// Takes one of this site's fetches a second, if one is left.
    pub(super) fn allow(&mut self, site: &SiteName, rate: u32) -> bool {
        self.allow_at(site, rate, Instant::now())
    }

    fn allow_at(&mut self, site: &SiteName, rate: u32, now: Instant) -> bool {
        let full = f64::from(rate);
        let bucket = self.bucket(site, full, now);
        let gained = now.saturating_duration_since(bucket.filled).as_secs_f64() * full;
        bucket.tokens = (bucket.tokens + gained).min(full);
        bucket.filled = now;
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }

    /// Gives one back that was not needed.
    pub(super) fn give_back(&mut self, site: &SiteName) {
        let bucket = self.sites.get_mut(site).or(self.others.as_mut());
        bucket.into_iter().for_each(|bucket| bucket.tokens += 1.0);
    }

    fn bucket(&mut self, site: &SiteName, full: f64, now: Instant) -> &mut Bucket {
        let fresh = || Bucket { tokens: full, filled: now };
        if self.sites.len() >= MAX_SITES && !self.sites.contains_key(site) {
            return self.others.get_or_insert_with(fresh);
        }
        self.sites.entry(site.clone()).or_insert_with(fresh)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sites_have_their_rates() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let (one, two) = (SiteName::parse("one").unwrap(), SiteName::parse("two").unwrap());
        let allowed =
            |rates: &mut Rates, site: &SiteName, now| (0..10).filter(|_| rates.allow_at(site, 4, now)).count();
        assert_eq!(allowed(&mut rates, &one, start), 4);
        assert_eq!(allowed(&mut rates, &two, start), 4, "another site's");
        assert_eq!(allowed(&mut rates, &one, start + Duration::from_millis(500)), 2);
        rates.give_back(&one);
        assert_eq!(allowed(&mut rates, &one, start + Duration::from_millis(500)), 1);
        assert_eq!(allowed(&mut rates, &one, start + Duration::from_secs(60)), 4);
    }
}

//! Whose requests a route takes.

use tidegate_config::model::{ClientConditions, Continent, CountryCode};

/// Facts about a client's place that routes decide by. One that is unknown fits no list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientPlace {
    /// Country.
    pub country: Option<CountryCode>,
    /// Continent.
    pub continent: Option<Continent>,
    /// Autonomous system.
    pub asn: Option<u32>,
}

impl ClientPlace {
    /// Whether a client of this place fits every list that is not empty.
    #[must_use]
    pub fn fits(&self, conditions: &ClientConditions) -> bool {
        within(&conditions.countries, self.country)
            && within(&conditions.continents, self.continent)
            && within(&conditions.asns, self.asn)
    }
}

/// Whether there are any conditions.
pub(super) fn is_conditional(conditions: &ClientConditions) -> bool {
    !(conditions.countries.is_empty() && conditions.continents.is_empty() && conditions.asns.is_empty())
}

fn within<T: PartialEq>(list: &[T], fact: Option<T>) -> bool {
    list.is_empty() || fact.is_some_and(|fact| list.contains(&fact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_fits_when_every_list_that_is_not_empty_has_its_fact() {
        let german = CountryCode::parse("DE").unwrap();
        let place = ClientPlace { country: Some(german), continent: Some(Continent::Europe), asn: Some(64_496) };
        let check = |countries: &[&str], continents: &[Continent], asns: &[u32], known: bool, unknown: bool| {
            let mut conditions = ClientConditions::default();
            conditions.countries = countries.iter().filter_map(|code| CountryCode::parse(code)).collect();
            conditions.continents = continents.to_vec();
            conditions.asns = asns.to_vec();
            assert_eq!(place.fits(&conditions), known, "{conditions:?}");
            assert_eq!(ClientPlace::default().fits(&conditions), unknown, "{conditions:?}");
            assert_eq!(is_conditional(&conditions), !unknown, "{conditions:?}");
        };
        check(&[], &[], &[], true, true);
        check(&["AT", "DE"], &[], &[], true, false);
        check(&["AT"], &[], &[], false, false);
        check(&[], &[Continent::Europe], &[], true, false);
        check(&[], &[Continent::Africa], &[], false, false);
        check(&[], &[], &[64_496], true, false);
        check(&["DE"], &[Continent::Europe], &[1], false, false);
        check(&["DE"], &[Continent::Europe], &[1, 64_496], true, false);
    }
}

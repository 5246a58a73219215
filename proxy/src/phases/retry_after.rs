//! When a client that is turned away may come again.

use http::{HeaderName, HeaderValue, header};

use crate::telemetry::RequestId;

/// Seconds over which clients that were turned away together are spread: they must not all come back together.
const SPREAD: u128 = 4;

/// `Retry-After` with 1 to 4 s (RFC 9110 section 10.2.3).
pub(super) fn retry_after(request_id: RequestId) -> (HeaderName, HeaderValue) {
    let seconds = u16::try_from(1 + request_id.as_u128() % SPREAD).unwrap_or(1);
    (header::RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::telemetry::RequestIdSource;

    #[test]
    fn clients_that_are_turned_away_are_spread_over_a_few_seconds() {
        let ids = RequestIdSource::new();
        let values: BTreeSet<String> =
            (0..200).map(|_| retry_after(ids.next_id()).1.to_str().unwrap().to_owned()).collect();
        assert_eq!(values.into_iter().collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    }
}

//! Which coding a client gets (RFC 9110 section 12.5.3).

use http::{HeaderMap, header};
use tidegate_config::model::Coding;

use super::name;

/// Elements of Accept-Encoding that are read. Browsers send five.
const MAX_ELEMENTS: usize = 32;

/// A weight in thousandths.
type Weight = u16;

/// The coding of `offered`, which is in order of our preference, that the client likes best; `None` where it prefers the
/// content as it is, says nothing, or accepts none of them. Who refuses `identity` as well gets it all the same:
/// a content that cannot be read is no worse than none (RFC 9110 section 12.5.3 leaves that to the server).
#[must_use]
pub fn negotiate(request: &HeaderMap, offered: &[Coding]) -> Option<Coding> {
    let mut stated: Vec<(&[u8], Weight)> = Vec::new();
    let lines = request.get_all(header::ACCEPT_ENCODING).iter();
    let elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    for element in elements.filter(|element| !element.is_empty()).take(MAX_ELEMENTS) {
        stated.extend(weighted(element));
    }
    let weight_of =
        |wanted: &[u8]| stated.iter().find(|(coding, _)| coding.eq_ignore_ascii_case(wanted)).map(|it| it.1);
    let others = weight_of(b"*");
    let identity = weight_of(b"identity");
    let mut best: Option<(Weight, Coding)> = None;
    for coding in offered {
        let mut weight = weight_of(name(*coding).as_bytes());
        if *coding == Coding::Gzip {
            weight = weight.or_else(|| weight_of(b"x-gzip")); // RFC 9110 section 8.4.1.3
        }
        let weight = weight.or(others).unwrap_or(0);
        if weight > best.map_or(0, |(best, _)| best) {
            best = Some((weight, *coding));
        }
    }
    best.filter(|(weight, _)| *weight >= identity.unwrap_or(0)).map(|(_, coding)| coding)
}

/// A coding with its weight; nothing for what has parameters other than a weight, or a weight that is none.
fn weighted(element: &[u8]) -> Option<(&[u8], Weight)> {
    let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let coding = parts.next()?;
    let weight = match parts.next() {
        None => 1000,
        Some([b'q' | b'Q', b'=', weight @ ..]) => thousandths(weight)?,
        Some(_) => return None,
    };
    parts.next().is_none().then_some((coding, weight))
}

/// `qvalue` (RFC 9110 section 12.4.2).
fn thousandths(text: &[u8]) -> Option<Weight> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, place) in decimals.iter().zip([100, 10, 1]) {
        weight += Weight::from(digit.is_ascii_digit().then(|| digit - b'0')?) * place;
    }
    (weight <= 1000).then_some(weight)
}

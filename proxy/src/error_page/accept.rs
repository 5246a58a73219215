//! `Accept` (RFC 9110 section 12.5.1): how much a client wants each of a few media types.

use http::{HeaderMap, header};

/// Ranges looked at; browsers send eight.
const MAX_RANGES: usize = 32;
/// Quality values are thousandths: three digits behind the point are all that the grammar has.
const FULL: u16 = 1000;

/// What a client accepts.
pub(super) struct Accept<'a> {
    ranges: Vec<Range<'a>>,
}

struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: u16,
}

/// How well a media type fits: the quality first, then how exactly it was named, then how early.
type Rank = (u16, Exactness, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Anything,
    Kind,
    Type,
}

impl<'a> Accept<'a> {
    /// That of a request. Without the field, or where nothing of it can be read, all is accepted alike.
    pub(super) fn of(request: &'a HeaderMap) -> Self {
        let lines = request.get_all(header::ACCEPT).into_iter().filter_map(|line| line.to_str().ok());
        let ranges: Vec<_> = lines.flat_map(|line| line.split(',')).take(MAX_RANGES).filter_map(Range::parse).collect();
        if ranges.is_empty() {
            return Self { ranges: vec![Range { kind: "*", subtype: "*", quality: FULL }] };
        }
        Self { ranges }
    }

    /// Whether a media type is accepted at all.
    pub(super) fn takes(&self, media_type: &str) -> bool {
        self.rank(media_type).is_some()
    }

    /// What is accepted best; the earlier of two that are accepted alike.
    pub(super) fn best<T>(
        &self,
        offers: impl Iterator<Item = T>,
        media_type: impl for<'o> Fn(&'o T) -> &'o str,
    ) -> Option<T> {
        let mut best: Option<(Rank, T)> = None;
        for offer in offers {
            let Some(rank) = self.rank(media_type(&offer)) else { continue };
            if best.as_ref().is_none_or(|(most, _)| rank > *most) {
                best = Some((rank, offer));
            }
        }
        best.map(|(_, offer)| offer)
    }

    /// The most exact range that takes the type says how much it is wanted; quality 0 is a refusal.
    fn rank(&self, media_type: &str) -> Option<Rank> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let (kind, subtype) = essence.split_once('/')?;
        let taking = self.ranges.iter().enumerate().filter_map(|(place, range)| {
            let exactness = range.exactness(kind, subtype)?;
            Some((exactness, self.ranges.len() - place, range.quality))
        });
        let (exactness, earliness, quality) = taking.max()?;
        let earliness = if exactness == Exactness::Type { earliness } else { 0 };
        (quality > 0).then_some((quality, exactness, earliness))
    }
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let mut quality = FULL;
        for parameter in parts {
            let (name, value) = parameter.split_once('=')?;
            if name.trim().eq_ignore_ascii_case("q") {
                quality = thousandths(value.trim())?;
            }
        }
        Some(Self { kind, subtype, quality })
    }

    fn exactness(&self, kind: &str, subtype: &str) -> Option<Exactness> {
        match (self.kind, self.subtype) {
            ("*", "*") => Some(Exactness::Anything),
            (own, "*") if own.eq_ignore_ascii_case(kind) => Some(Exactness::Kind),
            (own, of) if own.eq_ignore_ascii_case(kind) && of.eq_ignore_ascii_case(subtype) => Some(Exactness::Type),
            _ => None,
        }
    }
}

/// `qvalue` of RFC 9110 section 12.4.2.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = format!("{part:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(FULL),
        _ => None,
    }
}

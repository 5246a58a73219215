//! A body on its way in, piece by piece, and going on where its origin broke off.
//!
//! Owns the count of what came against what was declared: an end is clean only where they agree (RFC 9112 section 8).
//! Who may go on with a broken body, and how, is [`super::resumption`]'s.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tidegate_config::ids::OriginName;

use super::super::fetch::{FetchError, FetchEvent, FetchStream};
use super::resumption::{Continuation, Refetch, Resumption};
use crate::cache::rules::range::{ByteRange, ContentRange};

/// A body on its way in.
///
/// [`Response::receive`](super::response::Response::receive) makes one of a fetch; [`Self::next`] hands out its pieces in
/// order, and the clean end. To have it go on when its origin breaks off, call [`Self::resume_by`] with the response's
/// fields and a [`Refetch`] (`CacheEngine::refetch` makes one of the request that was sent) before reading on. That works
/// alike for a whole (200) and for a part (206): the rest is always asked for within the range that the response
/// announced, with the same strong entity tag, total length and coding. Readers see nothing of it but a pause.
pub(in crate::cache::engine) struct Arrival {
    pub(in crate::cache::engine) first: Option<Bytes>,
    stream: Box<dyn FetchStream>,
    ended: bool,
    /// What the origin declared.
    pub(in crate::cache::engine) length: Option<u64>,
    /// Where the stream that is read now must end, of `length`: a continuation may bring less than all of the rest.
    stretch: Option<u64>,
    delivered: u64,
    trailers: Option<HeaderMap>,
    resumption: Option<Resumption>,
}

/// Why the stream brings no more.
enum Break {
    /// It ended or failed before its time.
    Off(FetchError),
    /// It brings more than it announced: nothing of it can be believed any more.
    Excess,
}

impl Arrival {
    pub(super) fn new(stream: Box<dyn FetchStream>, length: Option<u64>, ended: bool) -> Self {
        Self { first: None, stream, ended, length, stretch: length, delivered: 0, trailers: None, resumption: None }
    }

    /// Has the body go on when it breaks off, where its length is known and its entity tag strong.
    pub(in crate::cache::engine) fn resume_by(
        &mut self,
        status: StatusCode,
        fields: &HeaderMap,
        origin: Option<&OriginName>,
        refetch: Box<dyn Refetch>,
    ) {
        let Some((range, total)) = extent(status, fields, self.length) else { return };
        let resumption = Resumption::of(fields, range, total, origin, refetch);
        self.resumption = resumption.map(|mut resumption| {
            resumption.advance(self.delivered);
            resumption
        });
    }

    /// Waits for the first piece without taking it.
    pub(in crate::cache::engine) async fn fetch_first(&mut self) -> Result<(), FetchError> {
        if self.first.is_none() {
            self.first = self.receive().await?;
        }
        Ok(())
    }

    /// The next piece; `None` at the clean end, which is one only where the length agrees.
    pub(in crate::cache::engine) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.receive().await,
        }
    }

    /// Trailer fields, once the end has come.
    pub(in crate::cache::engine) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            match self.read().await {
                Ok(piece) => return Ok(piece),
                Err(Break::Excess) => {
                    return Err(FetchError::bad_gateway("the body is longer than the origin declared"));
                }
                Err(Break::Off(why)) => self.go_on(why).await?,
            }
        }
    }

    /// The next piece of the stream that is read now.
    async fn read(&mut self) -> Result<Option<Bytes>, Break> {
        while !self.ended {
            match self.stream.next().await.map_err(Break::Off)? {
                FetchEvent::Body(bytes) if bytes.is_empty() => {}
                FetchEvent::Body(bytes) => {
                    let length = bytes.len() as u64;
                    self.delivered = self.delivered.saturating_add(length);
                    if self.stretch.is_some_and(|end| self.delivered > end) {
                        return Err(Break::Excess);
                    }
                    self.resumption.iter_mut().for_each(|resumption| resumption.advance(length));
                    return Ok(Some(bytes));
                }
                FetchEvent::Trailers(fields) => {
                    self.trailers = Some(fields);
                    self.ended = true;
                }
                FetchEvent::End => self.ended = true,
                FetchEvent::Head { .. } => {}
            }
        }
        if self.length.is_some_and(|length| self.delivered != length) {
            return Err(Break::Off(FetchError::bad_gateway("the body is shorter than the origin declared")));
        }
        Ok(None)
    }

    async fn go_on(&mut self, why: FetchError) -> Result<(), FetchError> {
        let (Some(resumption), Some(length)) = (&mut self.resumption, self.length) else { return Err(why) };
        let missing = resumption.missing();
        if missing.length() == 0 {
            // All of it is here; only the goodbye is not.
            self.ended = true;
            return Ok(());
        }
        let Continuation { stream, end, ended } = resumption.go_on(why).await?;
        (self.stream, self.ended, self.trailers) = (stream, ended, None);
        self.stretch = Some(length - (missing.end - end));
        Ok(())
    }
}

/// What of which whole a response of this length brings, where that is known beforehand.
fn extent(status: StatusCode, fields: &HeaderMap, length: Option<u64>) -> Option<(ByteRange, u64)> {
    let length = length?;
    match status {
        StatusCode::OK => Some((ByteRange { start: 0, end: length }, length)),
        StatusCode::PARTIAL_CONTENT => {
            let ContentRange { range, total } = ContentRange::from_headers(fields)?;
            (range.length() == length).then_some((range, total?))
        }
        _ => None,
    }
}

/// The length of the body, where it is known beforehand. What the origin declared counts also when it sends nothing:
/// the body is then incomplete.
pub(super) fn declared_length(status: StatusCode, fields: &HeaderMap, ended: bool) -> Option<u64> {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0); // RFC 9110 sections 15.3.5 and 15.4.5: never content, whatever is declared
    }
    let declared = fields.get(header::CONTENT_LENGTH).and_then(|value| digits(value.as_bytes().trim_ascii()));
    declared.or(ended.then_some(0))
}

fn digits(text: &[u8]) -> Option<u64> {
    let all_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if all_digits { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_length_is_believed_only_where_it_is_one() {
        let check = |status: u16, value: Option<&str>, ended: bool, expected: Option<u64>| {
            let mut fields = HeaderMap::new();
            if let Some(value) = value {
                fields.insert(header::CONTENT_LENGTH, value.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(declared_length(status, &fields, ended), expected, "{status} {value:?} {ended}");
        };
        check(200, Some("5"), false, Some(5));
        check(200, Some("5"), true, Some(5)); // and thus too short
        check(200, None, true, Some(0));
        check(200, None, false, None);
        check(204, Some("5"), true, Some(0));
        for odd in ["+5", "-5", "5, 5", "0x5", "", "99999999999999999999"] {
            check(200, Some(odd), false, None);
        }
    }

    #[test]
    fn extent_is_known_only_where_length_and_range_agree() {
        let check = |status: u16, range: Option<&str>, length: Option<u64>, expected: Option<(u64, u64, u64)>| {
            let mut fields = HeaderMap::new();
            if let Some(range) = range {
                fields.insert(header::CONTENT_RANGE, range.parse().unwrap());
            }
            let found = extent(StatusCode::from_u16(status).unwrap(), &fields, length);
            assert_eq!(found.map(|(it, total)| (it.start, it.end, total)), expected, "{status} {range:?} {length:?}");
        };
        check(200, None, Some(5), Some((0, 5, 5)));
        check(200, None, None, None);
        check(206, Some("bytes 5-9/20"), Some(5), Some((5, 10, 20)));
        check(206, Some("bytes 5-9/20"), Some(6), None);
        check(206, Some("bytes 5-9/*"), Some(5), None);
        check(206, None, Some(5), None);
        check(404, None, Some(5), None);
    }
}

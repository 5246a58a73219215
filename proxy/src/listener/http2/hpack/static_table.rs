//! The static table (RFC 7541 appendix A).

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use super::dynamic_table::{Entry, size_of};
use super::field::{Field, Malformed, Name};

/// Fields with fixed indices, the first of which is 1.
pub(super) const LENGTH: usize = 61;
/// The first field that is no pseudo-header; responses have names from there on.
const FIRST_REGULAR: usize = 15;

/// The table, and the names of its regular fields for what is made of them when this is compiled.
macro_rules! table {
    ($($pseudo:expr,)*; $(($name:literal, $value:literal),)*) => {
        /// All fields in their order.
        pub(super) static ENTRIES: [Entry; LENGTH] = [$($pseudo,)* $(regular($name, $value),)*];
        const REGULAR_NAMES: [&str; LENGTH + 1 - FIRST_REGULAR] = [$($name,)*];
    };
}

#[rustfmt::skip]
table! {
    entry(":authority", "", Name::Authority, Field::Authority(HeaderValue::from_static(""))),
    entry(":method", "GET", Name::Method, Field::Method(Method::GET)),
    entry(":method", "POST", Name::Method, Field::Method(Method::POST)),
    entry(":path", "/", Name::Path, Field::Path(Bytes::from_static(b"/"))),
    entry(":path", "/index.html", Name::Path, Field::Path(Bytes::from_static(b"/index.html"))),
    entry(":scheme", "http", Name::Scheme, Field::Scheme(Bytes::from_static(b"http"))),
    entry(":scheme", "https", Name::Scheme, Field::Scheme(Bytes::from_static(b"https"))),
    status("200"), status("204"), status("206"), status("304"), status("400"), status("404"), status("500"),
    ;
    ("accept-charset", ""), ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""),
    ("cache-control", ""), ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""),
    ("content-length", ""), ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""),
    ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""),
    ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
    ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""),
    ("server", ""), ("set-cookie", ""), ("strict-transport-security", ""), ("transfer-encoding", ""),
    ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
}

const fn entry(text: &str, value: &str, name: Name, field: Field) -> Entry {
    Entry { field, name, name_length: text.len(), size: size_of(text.len(), value.len()) }
}

const fn status(value: &str) -> Entry {
    entry(":status", value, Name::UnknownPseudo, Field::Malformed(Malformed::PseudoHeader))
}

const fn regular(text: &'static str, value: &'static str) -> Entry {
    let field = Field::Regular(HeaderName::from_static(text), HeaderValue::from_static(value));
    entry(text, value, Name::Regular(HeaderName::from_static(text)), field)
}

/// Places of names by [`place`], in which each name of the table has its own; the first index where a name has several.
/// Zero is none.
static PLACES: [u8; PLACES_LENGTH] = places();
const PLACES_LENGTH: usize = 128;
const fn places() -> [u8; PLACES_LENGTH] {
    let mut places = [0; PLACES_LENGTH];
    let mut index = FIRST_REGULAR;
    while index <= LENGTH {
        let taken = &mut places[place(REGULAR_NAMES[index - FIRST_REGULAR].as_bytes())];
        assert!(*taken == 0, "two names have one place");
        *taken = index as u8;
        index += 1;
    }
    places
}

/// A hash without collisions among the names of the table.
const fn place(name: &[u8]) -> usize {
    let length = name.len();
    let sum = length * 59 + name[0] as usize * 41 + name[length - 1] as usize * 10 + name[length / 2] as usize * 61;
    sum % PLACES_LENGTH
}

/// The index of a field that is no pseudo-header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RegularIndex(u8);

impl RegularIndex {
    pub(super) const SET_COOKIE: Self = Self(55);

    /// What is left of it behind a prefix of four bits, which none of them fits into.
    pub(super) fn beyond_prefix(self) -> u8 {
        self.0 - FIRST_REGULAR as u8
    }
}

/// The index of the field with this name and text.
#[inline]
pub(super) fn index_of(name: &HeaderName, text: &[u8]) -> Option<RegularIndex> {
    let index = PLACES[place(text)];
    let entry = ENTRIES.get(usize::from(index).wrapping_sub(1))?;
    matches!(&entry.name, Name::Regular(known) if known == name).then_some(RegularIndex(index))
}

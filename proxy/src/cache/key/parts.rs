//! Parts of a key beside the URL: request fields, cookies, the client's country and kind of device.
//!
//! Owns their text within a key and what a fill tells its origin of them. Each stands on a line of its own, which no URL
//! and no field's value can contain, and begins with what it is; so two sets of parts never become the same text.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};
use tidegate_config::model::{CountryCode, KeyRules};

use super::device::Device;
use crate::cache::rules::vary::normalised;

/// Field by which origins are told the kind of device, where it is part of the key.
pub static DEVICE: HeaderName = HeaderName::from_static("tidegate-device");
/// Field by which origins are told the client's country, where it is part of the key.
pub static COUNTRY: HeaderName = HeaderName::from_static("tidegate-country");

/// Values up to this many bytes stand in keys as they are, longer ones as a digest: keys count against the cache's memory.
const MAX_VALUE: usize = 128;

/// What parts are made of.
pub struct PartSources<'a> {
    /// Fields of the request.
    pub fields: &'a HeaderMap,
    /// The client's country, where it counts and is known.
    pub country: Option<CountryCode>,
}

/// Whether a key has anything beside the URL.
#[must_use]
pub fn has_parts(rules: &KeyRules) -> bool {
    !rules.headers.is_empty() || !rules.cookies.is_empty() || rules.country || rules.device
}

/// Appends the parts.
pub(super) fn write(rules: &KeyRules, sources: &PartSources<'_>, text: &mut String) {
    for name in &rules.headers {
        text.push('\n');
        text.push_str(name.as_str());
        if sources.fields.contains_key(name) {
            text.push(':');
            write_value(&normalised(name, sources.fields), text);
        }
    }
    for name in &rules.cookies {
        text.push_str("\ncookie ");
        text.push_str(name);
        let values = cookies(sources.fields, name).collect::<Vec<_>>();
        if !values.is_empty() {
            text.push('=');
            write_value(&values.join(&b';'), text);
        }
    }
    if rules.country {
        text.push_str("\ncountry ");
        text.push_str(sources.country.as_ref().map_or("", |country| country.as_str()));
    }
    if rules.device {
        text.push_str("\ndevice ");
        text.push_str(Device::of(sources.fields).as_str());
    }
}

/// A space and the value, or `#` and its digest.
fn write_value(value: &[u8], text: &mut String) {
    if value.len() > MAX_VALUE {
        text.push('#');
        text.extend(Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")));
    } else {
        text.push(' ');
        text.extend(value.iter().copied().map(char::from));
    }
}

/// The values of the cookies of one name, in the order sent.
fn cookies<'a>(fields: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    pairs(fields).filter(move |(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
}

/// Names and values of all cookies (RFC 6265 section 4.2.1).
fn pairs(fields: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = fields.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).map(|pair| {
        let pair = pair.trim_ascii();
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (pair[..end].trim_ascii(), pair.get(end + 1..).unwrap_or_default().trim_ascii())
    })
}

/// What an origin is told of a client because it makes the key, from the client's fields. A client that claims such a
/// field of itself is not believed: the caller takes both away first.
pub fn told(
    rules: &KeyRules,
    country: Option<CountryCode>,
    fields: &HeaderMap,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let device = rules.device.then(|| HeaderValue::from_static(Device::of(fields).as_str()));
    let country = country.filter(|_| rules.country).and_then(|country| HeaderValue::from_str(country.as_str()).ok());
    device.map(|value| (DEVICE.clone(), value)).into_iter().chain(country.map(|value| (COUNTRY.clone(), value)))
}

/// Leaves of a fill's cookies those that make the key, where any do: an origin could otherwise answer by one that nobody
/// tells apart.
pub fn keep_cookies(rules: &KeyRules, fields: &mut HeaderMap) {
    if rules.cookies.is_empty() {
        return;
    }
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for name in &rules.cookies {
        kept.extend(cookies(fields, name).map(|value| [name.as_bytes(), b"=", value].concat()));
    }
    fields.remove(header::COOKIE);
    if let Ok(value) = HeaderValue::from_bytes(&kept.join(&b"; "[..]))
        && !kept.is_empty()
    {
        fields.insert(header::COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn rules() -> KeyRules {
        let mut rules = KeyRules::default();
        rules.headers = vec![HeaderName::from_static("x-a"), HeaderName::from_static("x-b")];
        rules.cookies = vec!["id".to_owned(), "lang".to_owned()];
        rules
    }

    fn text(fields: &HeaderMap) -> String {
        let mut text = String::new();
        write(&rules(), &PartSources { fields, country: None }, &mut text);
        text
    }

    const A: HeaderName = HeaderName::from_static("x-a");
    const B: HeaderName = HeaderName::from_static("x-b");

    #[test]
    fn every_set_of_values_has_a_text_of_its_own() {
        let long: &'static str = Box::leak("v".repeat(MAX_VALUE + 1).into_boxed_str());
        let other: &'static str = Box::leak(("w".to_owned() + &"v".repeat(MAX_VALUE)).into_boxed_str());
        let requests = [
            fields(&[]),
            fields(&[(A, "")]),
            fields(&[(A, "1")]),
            fields(&[(B, "1")]),
            fields(&[(A, "1"), (B, "1")]),
            fields(&[(A, "1"), (A, "2")]),
            fields(&[(A, "1, 2")]),
            fields(&[(A, "1,2")]),
            fields(&[(A, "1,")]),
            fields(&[(A, "1"), (A, "")]),
            fields(&[(A, "x-b: 1")]),
            fields(&[(A, long)]),
            fields(&[(A, other)]),
            fields(&[(header::COOKIE, "id=1")]),
            fields(&[(header::COOKIE, "id=")]),
            fields(&[(header::COOKIE, "id=1; id=2")]),
            fields(&[(header::COOKIE, "id=2; id=1")]),
            fields(&[(header::COOKIE, "lang=1")]),
            fields(&[(header::COOKIE, "ID=1")]),
        ];
        let texts: Vec<String> = requests.iter().map(text).collect();
        for (number, text) in texts.iter().enumerate() {
            let twin = texts[number + 1..].iter().position(|other| other == text);
            // A cookie of another name does not count.
            assert!(twin.is_none() || number == 0, "{text:?}");
        }
        assert_eq!(Some(&texts[0]), texts.last());
    }

    #[test]
    fn digest_is_no_value_that_a_client_could_send() {
        let value: &'static str = Box::leak("v".repeat(MAX_VALUE + 1).into_boxed_str());
        let long = text(&fields(&[(A, value)]));
        let digest = long.lines().nth(1).unwrap().strip_prefix("x-a:").unwrap();
        let claimed = HeaderValue::from_str(digest).unwrap();
        assert_ne!(text(&HeaderMap::from_iter([(A, claimed)])), long);
    }

    #[test]
    fn what_means_the_same_is_one_key() {
        let mut lists = KeyRules::default();
        lists.headers = vec![header::ACCEPT];
        let list = |lines: &[(HeaderName, &'static str)]| {
            let mut text = String::new();
            write(&lists, &PartSources { fields: &fields(lines), country: None }, &mut text);
            text
        };
        assert_eq!(list(&[(header::ACCEPT, "a, b")]), list(&[(header::ACCEPT, "a,b")]));
        assert_eq!(list(&[(header::ACCEPT, "a"), (header::ACCEPT, "b")]), list(&[(header::ACCEPT, "a, b")]));
        let cookie = |value| text(&fields(&[(header::COOKIE, value)]));
        assert_eq!(cookie("x=0; id=1;lang=de"), cookie("lang=de; y=2; id=1"));
    }

    #[test]
    fn fills_carry_the_cookies_of_the_key_alone() {
        let check = |lines: &[(HeaderName, &'static str)], expected: Option<&str>| {
            let mut fields = fields(lines);
            keep_cookies(&rules(), &mut fields);
            let found: Vec<_> = fields.get_all(header::COOKIE).iter().collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{lines:?}");
        };
        check(&[(header::COOKIE, "x=1; lang=de; id=2; id=3")], Some("id=2; id=3; lang=de"));
        check(&[(header::COOKIE, "x=1"), (header::COOKIE, "id=2")], Some("id=2"));
        check(&[(header::COOKIE, "x=1")], None);
        check(&[], None);
        let mut all = fields(&[(header::COOKIE, "x=1")]);
        keep_cookies(&KeyRules::default(), &mut all);
        assert_eq!(all.get(header::COOKIE).unwrap(), "x=1", "where no cookie is in the key, Vary is the guard");
    }

    #[test]
    fn origins_are_told_what_this_node_knows_and_not_what_clients_claim() {
        let mut rules = KeyRules::default();
        let claimed = fields(&[(DEVICE.clone(), "fridge"), (COUNTRY.clone(), "XX")]);
        let found = |rules: &KeyRules, country| -> HeaderMap { told(rules, country, &claimed).collect() };
        assert!(found(&rules, CountryCode::parse("DE")).is_empty());
        (rules.device, rules.country) = (true, true);
        let expected = fields(&[(DEVICE.clone(), "desktop"), (COUNTRY.clone(), "DE")]);
        assert_eq!(found(&rules, CountryCode::parse("DE")), expected);
        assert_eq!(found(&rules, None), fields(&[(DEVICE.clone(), "desktop")]));
    }
}

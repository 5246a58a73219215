//! The percent-encoding that signatures are computed over.

/// Encodes a path as S3 does: unreserved characters (RFC 3986 section 2.3) and `/` stay, everything else is `%XX`.
/// What is encoded already stays so, but in this one form. The result names the same resource.
#[must_use]
pub(super) fn strict_path(path: &[u8]) -> String {
    let mut strict = String::with_capacity(path.len() + 16);
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let (octet, encoded) = match (byte, hexadecimal(after)) {
            (b'%', Some(octet)) => {
                rest = after.get(2..).unwrap_or_default();
                (octet, true)
            }
            _ => (byte, false),
        };
        if is_unreserved(octet) || (octet == b'/' && !encoded) {
            strict.push(char::from(octet));
        } else {
            push_encoded(&mut strict, octet);
        }
    }
    strict
}

/// Encodes what may not stand in a query (RFC 3986 section 3.4) and leaves everything else as it is.
#[must_use]
pub(super) fn allowed_query(query: &[u8]) -> String {
    let mut allowed = String::with_capacity(query.len());
    for &byte in query {
        if is_unreserved(byte) || b"!$&'()*+,;=:@/?%".contains(&byte) {
            allowed.push(char::from(byte));
        } else {
            push_encoded(&mut allowed, byte);
        }
    }
    allowed
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn hexadecimal(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(bytes.first()?)? << 4 | digit(bytes.get(1)?)?)
}

fn push_encoded(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    for digit in [byte >> 4, byte & 0x0f] {
        text.extend(DIGITS.get(usize::from(digit)).map(|digit| char::from(*digit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_strict_form() {
        let check = |path: &[u8], expected: &str| assert_eq!(strict_path(path), expected);
        check(b"/a/b.txt", "/a/b.txt");
        check(b"/film (1)+2@x=.mp4", "/film%20%281%29%2B2%40x%3D.mp4");
        check(b"/%e4%7e%41%2f", "/%E4~A%2F");
        check(b"/\xc3\xa4", "/%C3%A4");
        check(b"/100%", "/100%25");
        check(b"/%4", "/%254");
        check(b"/%zz", "/%25zz");
    }

    #[test]
    fn a_query_keeps_what_it_may_hold() {
        assert_eq!(allowed_query(b"a=b%20c+d&e=/?:@"), "a=b%20c+d&e=/?:@");
        assert_eq!(allowed_query(b"a={|}\"\xff"), "a=%7B%7C%7D%22%FF");
    }
}

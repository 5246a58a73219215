//! The bearer token of the operator's listener.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Longest token file; a larger one is another file by mistake.
const MAX_FILE_BYTES: u64 = 4 * 1024;
/// Shortest token: 32 hexadecimal digits are 128 bits, and nobody types one by hand.
const MIN_TOKEN_BYTES: usize = 32;

/// A token, kept as its digest: comparing digests takes the same time whatever the length of what was shown.
#[derive(Clone)]
pub struct AdminToken([u8; 32]);

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUse {
    /// The operator's listener.
    Admin,
    /// Being told of the cache in responses.
    Debug,
}

impl fmt::Display for TokenUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Admin => "admin",
            Self::Debug => "debug",
        })
    }
}

/// Why a token file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read.
    #[error("{0} token file cannot be read: {1}")]
    Read(TokenUse, #[source] io::Error),
    /// It holds more than a token.
    #[error("{0} token file is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge(TokenUse),
    /// The token could be guessed.
    #[error("{0} token is shorter than {MIN_TOKEN_BYTES} characters")]
    TooShort(TokenUse),
    /// The token cannot be sent in a header field.
    #[error("{0} token contains other than visible ASCII characters")]
    InvalidCharacter(TokenUse),
}

impl AdminToken {
    /// Reads a file that holds a token and nothing else but white space around it.
    pub fn read(path: &Path, of: TokenUse) -> Result<Self, TokenError> {
        let mut text = Vec::new();
        let unreadable = |error| TokenError::Read(of, error);
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(TokenError::TooLarge(of));
        }
        Self::new(text.trim_ascii(), of)
    }

    /// Takes over a token.
    pub fn new(token: &[u8], of: TokenUse) -> Result<Self, TokenError> {
        if token.len() < MIN_TOKEN_BYTES {
            return Err(TokenError::TooShort(of));
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::InvalidCharacter(of));
        }
        Ok(Self(Sha256::digest(token).into()))
    }

    /// Whether this is the token. Comparing takes the same time whatever is shown.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(shown.trim_ascii()).into();
        bool::from(self.0.ct_eq(&digest))
    }

    /// Whether an Authorization field shows this token (RFC 6750 section 2.1; the scheme in any case, RFC 9110
    /// section 11.1).
    #[must_use]
    pub fn is_shown_by(&self, authorization: &[u8]) -> bool {
        let Some((scheme, shown)) = authorization.split_at_checked("Bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer ") && self.is(shown)
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AdminToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_very_token_is_accepted() {
        let token = AdminToken::new(TOKEN.as_bytes(), TokenUse::Admin).unwrap();
        let check = |shown: &str, expected: bool| assert_eq!(token.is_shown_by(shown.as_bytes()), expected, "{shown}");
        check(&format!("Bearer {TOKEN}"), true);
        check(&format!("bearer  {TOKEN} "), true);
        check(TOKEN, false);
        check(&format!("Basic  {TOKEN}"), false);
        check(&format!("Bearer {TOKEN}0"), false);
        check(&format!("Bearer {}", &TOKEN[1..]), false);
        check("Bearer ", false);
        check("", false);
    }

    #[test]
    fn weak_and_unusable_tokens_are_refused() {
        assert!(matches!(AdminToken::new(b"", TokenUse::Admin), Err(TokenError::TooShort(_))));
        assert!(matches!(AdminToken::new(&TOKEN.as_bytes()[1..], TokenUse::Admin), Err(TokenError::TooShort(_))));
        assert!(matches!(
            AdminToken::new(format!("{TOKEN} x").as_bytes(), TokenUse::Admin),
            Err(TokenError::InvalidCharacter(_))
        ));
        for (of, said) in [(TokenUse::Admin, "admin token"), (TokenUse::Debug, "debug token")] {
            let error = AdminToken::read(Path::new("/nonexistent/token"), of).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{said} file cannot be read: No such file")), "{error}");
        }
    }

    #[test]
    fn a_token_is_not_shown_in_debug_output() {
        assert_eq!(format!("{:?}", AdminToken::new(TOKEN.as_bytes(), TokenUse::Admin).unwrap()), "AdminToken(…)");
    }
}

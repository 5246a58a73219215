//! What a private origin wants to see with every request: a signature, or fields with secrets.
//!
//! Secrets come from files, are kept in memory only, and are never printed. Whatever a client sent under the same names
//! is removed first, so that nobody adds to what this node says of itself.

mod percent;
mod s3;
mod secret;

use std::path::Path;
use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use pingora_http::RequestHeader;
use tidegate_config::model::{Credentials as Written, Origin};

use self::s3::S3Signer;
use self::secret::read_secret;
use super::access::{NamedFile, OriginError};

/// Why a request could not be authorised.
#[derive(Debug, thiserror::Error)]
pub enum AuthoriseError {
    /// It has no host to sign.
    #[error("a request without host cannot be signed")]
    NoHost,
    /// A field could not be set.
    #[error("setting the field {0}")]
    Field(HeaderName),
    /// The target could not be set.
    #[error("setting the target")]
    Target,
    /// The signature could not be computed.
    #[error("signing the request")]
    Sign(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Credentials, ready for use.
pub(super) enum Credentials {
    /// Signature Version 4 for S3.
    S3(S3Signer),
    /// Fields with secrets; their values are marked sensitive.
    Fields(Vec<(HeaderName, HeaderValue)>),
}

impl Credentials {
    /// Reads the files, or says of each why it is of no use.
    pub(super) fn load(origin: &Origin, written: &Written) -> Result<Self, Vec<OriginError>> {
        match written {
            Written::S3 { region, access_key_file, secret_key_file, session_token_file } => {
                let read = |name: &str, path: &Path| {
                    let field = format!("credentials.s3.{name}");
                    read_secret(NamedFile { origin, field: &field, path, expected: secret::EXPECTED })
                };
                let token = session_token_file.as_deref().map(|path| read("session_token_file", path)).transpose();
                match (read("access_key_file", access_key_file), read("secret_key_file", secret_key_file), token) {
                    (Ok(access), Ok(secret), Ok(token)) => Ok(Self::S3(S3Signer::new(region, &access, &secret, token))),
                    (access, secret, token) => {
                        Err(access.err().into_iter().chain(secret.err()).chain(token.err()).collect())
                    }
                }
            }
            Written::Fields(fields) => {
                let (mut read, mut errors) = (Vec::new(), Vec::new());
                for (name, path) in fields {
                    match read_field(origin, name, path) {
                        Ok(value) => read.push((name.clone(), value)),
                        Err(error) => errors.push(error),
                    }
                }
                if errors.is_empty() { Ok(Self::Fields(read)) } else { Err(errors) }
            }
        }
    }

    /// Adds them to a request whose other fields and target are as they will be sent.
    pub(super) fn authorise(&self, request: &mut RequestHeader, now: SystemTime) -> Result<(), AuthoriseError> {
        match self {
            Self::S3(signer) => signer.sign(request, now),
            Self::Fields(fields) => {
                for (name, value) in fields {
                    let set = request.insert_header(name.clone(), value.clone());
                    set.map_err(|_| AuthoriseError::Field(name.clone()))?;
                }
                Ok(())
            }
        }
    }
}

fn read_field(origin: &Origin, name: &HeaderName, path: &Path) -> Result<HeaderValue, OriginError> {
    let field = format!("credentials.fields.{name}.value_file");
    let file = NamedFile { origin, field: &field, path, expected: secret::EXPECTED };
    let secret = read_secret(file)?;
    let mut value = HeaderValue::from_str(secret.as_str()).map_err(|_| file.wrong("it cannot be sent in a field"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;

//! Signature Version 4 as S3 and what speaks like it expect it.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderName, HeaderValue, Method, header};
use pingora_http::RequestHeader;

use super::AuthoriseError;
use super::percent::{allowed_query, strict_path};
use super::secret::Secret;
use crate::origin::target;

/// The service's name within a signature.
const SERVICE: &str = "s3";

/// Prefix of the fields that belong to the signature; S3 wants all such fields signed.
const OWN_FIELDS: &str = "x-amz-";

/// Signs requests with one pair of keys.
pub(in crate::origin) struct S3Signer {
    region: String,
    identity: Identity,
}

impl S3Signer {
    pub(super) fn new(region: &str, access_key: &Secret, secret_key: &Secret, token: Option<Secret>) -> Self {
        let token = token.map(|token| token.as_str().to_owned());
        let credentials = Credentials::new(access_key.as_str(), secret_key.as_str(), token, None, "tidegate");
        Self { region: region.to_owned(), identity: credentials.into() }
    }

    /// Signs target, host and what the signature itself needs. Other fields (ranges, conditions, tracing) are left out:
    /// S3 asks for none of them, and no hop in between can then break the signature.
    pub(super) fn sign(&self, request: &mut RequestHeader, now: SystemTime) -> Result<(), AuthoriseError> {
        remove_own_fields(request);
        let target = strict_target(request)?;
        let host = host(request).ok_or(AuthoriseError::NoHost)?;
        let url = format!("http://{host}{target}");
        let method = request.method.clone();
        let fields = std::iter::once(("host", host.as_str()));
        let signable = SignableRequest::new(method.as_str(), url, fields, payload(request)).map_err(signing)?;
        let parameters = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(SERVICE)
            .time(now)
            .settings(settings())
            .build()
            .map_err(signing)?;
        let (instructions, _) = sign(signable, &parameters.into()).map_err(signing)?.into_parts();
        for (name, value) in instructions.headers() {
            set(request, name, value)?;
        }
        Ok(())
    }
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

/// What a client sent under the names of the signature.
fn remove_own_fields(request: &mut RequestHeader) {
    let own: Vec<HeaderName> =
        request.headers.keys().filter(|name| name.as_str().starts_with(OWN_FIELDS)).cloned().collect();
    for name in own.iter().chain([&header::AUTHORIZATION]) {
        request.remove_header(name);
    }
}

/// Brings the path into the form that is signed, so that a storage which signs the path as it came and one which
/// decodes and encodes it anew both come to the same signature.
fn strict_target(request: &mut RequestHeader) -> Result<String, AuthoriseError> {
    let sent = target::origin_form(request).to_vec();
    let (path, query) = match sent.iter().position(|byte| *byte == b'?') {
        Some(place) => (sent.get(..place).unwrap_or_default(), sent.get(place + 1..)),
        None => (&sent[..], None),
    };
    let (path, query) = (strict_path(path), query.map(allowed_query));
    let strict = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    if strict.as_bytes() != sent {
        target::set_target(request, strict.as_bytes()).map_err(|_| AuthoriseError::Target)?;
    }
    Ok(strict)
}

/// The host as it is sent: the field, which wins over the authority of an HTTP/2 target.
fn host(request: &RequestHeader) -> Option<String> {
    let field = request.headers.get(header::HOST).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    field.or_else(|| request.uri.authority().map(ToString::to_string))
}

/// Bodies stream, so their digest is not known yet.
fn payload(request: &RequestHeader) -> SignableBody<'static> {
    let length = request.headers.get(header::CONTENT_LENGTH);
    let framed = length.is_some_and(|length| length != "0") || request.headers.contains_key(header::TRANSFER_ENCODING);
    let usually_bare = matches!(request.method, Method::GET | Method::HEAD);
    if usually_bare && !framed { SignableBody::Bytes(&[]) } else { SignableBody::UnsignedPayload }
}

fn set(request: &mut RequestHeader, name: &str, value: &str) -> Result<(), AuthoriseError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(signing)?;
    let mut value = HeaderValue::from_str(value).map_err(signing)?;
    value.set_sensitive(true);
    request.insert_header(name.clone(), value).map(drop).map_err(|_| AuthoriseError::Field(name))
}

fn signing(error: impl std::error::Error + Send + Sync + 'static) -> AuthoriseError {
    AuthoriseError::Sign(Box::new(error))
}

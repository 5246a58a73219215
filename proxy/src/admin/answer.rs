//! Answers of the operator's listener: JSON, errors included, never cached.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::access::Denied;

/// An answer, ready to be sent.
pub(super) type Answer = Response<Full<Bytes>>;

/// Media type of Prometheus' text exposition format.
pub(super) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON_TYPE: &str = "application/json";

pub(super) fn body(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

pub(super) fn json_bytes(status: StatusCode, bytes: Bytes) -> Answer {
    body(status, JSON_TYPE, bytes)
}

pub(super) fn json_value(status: StatusCode, value: &Value) -> Answer {
    body(status, JSON_TYPE, value.to_string())
}

/// An error; `code` is for programs, `message` for people.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Answer {
    json_value(status, &json!({ "error": { "code": code, "message": message } }))
}

pub(super) fn method_not_allowed(allowed: &str) -> Answer {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &format!("allowed here: {allowed}"));
    // Made of method names, so always valid.
    answer.headers_mut().insert(ALLOW, HeaderValue::from_str(allowed).unwrap_or(HeaderValue::from_static("GET")));
    answer
}

pub(super) fn denied(reason: Denied) -> Answer {
    match reason {
        Denied::CrossOrigin => {
            error(StatusCode::FORBIDDEN, "cross_origin", "requests with an Origin field are not answered here")
        }
        Denied::ForeignHost => {
            error(StatusCode::FORBIDDEN, "foreign_host", "the Host field must be this listener's address or localhost")
        }
        Denied::Unauthorized => {
            let message = "clients from other than loopback addresses need the bearer token of the node's token file";
            let mut answer = error(StatusCode::UNAUTHORIZED, "unauthorized", message);
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"tidegate\""));
            answer
        }
    }
}

//! The bytes of each form.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::json;
use tidegate_config::model::ErrorPage;

use super::{ErrorBody, Failure};

/// What a status without a name of its own is called.
const UNNAMED: &str = "Error";

pub(super) fn text(failure: Failure<'_>) -> ErrorBody {
    let Failure { status, request_id } = failure;
    let content = format!("{} {}\nrequest {request_id}\n", status.as_u16(), reason(status));
    ErrorBody { content_type: HeaderValue::from_static("text/plain; charset=utf-8"), content: content.into() }
}

pub(super) fn json(failure: Failure<'_>) -> ErrorBody {
    let Failure { status, request_id } = failure;
    let content = json!({ "status": status.as_u16(), "error": reason(status), "request_id": request_id });
    ErrorBody { content_type: HeaderValue::from_static("application/json"), content: format!("{content}\n").into() }
}

pub(super) fn html(failure: Failure<'_>) -> ErrorBody {
    let Failure { status, request_id } = failure;
    let title = format!("{} {}", status.as_u16(), reason(status));
    let content = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title>\n<h1>{title}</h1>\n<p>Request <code>{request_id}</code>\n\
         </html>\n"
    );
    ErrorBody { content_type: HeaderValue::from_static("text/html; charset=utf-8"), content: content.into() }
}

/// An operator's page with its variables replaced; what else looks like one is left as it is.
pub(super) fn page(failure: Failure<'_>, page: &ErrorPage) -> ErrorBody {
    let content_type = HeaderValue::from_str(&page.content_type);
    // Validated with the configuration.
    let content_type = content_type.unwrap_or(HeaderValue::from_static("text/html; charset=utf-8"));
    ErrorBody { content_type, content: Bytes::from(filled(failure, &page.content)) }
}

fn filled(failure: Failure<'_>, content: &str) -> String {
    let mut filled = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let known = ["${status}", "${reason}", "${request_id}"].into_iter().find(|name| from.starts_with(name));
        let length = match known {
            Some(name) => {
                // Writing to a string cannot fail.
                let _written = match name {
                    "${status}" => write!(filled, "{}", failure.status.as_u16()),
                    "${reason}" => filled.write_str(reason(failure.status)),
                    _ => filled.write_str(failure.request_id),
                };
                name.len()
            }
            None => {
                filled.push_str("${");
                2
            }
        };
        rest = &from[length..];
    }
    filled.push_str(rest);
    filled
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or(UNNAMED)
}

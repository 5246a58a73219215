//! What the operator's listener tells of the cache: how it sees a URL.
//!
//! Owns the question; the answer comes from whoever knows routes and the cache, behind [`ExplainsCache`].

use std::net::IpAddr;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answer::{self, Answer};
use super::routes::Call;
use super::server::AdminState;

/// Fields of a request that a question may name: as many as a request may have that tests a policy.
const MAX_FIELDS: usize = 64;

/// How does the cache see this request?
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheQuestion {
    /// The URL, whole.
    pub url: String,
    /// The method; GET when absent.
    pub method: Option<String>,
    /// Fields, `Name: value` each.
    pub fields: Vec<String>,
    /// Address of the client, for routes and keys that care where it is.
    pub client: Option<IpAddr>,
}

/// Whoever can answer it.
pub trait ExplainsCache: Send + Sync {
    /// The answer, or what is wrong with the question.
    fn explain(&self, question: &CacheQuestion) -> BoxFuture<'static, Result<Value, String>>;
}

/// `GET /cache/explain?url=URL`, with `method=`, `field=Name: value` (several) and `client=ADDRESS`, all percent-encoded.
pub(super) fn explain(state: &AdminState, call: &Call<'_>) -> BoxFuture<'static, Answer> {
    let Some(explainer) = state.cache.get() else {
        let message = "no configuration is in force yet";
        return ready(answer::error(StatusCode::SERVICE_UNAVAILABLE, "not_started", message)).boxed();
    };
    let refused = |message: String| answer::error(StatusCode::BAD_REQUEST, "invalid_query", &message);
    match question(call.query.unwrap_or_default()) {
        Ok(question) => {
            let told = move |told: Result<Value, String>| match told {
                Ok(value) => answer::json_value(StatusCode::OK, &value),
                Err(message) => refused(message),
            };
            explainer.explain(&question).map(told).boxed()
        }
        Err(message) => ready(refused(message)).boxed(),
    }
}

pub(super) fn question(query: &str) -> Result<CacheQuestion, String> {
    let mut question = CacheQuestion::default();
    for argument in query.split('&').filter(|argument| !argument.is_empty()) {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        let value = percent_decode_str(value).decode_utf8().map_err(|_| format!("{name} is not UTF-8"))?.into_owned();
        match name {
            "url" => question.url = value,
            "method" => question.method = Some(value),
            "field" if question.fields.len() < MAX_FIELDS => question.fields.push(value),
            "field" => return Err(format!("at most {MAX_FIELDS} fields")),
            "client" => {
                let address = value.parse().map_err(|_| format!("{value:?} is no address of a client"))?;
                question.client = Some(address);
            }
            _ => return Err("the query of /cache/explain has url, method, field and client".to_owned()),
        }
    }
    if question.url.is_empty() {
        return Err(
            "the query of /cache/explain names a URL, percent-encoded: url=https%3A%2F%2Fmedia.example".to_owned()
        );
    }
    Ok(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_from_queries() {
        let asked =
            question("url=https%3A%2F%2Fa.test%2Fb%3Fc%3D1%26d&method=HEAD&field=X-A%3A%201&field=B:+2&client=::1");
        let expected = CacheQuestion {
            url: "https://a.test/b?c=1&d".to_owned(),
            method: Some("HEAD".to_owned()),
            fields: vec!["X-A: 1".to_owned(), "B:+2".to_owned()],
            client: Some("::1".parse().unwrap()),
        };
        assert_eq!(asked, Ok(expected));
        for wrong in ["", "url=", "url=a&what=b", "url=%ff", "url=a&client=here"] {
            assert!(question(wrong).is_err(), "{wrong}");
        }
        let many = "&field=a:b".repeat(MAX_FIELDS + 1);
        assert!(question(&format!("url=a{many}")).is_err());
    }
}

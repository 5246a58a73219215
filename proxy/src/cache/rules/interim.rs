//! Which interim responses are passed on (RFC 9110 section 15.2), and what of them to whom.

use http::{HeaderMap, HeaderName, StatusCode, header};
use tidegate_config::model::CachePolicy;

use super::directives::ResponseDirectives;
use super::hop_by_hop;
use super::vary::VaryRule;

/// Whether it says something to the client. 100 answers an `Expect` that is no client's where the cache asks, and 101
/// ends HTTP.
#[must_use]
pub fn is_passed_on(status: StatusCode) -> bool {
    status.is_informational() && !matches!(status, StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS)
}

/// Names of its fields that end here: those of the hop, and what would frame a body that it has not (RFC 9110 section 8.6,
/// RFC 9112 section 6.1).
#[must_use]
pub fn ending_fields(fields: &HeaderMap) -> Vec<HeaderName> {
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let framing = framing.into_iter().filter(|name| fields.contains_key(name));
    hop_by_hop::response_fields(fields).into_iter().chain(framing).collect()
}

/// What others than the client whose request it answers may have of it, and by which of their fields. Nobody knows yet
/// what the final response will say of sharing: a cookie stays with the one client whatever the policy, and so does all
/// that the interim response itself keeps from others (RFC 9111 sections 5.2.2.4, 5.2.2.5 and 5.2.2.7).
#[must_use]
pub fn for_others(fields: &HeaderMap, policy: &CachePolicy) -> Option<(HeaderMap, VaryRule)> {
    let directives = ResponseDirectives::parse(fields, &policy.targeted_fields);
    let vary = VaryRule::from_headers(fields);
    if directives.no_store || directives.private.binds(fields) || vary == VaryRule::Any {
        return None;
    }
    let mut shared = fields.clone();
    for name in directives.private.names().iter().chain(directives.no_cache.names()) {
        shared.remove(name);
    }
    shared.remove(header::SET_COOKIE);
    Some((shared, vary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::rules::testing::{fields, policy};

    #[test]
    fn continue_and_the_end_of_http_say_nothing_to_the_client() {
        for (status, passed_on) in [(100, false), (101, false), (102, true), (103, true), (199, true), (200, false)] {
            assert_eq!(is_passed_on(StatusCode::from_u16(status).unwrap()), passed_on, "{status}");
        }
    }

    #[test]
    fn fields_of_the_hop_and_of_framing_end_here() {
        let lines = ["Connection: x-hop", "X-Hop: 1", "Content-Length: 5", "Transfer-Encoding: chunked", "Link: </a>"];
        let mut headers = fields(&lines);
        for name in ending_fields(&headers) {
            headers.remove(name);
        }
        assert_eq!(headers, fields(&lines[4..]));
    }

    #[test]
    fn others_get_nothing_that_is_one_clients_own() {
        let check = |lines: &[&str], expected: Option<&[&str]>| {
            let shared = for_others(&fields(lines), &policy()).map(|(shared, _)| shared);
            assert_eq!(shared, expected.map(fields), "{lines:?}");
        };
        let link = "Link: </a>; rel=preload";
        check(&[link], Some(&[link]));
        check(&[link, "Set-Cookie: a=1"], Some(&[link]));
        check(&[link, "Cache-Control: private"], None);
        check(&[link, "Cache-Control: no-store"], None);
        check(&[link, "CDN-Cache-Control: private"], None);
        check(&[link, "Vary: *"], None);
        let private = "Cache-Control: private=\"x-user\", no-cache=\"x-other\"";
        check(&[link, private, "X-User: me", "X-Other: 1", "X: 1"], Some(&[link, private, "X: 1"]));
    }

    #[test]
    fn fields_that_select_it_are_told() {
        let (_, vary) = for_others(&fields(&["Vary: accept-language"]), &policy()).unwrap();
        assert_eq!(vary, VaryRule::Names([header::ACCEPT_LANGUAGE].into()));
    }
}

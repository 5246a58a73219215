//! Cases about requests that change things: what is stored for their targets goes (RFC 9111 section 4.4).

use super::case::{Ask, Case, get};

pub(super) fn cases() -> Vec<Case> {
    [methods(), outcomes(), further()].concat().into_iter().map(Case::not_joined).collect()
}

const STORED: &str = "200 | cache-control: max-age=3600";
const SOURCE: &str = "RFC 9111 4.4";

fn changing(method: &str) -> Ask {
    Ask::new(method).body(if method == "DELETE" { "" } else { "x" }).fetched()
}

fn methods() -> Vec<Case> {
    let forgets =
        |name, method| Case::new(name, SOURCE, [STORED], [get().fetched(), changing(method), get().fetched()]);
    let keeps = |name, method| {
        let asked = Ask::new(method).fetched();
        Case::new(name, SOURCE, [STORED], [get().fetched(), asked, get().hit().of(1)])
    };
    vec![
        forgets("post_makes_what_is_stored_invalid", "POST"),
        forgets("put_makes_what_is_stored_invalid", "PUT"),
        forgets("patch_makes_what_is_stored_invalid", "PATCH"),
        forgets("delete_makes_what_is_stored_invalid", "DELETE"),
        forgets("unknown_method_makes_what_is_stored_invalid", "FROBNICATE"),
        keeps("safe_method_with_another_name_leaves_what_is_stored", "PROPFIND"),
        keeps("options_leaves_what_is_stored", "OPTIONS"),
    ]
}

fn outcomes() -> Vec<Case> {
    let after = |name, second: &str, third: Ask| {
        Case::new(name, SOURCE, [STORED, second, STORED], [get().fetched(), changing("POST"), third])
    };
    vec![
        after("change_that_is_answered_with_204_makes_invalid", "204", get().fetched()),
        after("change_that_is_answered_with_201_makes_invalid", "201", get().fetched()),
        after("change_that_is_answered_with_303_makes_invalid", "303 | location: /x", get().fetched()),
        after("change_that_is_refused_leaves_what_is_stored", "403", get().hit().of(1)),
        after("change_of_what_is_not_there_leaves_what_is_stored", "404", get().hit().of(1)),
        after("change_that_fails_leaves_what_is_stored", "500", get().hit().of(1)),
        Case::new(
            "change_makes_all_variants_invalid",
            SOURCE,
            ["200 | cache-control: max-age=3600 | vary: foo"],
            [
                get().with("foo", "1").fetched(),
                get().with("foo", "2").fetched(),
                changing("POST"),
                get().with("foo", "1").fetched(),
                get().with("foo", "2").fetched(),
            ],
        ),
        Case::new(
            "change_of_one_query_leaves_the_others",
            SOURCE,
            [STORED],
            [
                get().at("?a=1").fetched(),
                get().at("?a=2").fetched(),
                changing("POST").at("?a=1"),
                get().at("?a=2").hit().of(2),
            ],
        ),
    ]
}

/// Location and Content-Location of the same origin go as well, those of others do not.
fn further() -> Vec<Case> {
    let named = |name, field: &str, value: &str, third: Ask| {
        let second = format!("200 | {field}: {value}");
        let steps = [get().at("/other").fetched(), changing("POST"), third.at("/other")];
        Case::new(name, SOURCE, [STORED, second.as_str(), STORED], steps)
    };
    let (gone, kept) = (|| get().fetched(), || get().hit().of(1));
    vec![
        named("location_of_a_change_is_made_invalid", "location", "{path}/other", gone()),
        named("content_location_of_a_change_is_made_invalid", "content-location", "{path}/other", gone()),
        named("whole_url_of_the_same_origin_is_made_invalid", "location", "{scheme}://{host}{path}/other", gone()),
        named("url_without_a_scheme_is_made_invalid", "content-location", "//{host}{path}/other", gone()),
        named("url_of_another_host_is_left_alone", "location", "{scheme}://other.test{path}/other", kept()),
        named("url_of_another_scheme_is_left_alone", "location", "ftp://{host}{path}/other", kept()),
        named("url_of_another_port_is_left_alone", "content-location", "{scheme}://{host}:1{path}/other", kept()),
        Case::new(
            "location_of_a_refused_change_is_left_alone",
            SOURCE,
            [STORED, "500 | location: {path}/other"],
            [get().at("/other").fetched(), changing("POST"), get().at("/other").hit().of(1)],
        ),
        Case::new(
            "location_of_a_get_is_left_alone",
            SOURCE,
            [STORED, "301 | location: {path}/other"],
            [get().at("/other").fetched(), get().fetched().status(301), get().at("/other").hit().of(1)],
        ),
    ]
}

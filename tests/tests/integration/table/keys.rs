//! Rows about what is the same object: canonical host and path, query, Vary.

use tidegate_tests::client::Request;
use tidegate_tests::origin::Script;

use super::row::Content::Any;
use super::row::{Field, Reuse, Row, resource};

pub(super) fn rows() -> Vec<Row> {
    [paths(), hosts(), queries(), vary()].concat()
}

/// Two spellings of one path are one object; the origin gets each as it was written.
fn paths() -> Vec<Row> {
    let same = |name, asked: &str, warm: &str| {
        // An odd spelling starts no fill and joins none: its answer could not be told from that of the usual one.
        Row::get(name).target(asked).warmed_by(Request::get(warm)).reuse(Reuse::SharedWhenWhole)
    };
    vec![
        same("path_unreserved_encoded", "/%7euser/%61", "/~user/a"),
        same("path_hexadecimal_case", "/caf%c3%a9", "/caf%C3%A9"),
        same("path_dot_segment", "/dot/./one", "/dot/one"),
        same("path_parent_segment", "/parent/x/../one", "/parent/one"),
        same("path_parent_segment_encoded", "/encoded/x/%2e%2E/one", "/encoded/one"),
        same("path_double_slash", "//double//one", "/double/one"),
        // RFC 3986 section 5.2.4 would drop the segment; a path that leaves the root is no honest client's.
        same("path_parent_above_root", "/../above/one", "/above/one").gives(400, Any),
        Row::get("path_encoded_slash").target("/slash%2Fone").warmed_by(Request::get("/slash/one")).reuse(Reuse::Never),
        Row::get("path_letter_case").target("/Case/One").warmed_by(Request::get("/case/one")).reuse(Reuse::Never),
        Row::get("path_trailing_slash").target("/slashed/").warmed_by(Request::get("/slashed")).reuse(Reuse::Never),
        Row::get("path_punctuation").target("/a;b=1,2/@c:d!$&'()*+=").warmed_by_itself(),
        Row::get("path_reserved_encoded").target("/100%25/%3Fx/%23y").warmed_by_itself(),
    ]
}

fn hosts() -> Vec<Row> {
    let host = |name, authority: &str| {
        let mut row = Row::get(name);
        row.request = row.request.authority(authority);
        row
    };
    vec![host("host_in_capitals", "{HOST}"), host("host_with_port", "{host}:8443"), host("host_with_dot", "{host}.")]
}

fn queries() -> Vec<Row> {
    let long = format!("/query_long?{}", "x".repeat(4000));
    vec![
        Row::get("query_same").target("/query_same?b=2&a=1&a=0").warmed_by_itself(),
        Row::get("query_empty_value").target("/query_empty_value?a=&b").warmed_by_itself(),
        Row::get("query_other")
            .target("/query_other?a=1")
            .warmed_by(Request::get("/query_other?a=2"))
            .reuse(Reuse::Never),
        Row::get("query_or_none").target("/query_or_none?a=1").reuse(Reuse::Never),
        // Sorting is a matter of configuration, which this site leaves alone.
        Row::get("query_order")
            .target("/query_order?a=1&b=2")
            .warmed_by(Request::get("/query_order?b=2&a=1"))
            .reuse(Reuse::Open),
        Row::get("query_encoded").target("/query_encoded?u=%2Fa%20b%26&path=/../x//y").warmed_by_itself(),
        Row::get("query_long").target(&long).warmed_by_itself(),
    ]
}

fn vary() -> Vec<Row> {
    let vary = |name, field: &str, warm: &[(&str, &str)]| {
        let mut row = Row::of(name, resource().field("vary", field));
        for (name, value) in warm {
            row.warm = row.warm.field(name, value);
        }
        row
    };
    let language = |name, warm| vary(name, "Accept-Language", &[("accept-language", warm)]);
    vec![
        language("vary_same", "en").with("accept-language", "en").field_is("vary", "Accept-Language"),
        language("vary_other", "en").with("accept-language", "de").reuse(Reuse::Never),
        language("vary_absent", "en").reuse(Reuse::Never),
        language("vary_unrelated_field", "en").with("accept-language", "en").with("user-agent", "another"),
        vary("vary_two_fields", "Accept-Language, X-Device", &[("x-device", "tv"), ("accept-language", "en")])
            .with("accept-language", "en")
            .with("x-device", "tv"),
        vary("vary_one_of_two_other", "Accept-Language, X-Device", &[("x-device", "tv")])
            .with("x-device", "phone")
            .reuse(Reuse::Never),
        vary("vary_everything", "*", &[]).reuse(Reuse::Never),
        Row::of("vary_encoding", encoded())
            .with("accept-encoding", "gzip")
            .warmed_by_itself()
            .field_is("content-encoding", "gzip")
            .field("vary", Field::Contains("ccept-")),
    ]
}

fn encoded() -> Script {
    resource().field("content-encoding", "gzip").field("vary", "accept-encoding")
}

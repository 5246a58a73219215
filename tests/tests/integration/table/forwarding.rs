//! Rows about what passes through: methods, bodies, framings of the origin, fields of both sides.

use tidegate_tests::origin::{Body, Framing, Script};
use tidegate_tests::pattern::Pattern;

use super::row::Content::{Empty, Whole};
use super::row::{Field, Reuse, Row, SIZE, resource};

pub(super) fn rows() -> Vec<Row> {
    [methods(), statuses(), framings(), fields()].concat()
}

fn passed(name: &'static str, method: &str, script: Script) -> Row {
    let mut row = Row::of(name, script).method(method).reuse(Reuse::Never);
    row.warm = row.request.clone();
    row
}

fn methods() -> Vec<Row> {
    let echo = || Script::status(200).body(Body::Echo);
    let posted = |name, method: &str, length: u64| {
        let body = Pattern::new(2).bytes(0, length);
        let mut row = passed(name, method, echo()).body(body);
        row.warm = row.request.clone();
        row
    };
    vec![
        posted("post", "POST", 1000),
        posted("post_empty", "POST", 0),
        posted("post_large", "POST", 1_000_003),
        posted("put", "PUT", SIZE),
        posted("patch", "PATCH", 10),
        posted("delete_with_body", "DELETE", 10),
        passed("delete", "DELETE", Script::status(204)).gives(204, Empty),
        passed("options", "OPTIONS", Script::status(204).field("allow", "GET, HEAD")).field_is("allow", "GET, HEAD"),
        passed("post_created", "POST", Script::status(201).text("made").field("location", "/made/1"))
            .field_is("location", "/made/1"),
        passed("method_of_extension", "PURGEISH", Script::status(200).text("extended")),
        passed("post_refused", "POST", Script::status(405).text("no").field("allow", "GET")).field_is("allow", "GET"),
        // RFC 9111 section 4: the answer to a POST does not serve a GET here.
        Row::get("post_does_not_fill")
            .warmed_by(tidegate_tests::client::Request::new("POST", "/post_does_not_fill"))
            .reuse(Reuse::Never),
    ]
}

fn statuses() -> Vec<Row> {
    let plain = |name, status: u16, text: &str| Row::of(name, Script::status(status).text(text)).reuse(Reuse::Open);
    let no_store = Script::status(200).pattern(0, SIZE).field("etag", "\"v1\"").field("cache-control", "no-store");
    vec![
        plain("status_400", 400, "bad"),
        plain("status_401", 401, "who").reuse(Reuse::Never),
        plain("status_403", 403, "no").reuse(Reuse::Never),
        plain("status_404", 404, "missing"),
        plain("status_410", 410, "gone"),
        plain("status_418", 418, "teapot").reuse(Reuse::Never),
        plain("status_451", 451, "law"),
        plain("status_500", 500, "failed").reuse(Reuse::Never),
        plain("status_503", 503, "later").reuse(Reuse::Never),
        Row::of("status_503_retry", Script::status(503).text("later").field("retry-after", "7"))
            .field_is("retry-after", "7")
            .reuse(Reuse::Never),
        Row::of("status_204", Script::status(204)).gives(204, Empty).reuse(Reuse::Open),
        Row::of("status_203", Script::status(203).text("copied").field("cache-control", "max-age=60")),
        Row::of("status_304_of_origin", no_store.resource())
            .with("if-none-match", "\"v1\"")
            .warmed_by_itself()
            .gives(304, Empty)
            .reuse(Reuse::Never),
        Row::of("status_unknown_299", Script::status(299).text("odd")).reuse(Reuse::Never),
    ]
}

fn framings() -> Vec<Row> {
    let close = Script::cacheable(SIZE).framing(Framing::Close);
    vec![
        Row::of("chunked", Script::cacheable(SIZE).framing(Framing::Chunked)),
        Row::of("chunked_empty", Script::cacheable(0).framing(Framing::Chunked)).gives(200, Empty),
        Row::of("chunked_text", Script::status(200).text("in chunks").framing(Framing::Chunked)).reuse(Reuse::Open),
        Row::of("close_delimited", close).reuse(Reuse::Open),
        Row::of("trailers", Script::cacheable(SIZE).trailer("x-checksum", "42")),
        Row::of("unstored_large", Script::status(200).pattern(5, 2_000_003).field("cache-control", "no-store"))
            .reuse(Reuse::Never),
        Row::of(
            "unstored_chunked",
            Script::status(200).pattern(5, SIZE).framing(Framing::Chunked).field("cache-control", "no-store"),
        )
        .reuse(Reuse::Never),
        Row::of("unstored_head", Script::status(200).pattern(5, SIZE).field("cache-control", "no-store"))
            .method("HEAD")
            .warmed_by_itself()
            .field_is("content-length", "100003")
            .reuse(Reuse::Never),
    ]
}

fn fields() -> Vec<Row> {
    let mut many = resource();
    for number in 0..60 {
        many = many.field(&format!("x-many-{number}"), &"v".repeat(number));
    }
    let cookies = Script::status(200).text("cookies").field("cache-control", "no-store");
    let hop = resource().field("connection", "x-hop").field("x-hop", "1").field("keep-alive", "timeout=5");
    vec![
        Row::of("fields_many", many).field_is("x-many-59", &"v".repeat(59)).field_is("x-many-0", ""),
        Row::of("fields_long", resource().field("x-long", &"v".repeat(8000))).field_is("x-long", &"v".repeat(8000)),
        Row::of("fields_repeated", resource().field("x-each", "b").field("x-each", "a").field("x-each", "b, c"))
            .field("x-each", Field::Each(vec!["b", "a", "b, c"])),
        Row::of("fields_of_connection", hop).field("x-hop", Field::Absent).field("keep-alive", Field::Absent),
        Row::of("fields_in_capitals", resource().field("X-Shouting", "Value")).field_is("x-shouting", "Value"),
        Row::of("fields_not_ascii", resource().field("x-name", "caf\u{e9}")).field_is("x-name", "caf\u{e9}"),
        Row::of("cookies_set", cookies.field("set-cookie", "a=1; Path=/").field("set-cookie", "b=2"))
            .with("cookie", "c=3; d=4")
            .warmed_by_itself()
            .field("set-cookie", Field::Each(vec!["a=1; Path=/", "b=2"]))
            .reuse(Reuse::Never),
        Row::of("cookies_sent", resource()).with("cookie", "c=3; d=4").reuse(Reuse::Open),
        Row::of("cross_origin", resource().field("access-control-allow-origin", "*"))
            .with("origin", "https://player.test")
            .field_is("access-control-allow-origin", "*"),
        Row::of("content_type_with_parameter", resource_of("text/plain; charset=utf-8"))
            .gives(200, Whole)
            .field_is("content-type", "text/plain; charset=utf-8"),
        Row::of("content_disposition", resource().field("content-disposition", "attachment; filename=\"a b.bin\""))
            .field_is("content-disposition", "attachment; filename=\"a b.bin\""),
        Row::get("cache_status_present").field("cache-status", Field::Present),
    ]
}

fn resource_of(kind: &str) -> Script {
    let mut script = resource();
    script.fields.retain(|(name, _)| name != "content-type");
    script.field("content-type", kind)
}

//! Rows about whole bodies, HEAD and ranges (RFC 9110 section 14).

use tidegate_tests::origin::{Framing, Script};

use super::row::Content::{Any, Empty, Part, Parts, Whole};
use super::row::{Field, MODIFIED, Reuse, Row, SIZE, resource};

pub(super) fn rows() -> Vec<Row> {
    [whole(), single(), several(), ignored(), if_range()].concat()
}

fn whole() -> Vec<Row> {
    let length = SIZE.to_string();
    let mut weak = resource();
    weak.fields.retain(|(name, _)| name != "etag");
    vec![
        Row::get("whole").field_is("content-length", &length).field_is("etag", "\"v1\""),
        Row::of("large", Script::cacheable(3_000_001)).field_is("content-length", "3000001"),
        Row::of("one_byte", Script::cacheable(1)).field_is("content-length", "1"),
        Row::of("empty", Script::cacheable(0)).gives(200, Empty).field_is("content-length", "0"),
        Row::get("head").method("HEAD").field_is("content-length", &length).field_is("etag", "\"v1\""),
        Row::of("head_of_empty", Script::cacheable(0)).method("HEAD").field_is("content-length", "0"),
        Row::get("head_warmed_by_head").method("HEAD").warmed_by_itself().reuse(Reuse::Open),
        Row::of("head_of_chunked", Script::cacheable(SIZE).framing(Framing::Chunked)).method("HEAD").gives(200, Empty),
        Row::of("without_etag", weak).field("etag", Field::Absent).field_is("last-modified", MODIFIED),
    ]
}

fn single() -> Vec<Row> {
    let part = |name, range: &str, start: u64, end: u64| {
        let content_range = format!("bytes {start}-{}/{SIZE}", end - 1);
        Row::get(name)
            .with("range", range)
            .gives(206, Part(start, end))
            .field_is("content-range", &content_range)
            .field_is("content-length", &(end - start).to_string())
    };
    vec![
        part("range_first", "bytes=0-99", 0, 100),
        part("range_first_byte", "bytes=0-0", 0, 1),
        part("range_last_byte", "bytes=100002-100002", SIZE - 1, SIZE),
        part("range_within", "bytes=40000-59999", 40_000, 60_000),
        part("range_open_end", "bytes=99990-", 99_990, SIZE),
        part("range_from_start", "bytes=0-", 0, SIZE),
        part("range_suffix", "bytes=-500", SIZE - 500, SIZE),
        part("range_suffix_longer_than_body", "bytes=-200000", 0, SIZE),
        part("range_past_end", "bytes=99000-200000", 99_000, SIZE),
        Row::get("range_with_space").with("range", "bytes= 10-19").gives(206, Part(10, 20)).or(200, Whole),
        part("range_unit_in_capitals", "Bytes=10-19", 10, 20),
        Row::get("range_beyond")
            .with("range", "bytes=100003-")
            .gives(416, Any)
            .field_is("content-range", "bytes */100003"),
        Row::get("range_suffix_of_none")
            .with("range", "bytes=-0")
            .gives(416, Any)
            .field_is("content-range", "bytes */100003"),
        Row::of("range_of_empty", Script::cacheable(0).resource())
            .with("range", "bytes=0-0")
            .gives(416, Any)
            .or(200, Empty)
            // No part of it can be asked for: then the whole is.
            .reuse(Reuse::Open),
        Row::of("range_of_chunked", Script::cacheable(SIZE).framing(Framing::Chunked))
            .with("range", "bytes=10-19")
            .gives(206, Part(10, 20))
            .on_miss_or(&[(206, Part(10, 20)), (200, Whole)])
            .on_join(&[(206, Part(10, 20)), (200, Whole)]),
        Row::of(
            "range_of_unstored",
            Script::status(200).pattern(0, SIZE).field("cache-control", "no-store").resource(),
        )
        .with("range", "bytes=10-19")
        .warmed_by_itself()
        .gives(206, Part(10, 20))
        .or(200, Whole)
        .reuse(Reuse::Never),
    ]
}

fn several() -> Vec<Row> {
    vec![
        Row::get("ranges_two").with("range", "bytes=0-9,5000-5009").gives(206, Parts(vec![(0, 10), (5000, 5010)])),
        // RFC 9110 section 15.3.7.2: a gap smaller than the overhead of a part may be sent along.
        Row::get("ranges_near")
            .with("range", "bytes=0-9,50-59")
            .gives(206, Parts(vec![(0, 10), (50, 60)]))
            .or(206, Part(0, 60)),
        Row::get("ranges_far_apart")
            .with("range", "bytes=5-6, 50000-50999, -3")
            .gives(206, Parts(vec![(5, 7), (50_000, 51_000), (SIZE - 3, SIZE)])),
        Row::get("ranges_one_beyond")
            .with("range", "bytes=0-9,200000-")
            .gives(206, Part(0, 10))
            .or(206, Parts(vec![(0, 10)])),
        Row::get("ranges_all_beyond").with("range", "bytes=200000-,300000-").gives(416, Any),
        // RFC 9110 section 14.2: overlapping ranges may be joined, or the whole be sent.
        Row::get("ranges_overlapping")
            .with("range", "bytes=0-99,50-149")
            .gives(206, Part(0, 150))
            .or(206, Parts(vec![(0, 150)]))
            .or(206, Parts(vec![(0, 100), (50, 150)]))
            .or(200, Whole),
    ]
}

fn ignored() -> Vec<Row> {
    vec![
        Row::get("range_of_head").method("HEAD").with("range", "bytes=0-9").field_is("content-length", "100003"),
        Row::get("range_malformed").with("range", "bytes=abc"),
        Row::get("range_reversed").with("range", "bytes=10-5"),
        Row::get("range_of_other_unit").with("range", "items=0-5"),
        Row::get("range_of_nothing").with("range", "bytes="),
        Row::of("range_of_missing", Script::status(404).text("not here").field("cache-control", "max-age=60"))
            .with("range", "bytes=0-2"),
    ]
}

fn if_range() -> Vec<Row> {
    let row = |name, condition: &str| Row::get(name).with("range", "bytes=10-19").with("if-range", condition);
    let mut weak = resource();
    weak.fields.retain(|(name, _)| name != "etag");
    vec![
        row("if_range_same_etag", "\"v1\"").gives(206, Part(10, 20)),
        row("if_range_other_etag", "\"v2\"").gives(200, Whole),
        row("if_range_same_date", MODIFIED).gives(206, Part(10, 20)).or(200, Whole),
        row("if_range_other_date", "Wed, 01 Jan 2020 00:00:00 GMT").gives(200, Whole),
        // RFC 9110 section 13.1.5: only a strong validator will do.
        Row::of("if_range_weak_etag", weak.field("etag", "W/\"v1\""))
            .with("range", "bytes=10-19")
            .with("if-range", "W/\"v1\"")
            .gives(200, Whole)
            .on_miss_or(&[(200, Whole), (206, Part(10, 20))]),
    ]
}

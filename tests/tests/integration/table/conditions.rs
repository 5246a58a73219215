//! Rows about conditional requests (RFC 9110 section 13).

use super::row::Content::{Empty, Part, Whole};
use super::row::{AFTER, BEFORE, MODIFIED, Reuse, Row, resource};

pub(super) fn rows() -> Vec<Row> {
    let mut weak = resource();
    weak.fields.retain(|(name, _)| name != "etag");
    let weak = weak.field("etag", "W/\"v1\"");
    vec![
        none_match("if_none_match_same", "\"v1\"").gives(304, Empty).field_is("etag", "\"v1\""),
        none_match("if_none_match_other", "\"v2\"").gives(200, Whole),
        none_match("if_none_match_listed", "\"v0\", \"v1\", \"v2\"").gives(304, Empty),
        none_match("if_none_match_any", "*").gives(304, Empty),
        none_match("if_none_match_weakly", "W/\"v1\"").gives(304, Empty),
        none_match("if_none_match_malformed", "v1").gives(200, Whole),
        none_match("if_none_match_of_head", "\"v1\"").method("HEAD").gives(304, Empty),
        none_match("if_none_match_before_range", "\"v1\"").with("range", "bytes=0-9").gives(304, Empty),
        none_match("if_none_match_other_with_range", "\"v2\"").with("range", "bytes=0-9").gives(206, Part(0, 10)),
        none_match("if_none_match_beats_date", "\"v2\"").with("if-modified-since", MODIFIED).gives(200, Whole),
        Row::of("if_none_match_weak_etag", weak).with("if-none-match", "\"v1\"").gives(304, Empty),
        modified_since("if_modified_since_same", MODIFIED).gives(304, Empty),
        modified_since("if_modified_since_older", BEFORE).gives(200, Whole),
        modified_since("if_modified_since_later", AFTER).gives(304, Empty),
        modified_since("if_modified_since_malformed", "yesterday").gives(200, Whole),
        Row::get("if_match_same").with("if-match", "\"v1\"").gives(200, Whole),
        Row::get("if_match_any").with("if-match", "*").gives(200, Whole),
        Row::get("if_match_other").with("if-match", "\"v2\"").gives(200, Whole).reuse(Reuse::Open),
        Row::get("if_unmodified_since_same").with("if-unmodified-since", MODIFIED).gives(200, Whole),
        Row::get("if_unmodified_since_older").with("if-unmodified-since", BEFORE).gives(200, Whole).reuse(Reuse::Open),
    ]
}

fn none_match(name: &'static str, value: &str) -> Row {
    Row::get(name).with("if-none-match", value)
}

fn modified_since(name: &'static str, value: &str) -> Row {
    Row::get(name).with("if-modified-since", value)
}

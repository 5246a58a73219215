//! Which answers are believed, and how often is tried.

use super::*;

fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn rest(coding: Option<&str>) -> Rest {
    Rest {
        range: ByteRange { start: 40, end: 100 },
        total: 100,
        etag: EntityTag::parse(&HeaderValue::from_static("\"a\"")).unwrap(),
        coding: coding.map(|coding| coding.parse().unwrap()),
        after: None,
    }
}

#[test]
fn rest_is_asked_for_with_the_version_and_without_other_conditions() {
    let mut asked = fields(&[("if-none-match", "\"b\""), ("range", "bytes=0-1"), ("accept", "*/*")]);
    rest(None).ask(&mut asked);
    assert_eq!(asked, fields(&[("accept", "*/*"), ("range", "bytes=40-"), ("if-range", "\"a\"")]));
    let part = Rest { total: 200, ..rest(None) };
    part.ask(&mut asked);
    assert_eq!(asked["range"], "bytes=40-99");
}

#[test]
fn only_the_rest_of_the_same_version_is_believed() {
    let right = [("content-range", "bytes 40-99/100"), ("etag", "\"a\""), ("content-length", "60")];
    let with = |name: &'static str, value: &'static str| {
        let mut fields = fields(&right);
        fields.insert(name, value.parse().unwrap());
        fields
    };
    let check = |what: &str, status: u16, fields: HeaderMap, expected: Result<u64, Setback>| {
        let found = rest(None).judge(StatusCode::from_u16(status).unwrap(), &fields);
        assert_eq!(found, expected, "{what}");
    };
    let (denied, failed) = (Err(Setback::Denied), Err(Setback::Failed));
    check("the rest", 206, fields(&right), Ok(100));
    check("less", 206, fields(&[("content-range", "bytes 40-49/100"), ("etag", "\"a\"")]), Ok(50));
    check("another version", 206, with("etag", "\"b\""), denied);
    check("a weak validator", 206, with("etag", "W/\"a\""), denied);
    check("no validator", 206, fields(&right[..1]), denied);
    check("an earlier place", 206, with("content-range", "bytes 39-99/100"), denied);
    check("a later place", 206, with("content-range", "bytes 41-99/100"), denied);
    check("another total", 206, with("content-range", "bytes 40-99/101"), denied);
    check("no total", 206, with("content-range", "bytes 40-99/*"), denied);
    check("no sense", 206, with("content-range", "bytes 40-18446744073709551615/100"), denied);
    check("another length", 206, with("content-length", "61"), denied);
    check("another coding", 206, with("content-encoding", "gzip"), denied);
    check("the whole", 200, fields(&right), denied);
    check("not there", 404, fields(&[]), denied);
    check("not that much", 416, fields(&[("content-range", "bytes */10")]), denied);
    check("an error", 503, fields(&[]), failed);
    check("too many", 429, fields(&[]), failed);
    let coded = rest(Some("gzip"));
    assert_eq!(coded.judge(StatusCode::PARTIAL_CONTENT, &with("content-encoding", "gzip")), Ok(100));
    assert_eq!(coded.judge(StatusCode::PARTIAL_CONTENT, &fields(&right)), denied);
}

#[test]
fn more_than_was_asked_for_is_not_believed() {
    let part = Rest { range: ByteRange { start: 40, end: 60 }, ..rest(None) };
    let answer = fields(&[("content-range", "bytes 40-99/100"), ("etag", "\"a\"")]);
    assert_eq!(part.judge(StatusCode::PARTIAL_CONTENT, &answer), Err(Setback::Denied));
}

#[test]
fn tries_end_without_progress_and_begin_again_with_it() {
    let mut tries = Tries::default();
    let mut run = |position: u64| -> usize {
        let mut pauses = Vec::new();
        while let Some(pause) = tries.next(position) {
            pauses.push(pause);
            assert!(pauses.len() < 100, "without end");
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        pauses.len()
    };
    assert_eq!(run(10), PAUSES.len());
    assert_eq!(run(10 + PROGRESS - 1), 0, "a few bytes are no progress");
    assert_eq!(run(10 + PROGRESS), PAUSES.len());
    assert!(PAUSES.iter().sum::<Duration>() < PATIENCE, "every try gets its turn");
}

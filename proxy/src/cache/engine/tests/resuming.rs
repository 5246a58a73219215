//! Bodies that break off go on where they were, or end visibly: nobody ever gets a mixture.

use super::*;

const ETAG: &str = "etag: \"1\"";

const RESUMABLE: &[&str] = &["cache-control: max-age=60", "etag: \"1\"", "content-length: 10"];

const BODY: &str = "0123456789";

/// The head of the rest from this byte on.
fn rest(start: usize) -> Vec<String> {
    vec![ETAG.to_owned(), format!("content-range: bytes {start}-9/10")]
}

fn lines(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

impl Exchange {
    /// Sends what it was asked for of [`BODY`], up to this byte, and breaks off there unless that is all.
    fn go_on_to(self, end: usize) {
        let start = self.asked_from();
        self.head(206, &lines(&rest(start)));
        self.body(&BODY[start..end]);
        if end == BODY.len() {
            self.end();
        }
    }

    /// The byte that the request asks from; the request must be one for the rest of version 1.
    fn asked_from(&self) -> usize {
        let text = |name: &str| self.request.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(text("if-range").as_deref(), Some("\"1\""));
        assert_eq!(text("if-none-match"), None);
        text("range").unwrap().strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap()
    }
}

/// All that two readers get when the origin begins with this head and `begin` of the body and does then what it is told.
async fn check(head: &[&str], begin: &'static str, then: impl AsyncFnOnce(&Rig), expected: Result<&str, BodyError>) {
    let rig = Rig::new();
    let waiting = [rig.waiting(get("/a")), rig.waiting(get("/a"))];
    let exchange = rig.accept().await;
    exchange.head(200, head);
    exchange.body(begin);
    let mut readers = Vec::new();
    for asking in waiting {
        readers.push(soon("the answer", asking).await.object());
    }
    drop(exchange);
    then(&rig).await;
    for reader in readers {
        assert_eq!(reader.text().await.as_deref(), expected.as_ref().map(|text| *text));
    }
    rig.idle().await;
    let stored = rig.stored("/a", &[]).map(|object| object.body.blocks().concat());
    assert_eq!(stored.as_deref(), expected.ok().map(str::as_bytes));
}

#[tokio::test(start_paused = true)]
async fn body_that_breaks_off_goes_on_where_it_was() {
    let goes_on = async |rig: &Rig| rig.accept().await.go_on_to(10);
    check(RESUMABLE, "0123", goes_on, Ok(BODY)).await;
    check(RESUMABLE, "", async |rig: &Rig| rig.accept().await.go_on_to(10), Ok(BODY)).await;
}

#[tokio::test(start_paused = true)]
async fn body_may_break_off_several_times() {
    let breaks = async |rig: &Rig| {
        for end in [5, 5, 8, 10] {
            rig.accept().await.go_on_to(end);
        }
    };
    check(RESUMABLE, "01", breaks, Ok(BODY)).await;
}

#[tokio::test(start_paused = true)]
async fn rest_may_come_in_parts() {
    let parts = async |rig: &Rig| {
        for end in [6, 10] {
            let exchange = rig.accept().await;
            let start = exchange.asked_from();
            exchange.head(206, &[ETAG, &format!("content-range: bytes {start}-{}/10", end - 1)]);
            exchange.body(&BODY[start..end]);
            exchange.end();
        }
    };
    check(RESUMABLE, "01", parts, Ok(BODY)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_without_a_strong_validator_and_a_length() {
    let silent = async |rig: &Rig| rig.idle().await;
    let cases: [&[&str]; 4] = [
        &["cache-control: max-age=60", "etag: W/\"1\"", "content-length: 10"],
        &["cache-control: max-age=60", "content-length: 10", "last-modified: Mon, 07 Nov 1994 08:49:37 GMT"],
        &["cache-control: max-age=60", "etag: \"1\""],
        &["cache-control: max-age=60", "etag: \"1\"", "etag: \"2\"", "content-length: 10"],
    ];
    for head in cases {
        check(head, "0123", silent, Err(BodyError::Truncated)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn another_version_never_goes_on_with_this_one() {
    let cases: [(u16, &[&str]); 9] = [
        (200, RESUMABLE),
        (206, &["etag: \"2\"", "content-range: bytes 4-9/10"]),
        (206, &["content-range: bytes 4-9/10"]),
        (206, &[ETAG, "content-range: bytes 3-9/10"]),
        (206, &[ETAG, "content-range: bytes 4-10/11"]),
        (206, &[ETAG, "content-range: bytes 4-9/*"]),
        (206, &[ETAG, "content-range: bytes 4-9/10", "content-encoding: gzip"]),
        (404, &[]),
        (416, &["content-range: bytes */3"]),
    ];
    for (status, head) in cases {
        let other = async |rig: &Rig| {
            let exchange = rig.accept().await;
            assert_eq!(exchange.asked_from(), 4);
            exchange.head(status, head);
            exchange.hung_up().await;
            assert_eq!(rig.fetches(), 2, "{status} {head:?}");
        };
        check(RESUMABLE, "0123", other, Err(BodyError::Truncated)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn rest_that_is_longer_than_announced_ends_cleanly_for_nobody() {
    let long = async |rig: &Rig| {
        let exchange = rig.accept().await;
        exchange.head(206, &[ETAG, "content-range: bytes 4-5/10"]);
        exchange.body("456");
        exchange.hung_up().await;
    };
    check(RESUMABLE, "0123", long, Err(BodyError::Truncated)).await;
}

#[tokio::test(start_paused = true)]
async fn origin_that_comes_back_late_is_waited_for() {
    let late = async |rig: &Rig| {
        rig.accept().await.fail();
        rig.accept().await.answer(503, &[], "not yet");
        rig.accept().await.go_on_to(10);
    };
    check(RESUMABLE, "0123", late, Ok(BODY)).await;
}

#[tokio::test(start_paused = true)]
async fn origin_that_never_comes_back_ends_the_body_for_all() {
    let never = async |rig: &Rig| {
        let mut tries = 0;
        while let Ok(exchange) = tokio::time::timeout(PATIENCE / 2, rig.accept()).await {
            tries += 1;
            exchange.fail();
        }
        assert!((2..20).contains(&tries), "{tries} tries");
    };
    check(RESUMABLE, "0123", never, Err(BodyError::Truncated)).await;
}

#[tokio::test(start_paused = true)]
async fn origin_that_hangs_ends_the_body_for_all() {
    let rig = Rig::new();
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    exchange.head(200, RESUMABLE);
    exchange.body("0123");
    let reader = asking.await.object();
    drop(exchange);
    let _hanging = rig.accept().await;
    assert_eq!(reader.text().await, Err(BodyError::Truncated));
    rig.idle().await;
}

/// Entity tags of two origins may differ for the same bytes.
#[tokio::test(start_paused = true)]
async fn denial_of_another_origin_leaves_a_try_at_the_first() {
    let denied = async |rig: &Rig| {
        let exchange = rig.accept().await;
        let fields = fields(&["etag: \"other\"", "content-length: 10"]);
        let origin = Some(OriginName::parse("another").unwrap());
        exchange.say(FetchEvent::Head { status: StatusCode::OK, fields, end: false, close_delimited: false, origin });
        exchange.hung_up().await;
        rig.accept().await.go_on_to(10);
    };
    check(RESUMABLE, "0123", denied, Ok(BODY)).await;
}

#[tokio::test(start_paused = true)]
async fn connection_that_dies_behind_the_last_byte_leaves_nothing_to_ask_for() {
    let silent = async |rig: &Rig| rig.idle().await;
    check(RESUMABLE, BODY, silent, Ok(BODY)).await;
}

#[tokio::test(start_paused = true)]
async fn body_that_is_not_stored_goes_on_as_well() {
    for cache_control in ["max-age=60", "private", "no-store"] {
        let rig = Rig::new();
        let asking = rig.waiting(get("/a"));
        let exchange = rig.accept().await;
        let size = MAX_OBJECT + 1000;
        let whole: String = (0..size).map(|place| char::from(b'a' + (place % 23) as u8)).collect();
        let cache_control = format!("cache-control: {cache_control}");
        exchange.head(200, &[&cache_control, ETAG, &format!("content-length: {size}")]);
        exchange.body(whole[..3000].to_owned());
        let reader = asking.await.object();
        drop(exchange);
        let exchange = rig.accept().await;
        assert_eq!(exchange.asked_from(), 3000);
        exchange.head(206, &[ETAG, &format!("content-range: bytes 3000-{}/{size}", size - 1)]);
        exchange.body(whole[3000..].to_owned());
        exchange.end();
        assert_eq!(reader.text().await, Ok(whole), "{cache_control}");
        rig.idle().await;
        assert!(rig.stored("/a", &[]).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_that_brings_a_new_version_goes_on_with_that() {
    let rig = Rig::new();
    rig.store(get("/a"), &["cache-control: max-age=0", "etag: \"0\""], "old").await;
    let asking = rig.waiting(get("/a"));
    let exchange = rig.accept().await;
    assert_eq!(exchange.request["if-none-match"], "\"0\"");
    exchange.head(200, RESUMABLE);
    exchange.body("01234");
    let reader = asking.await.object();
    drop(exchange);
    rig.accept().await.go_on_to(10);
    assert_eq!(reader.text().await.as_deref(), Ok(BODY));
    rig.idle().await;
}

/// A live object whose validator stays while its bytes and length change is the origin's lie; but where it shows, it is
/// noticed.
#[tokio::test(start_paused = true)]
async fn version_of_another_length_is_another_version() {
    let grown = async |rig: &Rig| {
        let exchange = rig.accept().await;
        exchange.head(206, &[ETAG, "content-range: bytes 4-19/20"]);
        exchange.hung_up().await;
    };
    check(RESUMABLE, "0123", grown, Err(BodyError::Truncated)).await;
}

//! What the edge passes on, against a second reading of HTTP/1.1 that shares nothing with it: generated and mutated
//! requests are sent, and each connection to the origin must hold exactly one request, which the client meant.
//!
//! `TIDEGATE_DIFFERENTIAL_CASES` makes more of them, `TIDEGATE_DIFFERENTIAL_SEED` others.

use tidegate_tests::client::Protocol;
use tidegate_tests::edge::HOST;
use tidegate_tests::within;

use super::Arena;
use super::second_reader::{Read, read_one};

/// Cases without a wish, which take two seconds.
const CASES: u64 = 600;

/// Requests to begin with; `~` is the host.
const CORPUS: [&str; 12] = [
    "GET /a HTTP/1.1\r\nHost: ~\r\n\r\n",
    "GET /a?b=c%20d HTTP/1.0\r\nHost: ~\r\nConnection: keep-alive\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: ~\r\nContent-Length: 5\r\n\r\nhello",
    "POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n",
    "PUT /a HTTP/1.1\r\nhost:~\r\nX-A: \t1 \r\ncontent-length: 27\r\n\r\nGET /b HTTP/1.1\r\nHost: ~\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: ~\r\n\r\nGET /b HTTP/1.1\r\nHost: ~\r\n\r\n",
    "\r\nPOST /a HTTP/1.1\r\nHost: ~\r\nContent-Length: 0\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: ~\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: ~\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: ~\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "POST /a HTTP/1.1\r\nHost: ~\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhello",
    "GET /a HTTP/1.1\r\nHost: ~\r\nX: y\r\n Content-Length: 9\r\nConnection: close, content-length\r\n\r\n",
];

/// What mutations put in.
const PIECES: [&str; 34] = [
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "\0",
    "\x0b",
    "\x7f",
    "0",
    "1",
    "5",
    "+",
    "-",
    "0x",
    "ffffffffffffffff",
    "\r\n\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length:\t5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "transfer-encoding:chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "chunked, ",
    "Host: other.test\r\n",
    "GET /b HTTP/1.1\r\nHost: ~\r\n\r\n",
    "HTTP/1.1",
    "0\r\n\r\n",
    "Connection: transfer-encoding\r\n",
    "http://~/",
    "\u{e9}",
];

/// A small generator of numbers (SplitMix64), so that a seed tells all.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

fn generate(numbers: &mut Numbers) -> Vec<u8> {
    let mut text = CORPUS[numbers.below(CORPUS.len())].as_bytes().to_vec();
    for _ in 0..numbers.below(4) {
        let piece = PIECES[numbers.below(PIECES.len())].as_bytes();
        let place = numbers.below(text.len());
        // Often at the beginning of a line, where fields can be put.
        let line = text[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let place = if numbers.below(2) == 0 { line } else { place };
        let removed = if numbers.below(3) == 0 { numbers.below(4).min(text.len() - place) } else { 0 };
        text.splice(place..place + removed, piece.iter().copied());
    }
    text.split(|byte| *byte == b'~').collect::<Vec<_>>().join(HOST.as_bytes())
}

/// All requests that a client meant, up to the first that is none.
fn read_all(mut rest: &[u8]) -> Vec<Read> {
    let mut found = Vec::new();
    loop {
        while let Some(more) = rest.strip_prefix(b"\r\n") {
            rest = more;
        }
        let Ok((request, more)) = read_one(rest) else { return found };
        found.push(request);
        rest = more;
    }
}

fn from_environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

#[tokio::test]
async fn what_is_passed_on_is_one_request_that_the_client_meant() {
    let arena = Arena::with(|config| config.limits = vec!["body_timeout: 1s".to_owned()]).await;
    let seed = from_environment("TIDEGATE_DIFFERENTIAL_SEED", 7);
    let mut numbers = Numbers(seed);
    let (mut passed_on, mut refused) = (0, 0);
    for case in 0..from_environment("TIDEGATE_DIFFERENTIAL_CASES", CASES) {
        let text = generate(&mut numbers);
        let what = format!("case {case} of seed {seed}: {}", text.escape_ascii());
        let mut raw = arena.edge.raw(Protocol::PlainHttp1).await;
        drop(raw.send(&text).await);
        raw.end().await;
        drop(within(&what, raw.closed()).await);
        let mut meant = read_all(&text).into_iter();
        let received: Vec<_> = arena.recorder.take().await.into_iter().filter(|it| it.whole).collect();
        refused += usize::from(received.is_empty());
        for it in received {
            let told = it.bytes.escape_ascii();
            let (read, rest) =
                read_one(&it.bytes).unwrap_or_else(|it| panic!("{what}\nwas passed on as {told}: {it:?}"));
            // A port may be empty (RFC 3986 section 3.2.3).
            assert_eq!(read.host.split(':').next(), Some(HOST), "{what}\nwas passed on as {told}");
            assert!(rest.is_empty(), "{what}\nwas passed on with more behind it: {told}");
            assert!(meant.any(|meant| meant == read), "{what}\nwas passed on as {read:?}");
            passed_on += 1;
        }
    }
    assert!(passed_on > 0 && refused > 0, "{passed_on} passed on, {refused} refused: the generator is of no use");
}

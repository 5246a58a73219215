//! Origins whose lengths contradict each other, and parts that are none.

use tidegate_tests::client::{End, Protocol, Request, Response};
use tidegate_tests::edge::Edge;
use tidegate_tests::origin::{Origin, Script, Semantics, Step};
use tidegate_tests::pattern::Pattern;
use tidegate_tests::within;

use super::{PROTOCOLS, is_visible, is_whole, patient_edge, raw, shown};

/// What the origin has once it tells the truth.
const SIZE: u64 = 3_001;
const SEED: u64 = 7;

fn truth() -> Script {
    let good = Script::status(200).pattern(SEED, SIZE).semantics(Semantics::Ranges);
    good.field("cache-control", "max-age=3600").field("etag", "\"true\"")
}

const OK: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\n";

/// Heads whose lengths no reader may believe (RFC 9112 section 6.3), each with a body of five bytes.
const LENGTHS: [(&str, &str); 11] = [
    ("two-that-differ", "Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello"),
    ("list-that-differs", "Content-Length: 5, 7\r\n\r\nhello"),
    ("negative", "Content-Length: -5\r\n\r\nhello"),
    ("signed", "Content-Length: +5\r\n\r\nhello"),
    ("hexadecimal", "Content-Length: 0x5\r\n\r\nhello"),
    ("with-a-fraction", "Content-Length: 5.0\r\n\r\nhello"),
    ("no-number", "Content-Length: five\r\n\r\nhello"),
    ("beyond-64-bits", "Content-Length: 18446744073709551621\r\n\r\nhello"),
    ("more-than-there-is", "Content-Length: 500\r\n\r\nhello"),
    ("beside-chunks", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("empty", "Content-Length:\r\n\r\nhello"),
];

/// Parts that nobody asked for, or that are none.
const PARTS: [(&str, &str); 10] = [
    ("unasked", "Content-Length: 5\r\nContent-Range: bytes 0-4/10\r\n\r\nhello"),
    ("unasked-but-all", "Content-Length: 5\r\nContent-Range: bytes 0-4/5\r\n\r\nhello"),
    ("backwards", "Content-Length: 5\r\nContent-Range: bytes 4-0/10\r\n\r\nhello"),
    ("beyond-its-whole", "Content-Length: 5\r\nContent-Range: bytes 0-4/3\r\n\r\nhello"),
    (
        "beyond-64-bits",
        "Content-Length: 5\r\nContent-Range: bytes 0-18446744073709551616/18446744073709551617\r\n\r\nhello",
    ),
    ("of-items", "Content-Length: 5\r\nContent-Range: items 0-4/10\r\n\r\nhello"),
    ("without-a-range", "Content-Length: 5\r\n\r\nhello"),
    (
        "wrong-boundary",
        "Content-Length: 72\r\nContent-Type: multipart/byteranges; boundary=aaa\r\n\r\n\
         --bbb\r\nContent-Range: bytes 0-4/10\r\n\r\nhello\r\n--bbb--\r\n--aaa-- and more..",
    ),
    (
        "no-boundary",
        "Content-Length: 53\r\nContent-Type: multipart/byteranges\r\n\r\n--\r\nContent-Range: bytes 0-4/10\r\n\r\nhello\r\n----\r\n..",
    ),
    (
        "boundary-that-never-ends",
        "Content-Length: 48\r\nContent-Type: multipart/byteranges; boundary=aaa\r\n\r\n--aaa\r\nContent-Range: bytes 0-4/10\r\n\r\nhello...",
    ),
];

/// The script that waits at a gate before anything else.
fn held(mut script: Script, gate: &str) -> Script {
    script.before.insert(0, Step::Gate(gate.to_owned()));
    script
}

/// Two ask at once, the origin lies, and then tells the truth: nobody is told the lie as if it were true, and who comes
/// later gets the truth, the second time from store.
async fn nothing_of_a_lie_is_believed(edge: &Edge, origin: &Origin, name: &str, lie: &str, protocol: Protocol) {
    let path = format!("/{name}-{}", protocol.label());
    let what = format!("{path}: {lie:?}");
    origin.on(&path, held(raw(lie), &path));
    let [first, second] = [edge.client(protocol).await, edge.client(protocol).await];
    let gate = origin.gate(&path);
    let open = async {
        gate.reached().await;
        gate.open();
    };
    let (first, second, ()) = within(&what, async { tokio::join!(first.get(&path), second.get(&path), open) }).await;
    for answer in [&first, &second] {
        assert!(is_visible(answer), "{what}: {}", shown(answer));
    }
    origin.on(&path, truth());
    let client = edge.client(protocol).await;
    for _ in 0..2 {
        let answer = within(&what, client.get(&path)).await;
        assert!(is_whole(&answer, SEED, SIZE), "afterwards, {what}: {}", shown(&answer));
    }
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_refused_or_visibly_cut_and_never_stored() {
    let (edge, origin) = patient_edge("").await;
    for (name, head) in LENGTHS {
        for protocol in PROTOCOLS {
            nothing_of_a_lie_is_believed(&edge, &origin, name, &format!("{OK}{head}"), protocol).await;
        }
    }
}

#[tokio::test]
async fn parts_that_nobody_asked_for_are_refused_and_never_stored() {
    let (edge, origin) = patient_edge("").await;
    for (name, head) in PARTS {
        let lie = format!("HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=3600\r\nETag: \"lie\"\r\n{head}");
        for protocol in PROTOCOLS {
            nothing_of_a_lie_is_believed(&edge, &origin, name, &lie, protocol).await;
        }
    }
}

/// Whether this is the asked part of the truth, all of the truth, or visibly none.
fn is_honest(answer: &anyhow::Result<Response>, part: (u64, u64)) -> bool {
    let (start, end) = part;
    let is_part = |response: &Response| {
        let range = format!("bytes {start}-{}/{SIZE}", end - 1);
        let right = *response.body == *Pattern::new(SEED).bytes(start, end);
        response.status == 206 && response.end == End::Clean && response.field("content-range") == Some(&range) && right
    };
    is_visible(answer) || is_whole(answer, SEED, SIZE) || answer.as_ref().is_ok_and(is_part)
}

#[tokio::test]
async fn part_that_was_asked_for_is_right_or_refused_whatever_the_origin_calls_it() {
    let (edge, origin) = patient_edge("slices: {threshold: 1MiB, size: 1MiB}").await;
    // Some are lies only where nobody asked.
    for (name, head) in PARTS.into_iter().filter(|(name, _)| *name != "unasked-but-all") {
        for protocol in PROTOCOLS {
            let path = format!("/asked-{name}-{}", protocol.label());
            let lie = format!("HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=3600\r\nETag: \"lie\"\r\n{head}");
            origin.on_host_in_turn(tidegate_tests::edge::HOST, std::slice::from_ref(&path), vec![raw(&lie), truth()]);
            let client = edge.client(protocol).await;
            for round in 0..3 {
                let request = Request::get(&path).field("range", "bytes=1000-1999");
                let answer = within(&path, client.request(request)).await;
                assert!(is_honest(&answer, (1000, 2000)), "{path}, round {round}: {}", shown(&answer));
                assert!(round == 0 || !is_visible(&answer), "{path}, round {round}: {}", shown(&answer));
            }
            let whole = within(&path, client.get(&path)).await;
            assert!(is_whole(&whole, SEED, SIZE), "{path}, whole: {}", shown(&whole));
        }
    }
}

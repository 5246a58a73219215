//! Origins that break off and then have another version, or answer the request for the rest with something else.

use tidegate_tests::edge::HOST;
use tidegate_tests::origin::{Script, Semantics, Step};
use tidegate_tests::pattern::Pattern;
use tidegate_tests::within;

use super::{PROTOCOLS, is_visible, is_whole, patient_edge, raw, shown};

const SIZE: u64 = 400_000;
const HALF: u64 = SIZE / 2;

fn version(seed: u64, tag: &str) -> Script {
    let script = Script::status(200).pattern(seed, SIZE).semantics(Semantics::Ranges);
    script.field("cache-control", "max-age=3600").field("etag", tag)
}

/// The rest of version 1 under this head, as far as text can hold it: the bytes of a wrong answer do not matter.
fn rest(fields: &str) -> Script {
    let body = "x".repeat(usize::try_from(HALF).unwrap());
    raw(&format!(
        "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=3600\r\nContent-Length: {HALF}\r\n{fields}\r\n\r\n{body}"
    ))
}

/// What the origin says to the request for the rest.
fn answers() -> Vec<(&'static str, Script)> {
    let last = SIZE - 1;
    let place = format!("Content-Range: bytes {HALF}-{last}/{SIZE}");
    vec![
        ("other-tag-as-a-whole", version(2, "\"b\"")),
        ("other-tag-as-a-part", rest(&format!("ETag: \"b\"\r\n{place}"))),
        ("no-tag", rest(&place)),
        ("weak-tag", rest(&format!("ETag: W/\"a\"\r\n{place}"))),
        ("other-start", rest(&format!("ETag: \"a\"\r\nContent-Range: bytes 0-{}/{SIZE}", HALF - 1))),
        ("other-whole", rest(&format!("ETag: \"a\"\r\nContent-Range: bytes {HALF}-{last}/{}", SIZE + 1))),
        ("no-place", rest("ETag: \"a\"")),
        ("absurd-place", rest("ETag: \"a\"\r\nContent-Range: bytes 18446744073709551615-18446744073709551616/1")),
        ("two-places", rest(&format!("ETag: \"a\"\r\n{place}\r\nContent-Range: bytes 0-1/2"))),
        ("parts", rest("ETag: \"a\"\r\nContent-Type: multipart/byteranges; boundary=x")),
        ("other-coding", rest(&format!("ETag: \"a\"\r\nContent-Encoding: gzip\r\n{place}"))),
        ("unsatisfiable", Script::status(416).field("content-range", "bytes */10")),
        ("gone", Script::status(404)),
        ("failing", Script::status(500)),
    ]
}

#[tokio::test]
async fn versions_are_never_mixed_when_an_origin_breaks_off_and_has_another() {
    let (edge, origin) = patient_edge("").await;
    for (name, answer) in answers() {
        for protocol in PROTOCOLS {
            let path = format!("/{name}-{}", protocol.label());
            let broken = version(1, "\"a\"").then(Step::Send(HALF)).then(Step::Gate(path.clone())).then(Step::Close);
            origin.on_host_in_turn(
                HOST,
                std::slice::from_ref(&path),
                vec![broken, answer.clone(), version(2, "\"b\"")],
            );
            let (one, other) = (edge.client(protocol).await, edge.client(protocol).await);
            let gate = origin.gate(&path);
            let open = async {
                gate.reached().await;
                gate.open();
            };
            let answers = async { tokio::join!(one.get(&path), other.get(&path), open) };
            let (first, second, ()) = within(&path, answers).await;
            for answer in [&first, &second] {
                let one_version = is_whole(answer, 1, SIZE) || is_whole(answer, 2, SIZE);
                assert!(one_version || is_visible(answer), "{path}: {}", shown(answer));
                // What came before the cut is of one version, too.
                if let Ok(response) = answer.as_ref().map(|response| &response.body).or(Err(()))
                    && is_visible(answer)
                    && answer.as_ref().is_ok_and(|response| response.status == 200)
                {
                    let of = |seed| Pattern::new(seed).check(0, response).is_ok();
                    assert!(of(1) || of(2), "{path}: {} bytes of no version", response.len());
                }
            }
            let later = within(&path, one.get(&path)).await;
            assert!(is_whole(&later, 1, SIZE) || is_whole(&later, 2, SIZE), "later, {path}: {}", shown(&later));
        }
    }
}

#[tokio::test]
async fn rest_of_the_same_version_completes_what_broke_off() {
    let (edge, origin) = patient_edge("").await;
    for protocol in PROTOCOLS {
        let path = format!("/same-{}", protocol.label());
        let broken = version(1, "\"a\"").then(Step::Send(HALF)).then(Step::Close);
        origin.on_host_in_turn(HOST, std::slice::from_ref(&path), vec![broken, version(1, "\"a\"")]);
        let answer = within(&path, edge.client(protocol).await.get(&path)).await;
        assert!(is_whole(&answer, 1, SIZE), "{path}: {}", shown(&answer));
        assert_eq!(origin.requests(&path).len(), 2);
        assert_eq!(origin.requests(&path)[1].field("if-range"), Some("\"a\""), "{path}");
    }
}

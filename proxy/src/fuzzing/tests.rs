//! The targets with seeds and what proptest makes up; bounded, so that they are part of every test run.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Pieces of what the targets read.
const PIECES: [&[u8]; 88] = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b HTTP/1.0\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\0",
    b"5\r\nhello\r\n",
    b"0\r\n",
    b"1;a=b\r\nx\r\n",
    b"ffffffffffffffff",
    b"T: 1\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x21\x11\x00\x0c",
    b"\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02",
    b"\x20\x00\x00\x00",
    b"for=192.0.2.1",
    b"for=\"[2001:db8::1]:80\"",
    b"proto=https",
    b"\"",
    b"\\",
    b"/a/../b",
    b"/%2e%2E/",
    b"/%zz",
    b"//a",
    b"media.tidegate.test:80",
    b"[::1]",
    b"\x06\x82\x87\x04\x02/1\xbe",
    b"\x05\x40\x01a\x01b",
    b"\x04\x44\x02/a",
    b"\x03\x3f\x45\xbe",
    b"\x07\x00\x01a\x82\x1f\xff\xbf",
    b"\x00\x00\xd1\xd7\xc1",
    b"\x50\x01a",
    b"\x2d\xb9\x49\x53\x39\xe4\x01x",
    b"\x27\x00:status\x01x",
    b"GET\n/a?b\nmedia.tidegate.test\n",
    b"POST\n/\na:80\n",
    b"OPTIONS\n*\n[::1]:443\n",
    b"CONNECT\n/\na:443\n",
    b"content-length:5\n",
    b"host:a:80\n",
    b"cookie:a=b\n",
    b"te:trailers\n",
    b"#EXTM3U\n",
    b"#EXTINF:4,\n",
    b"a.ts\n",
    b"//b/a.ts\n",
    b"#EXT-X-PART:URI=\"../p.mp4\"\n",
    b"#EXT-X-STREAM-INF:BANDWIDTH=1\n",
    b"<MPD>",
    b"<Period><AdaptationSet>",
    b"<SegmentTemplate media='$Number$' duration='1'/>",
    b"<Representation/>",
    b"</AdaptationSet></Period></MPD>",
    b"_HLS_msn=1&",
    b"br=3200,bs",
    b"nor=\"..%2Fa\"",
    b"nrr=\"5-\"",
    b"=?1",
    b"?CMCD=",
    b"&CMCD=su&",
    b"max-age=60",
    b"s-maxage=",
    b"private=\"a\"",
    b"no-store",
    b"bytes=0-5",
    b"bytes 0-9/10",
    b"W/\"a\"",
    b"\"a\"",
    b"*",
    b"accept-encoding",
    b"gzip;q=0.5",
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"Nov ",
    b"1994 ",
    b"08:49:37",
];

/// Inputs without a wish; `TIDEGATE_FUZZING_CASES` makes more of them.
fn cases() -> u32 {
    std::env::var("TIDEGATE_FUZZING_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn targets_hold_for_pieces_put_together(places in proptest::collection::vec(0..PIECES.len(), 0..12)) {
        let bytes: Vec<u8> = places.into_iter().flat_map(|place| PIECES[place]).copied().collect();
        TARGETS.iter().for_each(|(_, target)| target(&bytes));
    }

    #[test]
    fn targets_hold_for_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        TARGETS.iter().for_each(|(_, target)| target(&bytes));
    }
}

#[test]
fn targets_hold_for_their_seeds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in TARGETS {
        let seeds: Vec<_> = fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(seeds.len() >= 3, "{name} has seeds");
        for seed in seeds {
            target(&fs::read(&seed).unwrap());
        }
    }
}

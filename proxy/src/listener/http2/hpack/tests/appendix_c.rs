//! The examples of RFC 7541 appendix C.

use super::*;

const STATUS: &str = "malformed PseudoHeader"; // these are responses
const DATE_21: &str = "date: Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_22: &str = "date: Mon, 21 Oct 2013 20:13:22 GMT";
const LOCATION: &str = "location: https://www.example.com";
const SET_COOKIE: &str = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

/// Decodes the blocks of one connection, each of which says these fields.
fn check(table_bytes: usize, blocks: &[(&str, &[&str])]) {
    let mut decoder = Decoder::new(table_bytes);
    for (block, expected) in blocks {
        assert_eq!(decode(&mut decoder, &bytes(block)).unwrap(), *expected, "{block}");
    }
}

#[test]
fn integers_are_read_and_written() {
    for (value, flags, prefix, coded) in
        [(10, 0xe0, 5, "ea"), (1337, 0, 5, "1f 9a 0a"), (42, 0, 7, "2a"), (31, 0, 5, "1f 00")]
    {
        let coded = bytes(coded);
        let mut out = Vec::new();
        integer::write(&mut out, flags, prefix, value);
        assert_eq!(out, coded);
        let mut rest = &coded[1..];
        assert_eq!(integer::read(coded[0], prefix, &mut rest), Ok(value));
        assert!(rest.is_empty());
    }
}

#[test]
fn each_representation_is_read() {
    let literal = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    check(4096, &[(literal, &["custom-key: custom-header"]), ("be", &["custom-key: custom-header"])]);
    check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", &[":path: /sample/path"])]);
    check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", &["password: secret"])]);
    check(4096, &[("82", &[":method: GET"])]);
}

/// What the three requests of C.3 and C.4 say.
const REQUESTS: [&[&str]; 3] = [
    &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

#[test]
fn requests_without_huffman_coding() {
    let blocks = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    check(4096, &[0, 1, 2].map(|index| (blocks[index], REQUESTS[index])));
}

#[test]
fn requests_with_huffman_coding() {
    let blocks = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    check(4096, &[0, 1, 2].map(|index| (blocks[index], REQUESTS[index])));
}

/// What the three responses of C.5 and C.6 say; their table is so small that entries are evicted.
const RESPONSES: [&[&str]; 3] = [
    &[STATUS, "cache-control: private", DATE_21, LOCATION],
    &[STATUS, "cache-control: private", DATE_21, LOCATION],
    &[STATUS, "cache-control: private", DATE_22, LOCATION, "content-encoding: gzip", SET_COOKIE],
];

#[test]
fn responses_without_huffman_coding() {
    let blocks = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d \
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f \
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b \
         2076 6572 7369 6f6e 3d31",
    ];
    check(256, &[0, 1, 2].map(|index| (blocks[index], RESPONSES[index])));
}

#[test]
fn responses_with_huffman_coding() {
    let blocks = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 \
         8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 \
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    check(256, &[0, 1, 2].map(|index| (blocks[index], RESPONSES[index])));
}

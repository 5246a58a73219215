//! `tidegate warm` where there is no node to ask. What it does with one is shown by the integration tests.

use crate::calling::call;

#[test]
fn node_that_cannot_be_asked_is_named() {
    let check = |node: &str, said: &str| {
        let ended = call(&["warm", "https://media.example/a.m3u8", "--node", node]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    };
    // Nothing listens on the port of discard on loopback addresses that nobody uses.
    check("http://127.254.254.254:9", "no answer of the node at 127.254.254.254:9");
    check("127.0.0.1:9000", "is not the URL of an operator's listener");
}

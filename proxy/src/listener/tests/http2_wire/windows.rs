//! Flow control (RFC 9113 section 5.2), whatever a client does with its windows.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What a client does between two looks at what has come.
#[derive(Debug, Clone)]
enum Step {
    Ask(&'static str),
    Widen(usize, u32),
    WidenConnection(u32),
    Resize(u32),
    Cancel(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let by = prop_oneof![1_u32..100, 1_u32..40_000, 1_u32..500_000];
    prop_oneof![
        4 => prop::sample::select(vec!["/ready", "/ready-large", "/large", "/small"]).prop_map(Step::Ask),
        2 => (any::<prop::sample::Index>(), by.clone()).prop_map(|(which, by)| Step::Widen(which.index(64), by)),
        2 => by.prop_map(Step::WidenConnection),
        1 => prop::sample::select(vec![0, 1, 100, 16_384, 65_535, 300_000]).prop_map(Step::Resize),
        1 => any::<prop::sample::Index>().prop_map(|which| Step::Cancel(which.index(64))),
    ]
}

/// Windows as the client counts them, and what has come.
struct Ledger {
    connection: i64,
    initial: i64,
    /// SETTINGS that were sent and not acknowledged. The first are the empty ones of the greeting.
    sizes: VecDeque<Option<i64>>,
    streams: HashMap<u32, Account>,
}

struct Account {
    window: i64,
    received: usize,
    length: Option<usize>,
    ended: bool,
    cancelled: bool,
}

impl Ledger {
    /// Books one frame; no window may be overdrawn by it.
    fn book(&mut self, frame: &Frame) {
        match frame.kind {
            SETTINGS if frame.flags & ACK != 0 => {
                if let Some(size) = self.sizes.pop_front().expect("one for each") {
                    let by = size - self.initial;
                    self.initial = size;
                    self.streams.values_mut().for_each(|account| account.window += by);
                }
            }
            DATA => {
                let account = self.streams.get_mut(&frame.stream).expect("asked for");
                account.window -= frame.payload.len() as i64;
                self.connection -= frame.payload.len() as i64;
                assert!(frame.payload.is_empty() || (account.window >= 0 && self.connection >= 0), "overdrawn");
                assert!(!account.ended, "more after the end");
                account.received += frame.payload.len();
                account.ended = frame.is_end();
            }
            RST_STREAM | GOAWAY => panic!("{frame:?}"),
            _ => {}
        }
    }

    fn is_done(&self) -> bool {
        self.streams.values().all(|account| account.ended || account.cancelled)
    }
}

async fn play(steps: Vec<Step>) {
    let mut wire = Wire::start(limits(), 8 << 10).await;
    let mut ledger = Ledger { connection: 65_535, initial: 65_535, sizes: [None].into(), streams: HashMap::new() };
    let mut asked = Vec::new();
    for step in steps {
        let bytes = match step {
            Step::Ask(path) => {
                let stream = asked.len() as u32 * 2 + 1;
                asked.push(stream);
                let length = path.ends_with("large").then_some(1 << 20);
                let account = Account { window: ledger.initial, received: 0, length, ended: false, cancelled: false };
                ledger.streams.insert(stream, account);
                get(stream, path)
            }
            Step::Widen(which, by) => {
                let Some(stream) = asked.get(which) else { continue };
                ledger.streams.get_mut(stream).unwrap().window += i64::from(by);
                widen(*stream, by)
            }
            Step::WidenConnection(by) => {
                ledger.connection += i64::from(by);
                widen(0, by)
            }
            Step::Resize(size) => {
                ledger.sizes.push_back(Some(i64::from(size)));
                initial_window(size)
            }
            Step::Cancel(which) => {
                let Some(stream) = asked.get(which) else { continue };
                ledger.streams.get_mut(stream).unwrap().cancelled = true;
                frame(RST_STREAM, 0, *stream, &8_u32.to_be_bytes())
            }
        };
        wire.send(&[bytes, frame(PING, 0, 0, &MARK)].concat()).await;
        for frame in wire.up_to(|frame| frame.kind == PING).await {
            ledger.book(&frame);
        }
    }
    // With windows as wide as they can be, all of it comes.
    ledger.connection += 1 << 30;
    ledger.sizes.push_back(Some(1 << 30));
    wire.send(&[widen(0, 1 << 30), initial_window(1 << 30)].concat()).await;
    while !ledger.is_done() {
        let frame = wire.next().await.expect("more comes");
        ledger.book(&frame);
    }
    for (stream, account) in ledger.streams {
        let whole = account.length.is_none_or(|length| account.received == length);
        assert!(account.cancelled || (whole && account.received > 0), "{stream}: {}", account.received);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_window_is_overdrawn_and_everything_comes(steps in vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(play(steps));
    }
}

//! Any sequence of what writer and readers can do, compared with a model.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;

use super::super::{Body, BodyError, Reader};
use super::{piece, read};

#[derive(Debug, Clone)]
enum Step {
    Write(usize),
    Open(u64),
    Read { reader: usize, limit: usize },
    Move { reader: usize, to: u64 },
    Close { reader: usize },
    BecomeWindow(usize),
    Starve,
}

fn step() -> impl Strategy<Value = Step> {
    let reader = 0..4_usize;
    prop_oneof![
        4 => (1..60_usize).prop_map(Step::Write),
        2 => (0..200_u64).prop_map(Step::Open),
        8 => (reader.clone(), 1..80_usize).prop_map(|(reader, limit)| Step::Read { reader, limit }),
        1 => (reader.clone(), 0..300_u64).prop_map(|(reader, to)| Step::Move { reader, to }),
        1 => reader.prop_map(|reader| Step::Close { reader }),
        1 => (1..100_usize).prop_map(Step::BecomeWindow),
        1 => Just(Step::Starve),
    ]
}

/// The longest piece that a step writes.
const LONGEST: u64 = 60;

struct Model {
    body: Arc<Body>,
    readers: Vec<Reader>,
    written: u64,
    window: Option<u64>,
}

impl Model {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Write(length) => {
                let done = self.body.write(piece(self.written, length)).now_or_never();
                let written = done == Some(Ok(()));
                assert!(written || self.window.is_some(), "a kept body always has room");
                if written {
                    self.written += length as u64;
                    // Before, it may have held more than the window that it became.
                    let bound = self.window.map_or(self.written, |window| window + LONGEST);
                    assert!(self.body.held() <= bound, "{} bytes held", self.body.held());
                }
            }
            Step::Open(position) => {
                let reader = self.body.reader(position);
                assert!(reader.is_some() || self.window.is_some(), "a kept body has all bytes");
                self.readers.extend(reader);
            }
            Step::Move { reader, to } => {
                if let Some(reader) = self.readers.get_mut(reader) {
                    reader.move_to(to);
                }
            }
            Step::Close { reader } => {
                if reader < self.readers.len() {
                    self.readers.remove(reader);
                }
            }
            Step::Read { reader, limit } => self.read(reader, limit),
            Step::BecomeWindow(size) => {
                self.body.become_window(size);
                self.window = Some(size as u64);
            }
            Step::Starve => self.body.starved(Duration::from_secs(1), self.window.is_none()),
        }
    }

    fn read(&mut self, reader: usize, limit: usize) {
        let Some(reader) = self.readers.get_mut(reader) else { return };
        let position = reader.position;
        match read(reader, limit) {
            None => assert!(position >= self.written, "waits although there are bytes"),
            Some(Ok(Some(bytes))) => {
                assert!(!bytes.is_empty() && bytes.len() <= limit);
                assert_eq!(bytes, piece(position, bytes.len()));
                assert!(position + bytes.len() as u64 <= self.written);
            }
            Some(Ok(None)) => panic!("a clean end of a body that grows"),
            Some(Err(error)) => assert!(error == BodyError::Lagging && self.window.is_some()),
        }
    }
}

proptest! {
    #[test]
    fn body_agrees_with_a_model(steps in prop::collection::vec(step(), 1..120), ends_well: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let mut model = Model { body: Body::growing(), readers: Vec::new(), written: 0, window: None };
        for step in &steps {
            model.take(step);
        }
        if ends_well { model.body.finish() } else { model.body.fail() }
        for mut reader in std::mem::take(&mut model.readers) {
            loop {
                let position = reader.position;
                match read(&mut reader, 33).expect("a body that has ended never waits") {
                    Ok(Some(bytes)) => prop_assert_eq!(&bytes, &piece(position, bytes.len())),
                    Ok(None) => {
                        prop_assert!(ends_well && position >= model.written);
                        break;
                    }
                    Err(BodyError::Truncated) => {
                        prop_assert!(!ends_well && position >= model.written);
                        break;
                    }
                    Err(BodyError::Lagging) => {
                        prop_assert!(model.window.is_some());
                        break;
                    }
                }
            }
        }
    }
}

use bytes::Bytes;

use super::*;

fn record(key: &str, body: &'static str) -> NewRecord {
    NewRecord {
        key: Key::new(key.to_owned()).unwrap(),
        kind: 0,
        head: Bytes::new(),
        body: vec![Bytes::from_static(body.as_bytes())],
        expires: u64::MAX,
        site: 0,
    }
}

fn key(text: &str) -> Key {
    Key::new(text.to_owned()).unwrap()
}

fn body(writes: &Writes, text: &str) -> Option<String> {
    match writes.look(&key(text)) {
        Queue::Record(record) => Some(String::from_utf8(record.body.concat()).unwrap()),
        Queue::Removed => Some("removed".to_owned()),
        Queue::Nothing => None,
    }
}

fn take(writes: &Writes) -> Option<String> {
    match writes.take(Some(Instant::now())) {
        Work::Write(writing) => Some(String::from_utf8(writing.record.key.as_bytes().to_vec()).unwrap()),
        _ => None,
    }
}

#[test]
fn records_are_written_in_their_order_and_found_until_the_device_has_them() {
    let writes = Writes::new(1 << 20);
    writes.push(record("a", "1")).unwrap();
    writes.push(record("b", "2")).unwrap();
    assert_eq!(take(&writes).as_deref(), Some("a"));
    assert_eq!((body(&writes, "a"), body(&writes, "b")), (Some("1".into()), Some("2".into())));
    writes.done(|key| panic!("{key:?} was wanted"));
    assert_eq!((body(&writes, "a"), body(&writes, "b")), (None, Some("2".into())));
    assert_eq!(take(&writes).as_deref(), Some("b"));
}

#[test]
fn a_removal_cancels_what_is_queued() {
    let writes = Writes::new(1 << 20);
    writes.push(record("a", "1")).unwrap();
    writes.cancel(&key("a"));
    assert_eq!(body(&writes, "a"), None);
    assert_eq!(take(&writes), None);
    assert_eq!(writes.depth(), (0, 0));
}

#[test]
fn a_removal_hides_what_is_being_written() {
    let writes = Writes::new(1 << 20);
    writes.push(record("a", "1")).unwrap();
    assert_eq!(take(&writes).as_deref(), Some("a"));
    writes.cancel(&key("a"));
    assert_eq!(body(&writes, "a").as_deref(), Some("removed"));
    writes.push(record("a", "2")).unwrap();
    assert_eq!(body(&writes, "a").as_deref(), Some("2"));
    let mut unwanted = Vec::new();
    writes.done(|key| {
        unwanted.push(key.clone());
        None
    });
    assert_eq!(unwanted, [key("a")]);
    assert_eq!(body(&writes, "a").as_deref(), Some("2"));
}

#[test]
fn a_record_takes_the_place_of_what_was_queued_for_its_key() {
    let writes = Writes::new(1 << 20);
    for text in ["1", "2", "3"] {
        writes.push(record("a", text)).unwrap();
    }
    assert_eq!(body(&writes, "a").as_deref(), Some("3"));
    assert_eq!(take(&writes).as_deref(), Some("a"));
    writes.done(|_| None);
    assert_eq!(take(&writes), None);
}

#[test]
fn the_queue_is_bounded_in_bytes_and_counts_what_is_being_written() {
    let writes = Writes::new(2 * (OVERHEAD + 2));
    writes.push(record("a", "1")).unwrap();
    assert_eq!(take(&writes).as_deref(), Some("a"));
    writes.push(record("b", "1")).unwrap();
    assert_eq!(writes.push(record("c", "1")), Err(QueueFull));
    writes.done(|_| None);
    writes.push(record("c", "1")).unwrap();
    // What does not fit takes with it what it was to replace.
    assert_eq!(writes.push(record("b", "1234567890")), Err(QueueFull));
    assert_eq!(body(&writes, "b"), None);
}

#[test]
fn removals_are_bounded_too() {
    let writes = Writes::new(0);
    let place = Place {
        hash: 0,
        segment: 0,
        epoch: 0,
        unit: 0,
        length: 0,
        sequence: 1,
        expires: 0,
        site: 0,
        kind: 0,
        reads: 0,
        pinned: false,
    };
    for _ in 0..MOST_SETTLEMENTS + 3 {
        writes.settle(place);
    }
    assert_eq!(writes.settlements_lost(), 3);
}

#[test]
fn a_queue_that_ends_is_written_or_abandoned() {
    for (ending, written) in [(Ending::Flush, true), (Ending::Abandon, false)] {
        let writes = Writes::new(1 << 20);
        writes.push(record("a", "1")).unwrap();
        writes.end(ending);
        assert_eq!(writes.push(record("b", "1")), Err(QueueFull));
        assert_eq!(matches!(writes.take(None), Work::Write(_)), written);
        assert!(matches!(writes.take(None), Work::End));
    }
}

#[test]
fn what_was_dropped_is_not_found_until_the_older_is_forgotten_unless_it_comes_anew() {
    let writes = Writes::new(1 << 20);
    for name in ["a", "b"] {
        writes.push(record(name, "1")).unwrap();
    }
    let dropped = writes.drop_records();
    assert_eq!((dropped.len(), writes.depth()), (2, (0, 0)));
    writes.push(record("b", "2")).unwrap();
    let removed = |name: &str| matches!(writes.look(&key(name)), Queue::Removed);
    assert_eq!((removed("a"), removed("b"), removed("c")), (true, false, false));
    writes.forgotten(&dropped);
    assert!(matches!(writes.look(&key("a")), Queue::Nothing));
    assert!(writes.drop_records().len() == 1 && writes.drop_records().is_empty());
}

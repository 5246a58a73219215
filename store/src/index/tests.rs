use proptest::prelude::*;

use super::*;

fn place(hash: u64, segment: u32, unit: u32, sequence: u64) -> Place {
    Place {
        hash,
        segment,
        epoch: 0,
        unit,
        length: 100,
        sequence,
        expires: 1000,
        site: 1,
        kind: 2,
        reads: 0,
        pinned: false,
    }
}

fn publish(index: &Index, place: Place) -> Option<Place> {
    match index.publish(place, u64::MAX, &|| true) {
        Published::Known { replaced, .. } => replaced,
        Published::Unwanted => panic!("was wanted"),
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Publish(u64, u32),
    Remove(u64),
    Pin(u64, bool),
    Relocate(u64, u32),
    Forget(u32),
}

fn operation() -> impl Strategy<Value = Operation> {
    // Hashes that differ in high and low bits, so that shards and tables have several each.
    let hash = (0..40_u64).prop_map(|number| number << 38 | number);
    prop_oneof![
        6 => (hash.clone(), 0..8_u32).prop_map(|(hash, segment)| Operation::Publish(hash, segment)),
        2 => hash.clone().prop_map(Operation::Remove),
        1 => (hash.clone(), any::<bool>()).prop_map(|(hash, pinned)| Operation::Pin(hash, pinned)),
        2 => (hash, 0..8_u32).prop_map(|(hash, segment)| Operation::Relocate(hash, segment)),
        1 => (0..8_u32).prop_map(Operation::Forget),
    ]
}

fn apply(index: &Index, known: &mut HashMap<u64, Place>, number: u32, operation: Operation) {
    match operation {
        Operation::Publish(hash, segment) => {
            let mut new = place(hash, segment, number, u64::from(number));
            let replaced = publish(index, new);
            assert_eq!(replaced, known.get(&hash).copied());
            new.pinned = replaced.is_some_and(|replaced| replaced.pinned);
            known.insert(hash, new);
        }
        Operation::Remove(hash) => assert_eq!(index.remove(hash), known.remove(&hash)),
        Operation::Pin(hash, pinned) => {
            assert_eq!(index.pin(hash, pinned, u64::MAX), known.contains_key(&hash));
            known.entry(hash).and_modify(|place| place.pinned = pinned);
        }
        Operation::Relocate(hash, segment) => {
            let Some(from) = known.get(&hash).copied() else { return };
            let to = Place { segment, unit: number, ..from };
            assert!(index.relocate(&from, to));
            assert!(!index.relocate(&Place { unit: number + 1, ..from }, to), "is not there");
            known.insert(hash, to);
        }
        Operation::Forget(segment) => {
            let mut forgotten = 0;
            index.forget_segment(segment, &mut |place| {
                assert_eq!(known.remove(&place.hash), Some(*place));
                forgotten += 1;
            });
            assert!(known.values().all(|place| place.segment != segment), "{forgotten}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_index_finds_what_a_plain_map_finds(operations in proptest::collection::vec(operation(), 0..300)) {
        let index = Index::new(8);
        let mut known = HashMap::new();
        for (number, operation) in operations.into_iter().enumerate() {
            apply(&index, &mut known, u32::try_from(number).unwrap(), operation);
        }
        for segment in 0..8 {
            let of_segment = known.values().filter(|place| place.segment == segment);
            let account = index.accounts().segment(segment);
            prop_assert_eq!(account.living, of_segment.clone().map(Place::padded).sum::<u64>());
            prop_assert_eq!(account.pinned, of_segment.clone().filter(|place| place.pinned).map(Place::padded).sum::<u64>());
            prop_assert_eq!(index.of_segment(segment).len(), of_segment.count());
        }
        let mut walked = HashMap::new();
        let mut cursor = Some(Cursor::default());
        while let Some(from) = cursor {
            let (places, next) = index.page(from, 7);
            walked.extend(places.into_iter().map(|place| (place.hash, place)));
            cursor = next;
        }
        prop_assert_eq!(index.accounts().records(), known.len() as u64);
        prop_assert_eq!(walked, known);
    }
}

#[test]
fn of_two_records_found_on_disk_the_newer_is_known() {
    for (first, second) in [(1, 2), (2, 1)] {
        let index = Index::new(8);
        assert_eq!(index.recover(place(5, 0, 0, first)), None);
        let loser = index.recover(place(5, 1, 0, second)).unwrap();
        assert_eq!((loser.sequence, index.find(5).unwrap().sequence), (1, 2));
    }
}

#[test]
fn expired_bytes_do_not_count_as_living() {
    let index = Index::new(1);
    index.accounts().begin(0, 1, 10_000);
    for (hash, expires) in [(1, 10_020), (2, 10_100), (3, 20_000)] {
        publish(&index, Place { expires, ..place(hash, 0, 0, 1) });
    }
    for (now, living) in [(10_000, 384), (10_030, 256), (10_119, 256), (10_120, 128), (19_999, 128), (20_000, 0)] {
        assert_eq!(index.accounts().segment(0).living_at(now), living, "at {now}");
    }
}

#[test]
fn what_is_not_wanted_replaces_nothing() {
    let index = Index::new(1);
    publish(&index, place(1, 0, 0, 1));
    assert!(matches!(index.publish(place(1, 0, 9, 2), u64::MAX, &|| false), Published::Unwanted));
    assert_eq!(index.find(1).unwrap().unit, 0);
}

#[test]
fn no_more_is_pinned_than_may_be() {
    let index = Index::new(1);
    publish(&index, place(1, 0, 0, 1));
    publish(&index, place(2, 0, 2, 1));
    assert!(index.pin(1, true, 200) && !index.pin(2, true, 200));
    assert!(index.pin(1, false, 200) && index.pin(2, true, 200));
}

use proptest::prelude::*;

use super::*;
use crate::key::Secret;

fn seed() -> Seed {
    Seed::of(&Secret([3; 16]))
}

fn new_record(key: &str, head: Vec<u8>, body: Vec<Vec<u8>>) -> NewRecord {
    let body = body.into_iter().map(Bytes::from).collect();
    NewRecord { key: Key::new(key.to_owned()).unwrap(), kind: 4, head: head.into(), body, expires: 99, site: 5 }
}

fn encode(record: &NewRecord) -> BytesMut {
    let header = Header::of(record, 11, 12);
    let mut bytes = BytesMut::from(&encode_preface(&header, record, seed())[..]);
    record.body.iter().for_each(|piece| bytes.extend_from_slice(piece));
    assert_eq!(bytes.len(), header.length());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_was_written_is_read_however_the_body_was_cut(
        head in proptest::collection::vec(any::<u8>(), 0..300),
        body in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90_000), 0..5),
    ) {
        let record = new_record("k", head, body);
        let bytes = encode(&record);
        let header = verify(&bytes, seed()).unwrap();
        let read = super::record(bytes, &header, &record.key);
        prop_assert_eq!(&read.head, &record.head);
        prop_assert_eq!(read.body.concat(), record.body.concat());
        prop_assert_eq!((read.kind, read.expires, read.sequence, read.site), (4, 99, 12, 5));
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let sound = encode(&new_record("key", vec![1; 20], vec![vec![2; 90]])).to_vec();
        let mut framed = sound.clone();
        let length = bytes.len().min(framed.len());
        framed[..length].copy_from_slice(&bytes[..length]);
        for candidate in [&bytes[..], &framed[..]] {
            prop_assert_eq!(verify(candidate, seed()).is_ok(), candidate == &sound[..]);
        }
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let bytes = encode(&new_record("key", b"head".to_vec(), vec![vec![7; 200]]));
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&damaged, seed()).is_err(), "bit {bit}");
    }
}

#[test]
fn a_record_cut_anywhere_is_none() {
    let bytes = encode(&new_record("key", b"head".to_vec(), vec![vec![7; 200]]));
    for length in 0..bytes.len() {
        assert!(verify(&bytes[..length], seed()).is_err(), "{length}");
    }
}

#[test]
fn a_record_of_another_volume_is_none() {
    let bytes = encode(&new_record("key", b"head".to_vec(), vec![vec![7; 200]]));
    assert!(verify(&bytes, Seed::of(&Secret([4; 16]))).is_err());
}

#[test]
fn another_epoch_changes_nothing_else() {
    let record = new_record("key", b"head".to_vec(), vec![vec![7; CHUNK + 1]]);
    let mut bytes = encode(&record);
    let before = verify(&bytes, seed()).unwrap();
    change_epoch(&mut bytes, &before, 1000, seed());
    assert_eq!(verify(&bytes, seed()).unwrap(), Header { epoch: 1000, ..before });
}

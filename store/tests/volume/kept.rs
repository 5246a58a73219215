//! What stays when room is made.

use std::cell::Cell;
use std::collections::HashMap;

use tidegate_store::{Cursor, EntryView, Fate, KeepAll, Keeper, Reclaimed, Share, Volume};

use crate::kit::{self, BEGIN, MIB, append, key, place, read, record, store, version};

const LENGTH: usize = 60_000;

/// Stores records until so many segments were reclaimed; answers what became of them.
fn press(volume: &Volume, from: usize, reclaims: usize) -> Vec<Reclaimed> {
    let mut reclaimed = Vec::new();
    for number in from..from + 20_000 {
        reclaimed.extend(append(volume, &record(&format!("pressing {number}"), 1, LENGTH)).reclaimed);
        if reclaimed.len() >= reclaims {
            break;
        }
    }
    reclaimed
}

#[test]
fn what_is_read_outlives_a_scan_of_what_is_not() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    let popular: Vec<_> = (0..20).map(|number| format!("popular {number}")).collect();
    for name in &popular {
        store(&volume, &record(name, 1, LENGTH));
    }
    for round in 0..20 {
        // Each of them is read once between two reclaims; a scan of many times the capacity goes through meanwhile.
        popular.iter().for_each(|name| assert!(read(&volume, name).is_some(), "{name} in round {round}"));
        press(&volume, round * 20_000, 3);
    }
    let figures = volume.figures();
    assert!(figures.evicted > 500 && figures.carried_bytes > 0);
    // What nobody reads any more goes.
    press(&volume, 1_000_000, 60);
    assert!(popular.iter().all(|name| place(&volume, name).is_none()));
}

#[test]
fn what_is_unread_goes_oldest_first() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    let reclaimed = press(&volume, 0, 20);
    assert!(reclaimed.iter().all(|reclaimed| reclaimed.carried == 0 && reclaimed.evicted > 0));
    let evicted: u64 = reclaimed.iter().map(|reclaimed| reclaimed.evicted).sum();
    let check = |volume: &Volume| {
        for number in 0..evicted {
            assert!(place(volume, &format!("pressing {number}")).is_none(), "{number} of {evicted}");
        }
        assert!(place(volume, &format!("pressing {evicted}")).is_some());
    };
    check(&volume);
    drop(volume);
    check(&directory.open());
}

#[test]
fn a_segment_whose_time_is_over_costs_nothing() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    let brief = |number: u64| tidegate_store::NewRecord {
        expires: directory.now() + 30,
        ..record(&format!("brief {number}"), 1, LENGTH)
    };
    for number in 0..40 {
        store(&volume, &record(&format!("long {number}"), 1, LENGTH));
    }
    let mut reclaimed = Vec::new();
    for number in 0..600 {
        if number % 20 == 0 {
            directory.pass(31);
        }
        // Also what was read does not come along when its time is over.
        read(&volume, &format!("brief {}", number.max(1) - 1));
        reclaimed.extend(append(&volume, &brief(number)).reclaimed);
    }
    assert!(reclaimed.len() > 10);
    assert!(reclaimed.iter().all(|one| one.carried == 0 && one.evicted == 0 && one.expired > 0), "{reclaimed:?}");
    assert_eq!(volume.figures().carried_bytes, 0);
    (0..40).for_each(|number| assert!(read(&volume, &format!("long {number}")).is_some(), "{number}"));
}

#[test]
fn there_is_free_room_until_something_would_have_to_go() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    assert!(volume.has_free_room());
    press(&volume, 0, 1);
    directory.pass(1);
    assert!(!volume.has_free_room());
    directory.pass(3600);
    assert!(volume.has_free_room(), "all is over");
}

#[test]
fn what_is_pinned_stays_whether_it_is_read_or_not_until_it_is_let_go() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    let names: Vec<_> = (0..200).map(|number| format!("pinned {number}")).collect();
    let mut pinned = Vec::new();
    for name in &names {
        store(&volume, &record(name, 1, LENGTH));
        if volume.pin(&key(name), true) {
            pinned.push(name);
        }
    }
    let figures = volume.figures();
    assert!(pinned.len() > 20 && figures.pinned_bytes <= figures.capacity / 2, "{} pinned", pinned.len());
    press(&volume, 0, 100);
    pinned.iter().for_each(|name| assert!(place(&volume, name).is_some(), "{name}"));
    store(&volume, &record(pinned[0], 2, LENGTH));
    press(&volume, 100_000, 50);
    assert_eq!(version(&volume, pinned[0]), Some(2), "what replaces a pinned record is pinned");
    pinned.iter().for_each(|name| assert!(volume.pin(&key(name), false)));
    press(&volume, 200_000, 50);
    assert!(pinned.iter().all(|name| place(&volume, name).is_none()));
    assert_eq!(volume.figures().pinned_bytes, 0);
}

#[test]
fn what_replaces_pinned_records_is_not_pinned_beyond_half_of_the_room() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    let names: Vec<_> = (0..60).map(|number| format!("pinned {number}")).collect();
    for name in &names {
        store(&volume, &record(name, 1, 10));
        assert!(volume.pin(&key(name), true));
    }
    let mut lost = 0;
    for name in &names {
        lost += u32::from(append(&volume, &record(name, 2, 500_000)).lost_its_pin);
        let figures = volume.figures();
        assert!(figures.pinned_bytes <= figures.capacity / 2, "{} of {}", figures.pinned_bytes, figures.capacity);
    }
    assert!(volume.figures().pinned_bytes > 0 && lost > 10, "{lost} of {} are told to be let go", names.len());
}

#[test]
fn what_is_pinned_stays_however_many_segments_it_fills_in_a_row() {
    // Begun small, so that its segments are small, and there are many.
    let mut directory = kit::directory(16 * MIB);
    drop(directory.open());
    directory.options.capacity = 64 * MIB;
    let volume = directory.open();
    let mut pinned = Vec::new();
    for number in 0..2000 {
        let name = format!("pinned {number}");
        store(&volume, &record(&name, 1, LENGTH));
        if !volume.pin(&key(&name), true) {
            break;
        }
        pinned.push(name);
    }
    let figures = volume.figures();
    assert!(figures.pinned_bytes / figures.segment_size > 9, "{figures:?}");
    // Everything else is read as well, so that segments are as full of what is to stay as they can be.
    for number in 0..1000 {
        let name = format!("pressing {number}");
        store(&volume, &record(&name, 1, LENGTH));
        read(&volume, &name);
    }
    let gone = pinned.iter().filter(|name| place(&volume, name).is_none()).count();
    assert_eq!(gone, 0, "of {}", pinned.len());
}

/// Lets everything go whose head it is told.
struct Against(&'static str);

impl Keeper for Against {
    fn keeps(&self, view: &EntryView<'_>) -> Fate {
        match view.head == self.0.as_bytes() {
            true => Fate::Drop,
            false => Fate::KeepPinned,
        }
    }
}

#[test]
fn the_keeper_lets_go_what_was_read_and_may_pin() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    let (good, bad) = (record("good", 1, LENGTH), record("bad", 2, LENGTH));
    let keeper = Against("2 60000");
    for new in [&good, &bad] {
        store(&volume, new);
    }
    let mut dropped = 0;
    for number in 0..400 {
        for name in ["good", "bad"] {
            read(&volume, name);
        }
        let new = record(&format!("pressing {number}"), 1, LENGTH);
        let reclaimed = volume.append(&new, &keeper).unwrap().reclaimed;
        dropped += reclaimed.iter().map(|reclaimed| reclaimed.dropped).sum::<u64>();
    }
    assert_eq!((version(&volume, "good"), version(&volume, "bad"), dropped), (Some(1), None, 1));
    assert!(place(&volume, "good").unwrap().pinned);
}

#[test]
fn a_sweep_lets_go_what_expired_and_what_the_keeper_gives_up() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    for number in 0..100 {
        store(&volume, &record(&format!("record {number}"), number % 2, 100));
    }
    store(&volume, &tidegate_store::NewRecord { expires: BEGIN + 5, ..record("brief", 9, 100) });
    directory.pass(10);
    let (mut next, mut expired, mut dropped) = (Some(Default::default()), 0, Vec::new());
    while let Some(from) = next {
        let swept = volume.sweep(from, 10, Some(&Against("1 100"))).unwrap();
        (expired, next) = (expired + swept.expired, swept.next);
        dropped.extend(swept.dropped_keys);
    }
    assert_eq!((expired, dropped.len(), volume.figures().records), (1, 50, 50));
    drop(volume);
    let volume = directory.open();
    assert_eq!((version(&volume, "record 1"), version(&volume, "record 2")), (None, Some(0)), "after a restart");
}

#[test]
fn a_site_below_its_floor_keeps_what_nobody_reads() {
    let directory = kit::directory(16 * MIB);
    let volume = directory.open();
    volume.set_shares(HashMap::from([(7, Share { floor: 6 * LENGTH as u64, ceiling: u64::MAX })]));
    for number in 0..30 {
        store(&volume, &tidegate_store::NewRecord { site: 7, ..record(&format!("quiet {number}"), 1, LENGTH) });
    }
    press(&volume, 0, 60);
    let kept = (0..30).filter(|number| place(&volume, &format!("quiet {number}")).is_some()).count();
    assert!((5..=7).contains(&kept), "{kept}");
}

#[test]
fn one_record_has_few_segments_spared_and_tells_how_it_goes_on() {
    let directory = kit::directory(40 * MIB);
    let volume = directory.open();
    let (mut number, mut told) = (0, Cell::new(0));
    let reclaimed = loop {
        // Everything is read: there is no segment of which less than half is to stay.
        let name = format!("record {number}");
        let progress = || told.set(told.get() + 1);
        let new = record(&name, 1, LENGTH);
        let appended = volume.append_telling(&new, &KeepAll, &|| true, &progress).unwrap();
        read(&volume, &name);
        if let Some(first) = appended.reclaimed.first() {
            break *first;
        }
        (number, told) = (number + 1, Cell::new(0));
    };
    assert!(reclaimed.carried > 10 && reclaimed.evicted > 0, "{reclaimed:?}");
    assert!(told.get() >= 8 + reclaimed.carried, "{} of {reclaimed:?}", told.get());
    let (places, _) = volume.entries(Cursor::default(), 100_000);
    let read = places.iter().filter(|place| place.reads > 0).count();
    assert!(read > 50, "of {} only {read} are known to have been read", places.len());
}

use super::*;
use crate::io::RealIo;

fn directory() -> (tempfile::TempDir, Arc<FaultyIo>) {
    (tempfile::tempdir().unwrap(), FaultyIo::over(Arc::new(RealIo), 1))
}

#[test]
fn a_fault_meets_the_operations_it_is_for_and_no_others() {
    let (directory, io) = directory();
    let other = directory.path().join("other");
    io.create_directory(&other).unwrap();
    io.inject(Rule::once(Operation::Write, directory.path().join("one"), Fault::Errno(ENOSPC)));
    let elsewhere = io.create(&other.join("file")).unwrap();
    assert_eq!(elsewhere.write_at(b"body", 0).unwrap(), 4);
    let file = io.create(&directory.path().join("one")).unwrap();
    assert_eq!(file.read_at(&mut [0], 0).unwrap(), 0);
    assert_eq!(file.write_at(b"body", 0).unwrap_err().raw_os_error(), Some(ENOSPC));
    assert_eq!(file.write_at(b"body", 0).unwrap(), 4);
}

#[test]
fn short_operations_do_less_and_flipped_ones_something_else() {
    let (directory, io) = directory();
    let file = io.create(&directory.path().join("file")).unwrap();
    io.inject(Rule::always(Operation::Write, directory.path(), Fault::Short));
    let written = (0..20).map(|_| file.write_at(&[7; 100], 0).unwrap());
    assert!(written.into_iter().any(|written| (1..100).contains(&written)));
    io.clear();
    assert_eq!(file.write_at(&[7; 100], 0).unwrap(), 100);
    io.inject(Rule::once(Operation::Read, directory.path(), Fault::FlipBit));
    let mut read = [0; 100];
    assert_eq!(file.read_at(&mut read, 0).unwrap(), 100);
    let flipped: u32 = read.iter().map(|byte| (byte ^ 7).count_ones()).sum();
    assert_eq!(flipped, 1);
}

#[test]
fn what_was_not_durable_is_lost_in_part_when_the_power_fails() {
    let mut left = std::collections::HashSet::new();
    for seed in 0..30 {
        let directory = tempfile::tempdir().unwrap();
        let io = FaultyIo::over(Arc::new(RealIo), seed);
        let file = io.create(&directory.path().join("file")).unwrap();
        file.write_at(&[1; 2048], 0).unwrap();
        file.sync_data().unwrap();
        file.write_at(&[2; 2048], 1024).unwrap();
        io.crash_after(0);
        assert!(file.write_at(b"more", 0).is_err() && io.crashed() && io.open(directory.path()).is_err());
        io.restart();
        let content = std::fs::read(directory.path().join("file")).unwrap();
        let expected = |kept: usize| [vec![1; 1024], vec![2; kept], vec![1; 1024_usize.saturating_sub(kept)]].concat();
        let kept = (0..=4).find(|kept| content == expected(kept * 512));
        left.insert(kept.unwrap_or_else(|| panic!("seed {seed} left {} odd bytes", content.len())));
    }
    assert!(left.contains(&0) && left.contains(&4) && left.len() > 2, "{left:?}");
}

#[test]
fn the_power_fails_at_the_operation_it_is_told_to() {
    let (directory, io) = directory();
    let file = io.create(&directory.path().join("file")).unwrap();
    io.crash_after(3);
    let done = (0..5).filter(|_| file.write_at(b"x", 0).is_ok()).count();
    assert_eq!(done, 2);
}

#[test]
fn who_hangs_is_let_go_by_the_gate() {
    let (directory, io) = directory();
    let file = io.create(&directory.path().join("file")).unwrap();
    let gate = Gate::closed();
    io.inject(Rule::once(Operation::Write, directory.path(), Fault::Hang(gate.clone())));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| file.write_at(b"body", 0));
        assert!(gate.until_waiting(1));
        assert!(!writing.is_finished());
        gate.open();
        assert_eq!(writing.join().unwrap().unwrap(), 4);
    });
}

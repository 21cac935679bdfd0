//! What every store must do. `open` gives the same store anew each time, after the one before was dropped.

use std::ops::ControlFlow;

use super::{Batch, Direction, Fault, Read, Store, Table, first, read, scan, unseal};

/// Runs the whole suite; panics where the contract is broken.
pub fn run<S: Store>(open: impl Fn() -> S) {
    rows_come_back_after_reopening(&open);
    a_batch_is_all_or_nothing_in_order(&open);
    scans_go_both_ways_and_stay_in_their_table(&open);
    a_view_stands_still(&open);
    values_are_sealed(&open);
}

fn put(store: &impl Store, rows: &[(Table, &[u8], &[u8])]) {
    let mut batch = Batch::default();
    rows.iter().for_each(|(table, key, value)| batch.put(*table, key, value));
    store.commit(&batch).expect("a healthy store commits");
}

fn rows_come_back_after_reopening<S: Store>(open: &impl Fn() -> S) {
    let big = vec![0xa5; 3 << 20];
    let store = open();
    assert!(read(&store, Table::Fact, b"absent").unwrap().is_none());
    put(&store, &[(Table::Fact, b"small", b"1"), (Table::Artefact, b"big", &big), (Table::Meta, b"empty", b"")]);
    drop(store);
    let store = open();
    assert_eq!(read(&store, Table::Fact, b"small").unwrap().unwrap(), b"1");
    assert_eq!(read(&store, Table::Artefact, b"big").unwrap().unwrap(), big);
    assert_eq!(read(&store, Table::Meta, b"empty").unwrap().unwrap(), b"");
    assert!(read(&store, Table::Artefact, b"small").unwrap().is_none(), "tables are apart");
}

fn a_batch_is_all_or_nothing_in_order<S: Store>(open: &impl Fn() -> S) {
    let store = open();
    let mut batch = Batch::default();
    batch.put(Table::Counter, b"a", b"1");
    batch.put(Table::Counter, b"a", b"2");
    batch.put(Table::Counter, b"b", b"1");
    batch.delete(Table::Counter, b"b");
    batch.put_parts(Table::Counter, b"c", &[b"1", b"", b"23"]);
    assert_eq!(batch.len(), 5);
    store.commit(&batch).expect("a healthy store commits");
    assert_eq!(read(&store, Table::Counter, b"a").unwrap().unwrap(), b"2", "the later row wins");
    assert!(read(&store, Table::Counter, b"b").unwrap().is_none());
    assert_eq!(read(&store, Table::Counter, b"c").unwrap().unwrap(), b"123");
    store.commit(&Batch::default()).expect("an empty batch is no error");
}

fn keys(rows: &dyn Read, table: Table, from: &[u8], direction: Direction, most: usize) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    scan::<_, Fault>(rows, table, from, direction, |key, _| {
        keys.push(key.to_vec());
        Ok(if keys.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .unwrap();
    keys
}

fn scans_go_both_ways_and_stay_in_their_table<S: Store>(open: &impl Fn() -> S) {
    let store = open();
    put(&store, &[(Table::Dedup, b"\xff\xff", b""), (Table::Snapshot, b"\x00", b"")]);
    put(&store, &[(Table::Aggregate, b"b", b""), (Table::Aggregate, b"a", b""), (Table::Aggregate, b"d", b"")]);
    let found = |from: &[u8], direction, most| keys(&store, Table::Aggregate, from, direction, most).concat();
    assert_eq!(found(b"", Direction::Up, 9), b"abd");
    assert_eq!(found(b"b", Direction::Up, 9), b"bd");
    assert_eq!(found(b"c", Direction::Up, 9), b"d");
    assert_eq!(found(b"c", Direction::Down, 9), b"ba");
    assert_eq!(found(b"b", Direction::Down, 9), b"ba");
    assert_eq!(found(b"\xff", Direction::Down, 1), b"d");
    assert_eq!(found(b"\x00", Direction::Down, 9), b"");
    assert_eq!(found(b"e", Direction::Up, 9), b"");
    for (from, direction, key) in [
        (&b"b"[..], Direction::Up, "b"),
        (b"c", Direction::Up, "d"),
        (b"c", Direction::Down, "b"),
        (b"", Direction::Up, "a"),
    ] {
        let (found, row) = first(&store, Table::Aggregate, from, direction).unwrap().expect("a row");
        assert_eq!((found.as_slice(), row.as_slice()), (key.as_bytes(), &b""[..]));
    }
    assert!(first(&store, Table::Aggregate, b"e", Direction::Up).unwrap().is_none(), "tables are apart");
    assert!(first(&store, Table::Aggregate, b"\x00", Direction::Down).unwrap().is_none());
}

fn a_view_stands_still<S: Store>(open: &impl Fn() -> S) {
    let store = open();
    put(&store, &[(Table::Snapshot, b"v", b"old")]);
    let view = store.view();
    put(&store, &[(Table::Snapshot, b"v", b"new"), (Table::Snapshot, b"w", b"new")]);
    assert_eq!(read(&*view, Table::Snapshot, b"v").unwrap().unwrap(), b"old");
    assert!(!keys(&*view, Table::Snapshot, b"v", Direction::Up, 9).contains(&b"w".to_vec()));
    assert_eq!(read(&store, Table::Snapshot, b"v").unwrap().unwrap(), b"new");
}

fn values_are_sealed<S: Store>(open: &impl Fn() -> S) {
    let store = open();
    put(&store, &[(Table::Tag, b"key", b"value")]);
    let stored = store.get(Table::Tag, b"key").unwrap().unwrap();
    assert_eq!(unseal(Table::Tag, b"key", &stored).unwrap(), b"value");
    assert!(unseal(Table::Tag, b"kez", &stored).is_err(), "another key");
    assert!(unseal(Table::Fact, b"key", &stored).is_err(), "another table");
    for at in 0..stored.len() {
        let mut flipped = stored.clone();
        flipped[at] ^= 0x40;
        assert!(unseal(Table::Tag, b"key", &flipped).is_err(), "byte {at}");
    }
    assert!(unseal(Table::Tag, b"key", &stored[..3]).is_err());
}

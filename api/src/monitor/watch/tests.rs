use semper_ttp::evidence::{Kind, OpsKind, TimestampKind};

use super::*;

const TOKEN: Kind = Kind::Timestamp(TimestampKind::Token);
const STARTED: Kind = Kind::Ops(OpsKind::Started);

/// A watch with what it keeps of entries, as the follower has them.
struct World {
    folder: tempfile::TempDir,
    past: Past,
    watch: Watch,
}

impl World {
    fn new(watched: &[u8], known: Option<Known>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let past = Past::open(&folder.path().join("past")).unwrap();
        let mut watch = Watch::new(list(watched), known);
        watch.look_back(&past).unwrap();
        Self { folder, past, watch }
    }

    fn see(&mut self, kind: Option<Kind>, digest: u8) {
        let what = kind.map_or(What::Other, |kind| What::Entry(Some(kind), 5));
        self.see_row(Row { digest: [digest; 32], what });
    }

    fn see_row(&mut self, row: Row) {
        self.watch.see(self.past.len(), &row);
        self.past.push(&row);
    }

    /// The end of a round, and the beginning of the next.
    fn settle(&mut self, now_ms: u64) -> Vec<Notice> {
        let told = self.watch.settle(now_ms, self.past.len());
        self.past.save().unwrap();
        self.watch.look_back(&self.past).unwrap();
        told
    }

    /// Another run on the same folder, told what stands before it reads anything.
    fn again(&self, watched: &[u8], known: Option<Known>, lines: &[u8]) -> Watch {
        let mut watch = Watch::new(list(watched), known);
        watch.know(list(lines));
        watch.restore(&self.watch.notes());
        watch.look_back(&Past::open(&self.folder.path().join("past")).unwrap()).unwrap();
        watch
    }
}

fn list(digests: &[u8]) -> Digests {
    let lines: Vec<_> = digests.iter().map(|n| format!("{}  name {n}", hex::encode([*n; 32]))).collect();
    Digests::parse(&lines.join("\n")).unwrap()
}

fn known(grace_ms: u64) -> Option<Known> {
    Some(Known { kinds: HashSet::new(), grace_ms })
}

fn indexes(notices: &[Notice]) -> Vec<u64> {
    let index = |notice: &Notice| match notice {
        Notice::Watched { entry, .. } | Notice::Unknown(entry) => entry.index,
        other => panic!("{other:?}"),
    };
    notices.iter().map(index).collect()
}

#[test]
fn lists_as_sha256sum_prints_them() {
    let (a, b) = ("ab".repeat(32), "CD".repeat(32));
    let text = format!("# mine\n{a}  contract 7.pdf.tst\n\n{b}\n{} *\x1b[2Jx", "01".repeat(32));
    let Digests { names, .. } = Digests::parse(&text).unwrap();
    assert_eq!(names.len(), 3);
    assert_eq!(names[&[0xab; 32]], "contract 7.pdf.tst");
    assert_eq!(names[&[0xcd; 32]], "");
    assert_eq!(names[&[1; 32]], "[2Jx");
    for (bad, line) in
        [("abc".to_owned(), 1), (format!("{a}\n{a}0"), 2), (format!("{a}x"), 1), (format!("\n\n{}", &a[1..]), 3)]
    {
        assert_eq!(Digests::parse(&bad), Err(BadList(line)), "{bad}");
    }
}

#[test]
fn what_is_watched_is_told_with_its_name_and_once_a_run() {
    let mut world = World::new(&[7], None);
    for digest in [6, 7, 8, 7] {
        world.see(Some(TOKEN), digest);
    }
    let told = world.settle(0);
    assert_eq!(indexes(&told), [1, 3]);
    let Notice::Watched { entry, name } = &told[0] else { panic!() };
    assert_eq!((name.as_str(), entry.says.map(|(kind, time)| (kind, time.millis()))), ("name 7", Some((TOKEN, 5))));
    assert_eq!(world.settle(0), []);
    assert_eq!(indexes(&world.again(&[7], None, &[]).settle(0, u64::MAX)), [1, 3]);
}

#[test]
fn a_list_that_comes_later_is_compared_with_old_entries() {
    let mut world = World::new(&[], None);
    (1..=5).for_each(|digest| world.see(Some(TOKEN), digest));
    assert_eq!(world.settle(0), []);
    assert_eq!(indexes(&world.again(&[2], None, &[]).settle(0, u64::MAX)), [1]);
    // One that changes while it runs: what was told is not told again, what is no longer asked for is forgotten.
    world.watch.watch_for(list(&[4]));
    world.settle(0);
    assert_eq!(indexes(&world.settle(0)), [3]);
    world.watch.watch_for(list(&[4, 2]));
    world.settle(0);
    assert_eq!(indexes(&world.settle(0)), [1]);
    assert_eq!(indexes(&world.again(&[4, 2], None, &[]).settle(0, u64::MAX)), [1, 3]);
    // Whoever wants to know them all, from the first on.
    assert_eq!(indexes(&world.again(&[], known(1_000), &[1, 2, 3, 4]).settle(0, u64::MAX)), [4]);
    // A run in which nobody asked leaves no hole.
    let mut idle = world.again(&[], None, &[]);
    idle.see(5, &Row { digest: [9; 32], what: What::Entry(Some(TOKEN), 5) });
    world.watch = idle;
    world.past.push(&Row { digest: [9; 32], what: What::Entry(Some(TOKEN), 5) });
    world.settle(0);
    assert_eq!(indexes(&world.again(&[9], None, &[]).settle(0, u64::MAX)), [5]);
}

#[test]
fn what_nobody_knows_of_is_told_after_its_grace_and_stands() {
    let mut world = World::new(&[], known(100));
    world.watch.know(list(&[1]));
    world.see(Some(STARTED), 9);
    (1..=3).for_each(|digest| world.see(Some(TOKEN), digest));
    assert_eq!(world.settle(1_000), []);
    // The owner's list comes a little later than the entry; a stop in between makes no difference.
    let mut again = world.again(&[], known(100), &[1, 2]);
    assert_eq!(again.settle(1_050, u64::MAX), []);
    assert_eq!(indexes(&again.settle(1_100, u64::MAX)), [3]);
    assert_eq!(again.settle(2_000, u64::MAX), []);
    // It stands: whoever looks again is told again, until the list has it.
    world.watch = again;
    for _ in 0..2 {
        assert_eq!(indexes(&world.again(&[], known(100), &[1, 2]).settle(9_000, u64::MAX)), [3]);
    }
    assert_eq!(world.again(&[], known(100), &[1, 2, 3]).settle(9_000, u64::MAX), []);
    // A line that was taken away makes its entry unknown.
    assert_eq!(indexes(&world.again(&[], known(100), &[1, 3]).settle(9_000, u64::MAX)), [2]);
}

#[test]
fn only_the_kinds_that_were_named_must_be_known() {
    let mut world = World::new(&[], Some(Known { kinds: HashSet::from([STARTED]), grace_ms: 0 }));
    world.see(Some(STARTED), 9);
    world.see(Some(TOKEN), 1);
    world.see(None, 2);
    assert_eq!(indexes(&world.settle(0)), [0]);
    assert_eq!(indexes(&world.again(&[], known(0), &[]).settle(0, u64::MAX)), [1, 2]);
}

#[test]
fn memory_is_bounded_and_nothing_is_left_out() {
    let mut world = World::new(&[1], known(u64::MAX));
    let count = (WAITING_MAX + 3 * STANDING_MAX) as u64;
    (0..count).for_each(|_| world.see(None, 1));
    let told = world.settle(0);
    let of = |kind: &str| told.iter().filter(|notice| notice.kind() == kind).count();
    assert_eq!((of("watched"), of("unknown")), (STANDING_MAX + 1, STANDING_MAX + 1));
    assert!(told.contains(&Notice::UnknownMore { count: 2 * STANDING_MAX as u64 }), "{told:?}");
    assert!(told.contains(&Notice::WatchedMore { count: count - STANDING_MAX as u64 }));
    assert_eq!(world.watch.notes.waiting.len(), WAITING_MAX);
    assert_eq!(world.settle(0), []);
    let bytes = world.watch.notes().len();
    (0..count).for_each(|_| world.see(None, 1));
    assert_eq!(world.settle(0).len(), 2);
    // Numbers have become longer by a digit or two.
    assert!(world.watch.notes().len() < bytes + bytes / 10, "{bytes}");
}

#[test]
fn what_was_forgotten_is_not_told() {
    let mut world = World::new(&[1], known(0));
    world.watch.know(list(&[]));
    [0, 1, 2, 1].into_iter().for_each(|digest| world.see(Some(TOKEN), digest));
    world.see_row(Row { digest: [5; 32], what: What::Newer(2) });
    assert_eq!(world.watch.newer(), Some(Notice::Newer { first: 4, count: 1, version: 2 }));
    world.watch.forget_from(2);
    world.past.truncate(2).unwrap();
    world.past.save().unwrap();
    world.watch.look_back(&world.past).unwrap();
    let told = world.settle(0);
    assert_eq!(told.iter().filter(|notice| notice.kind() == "watched").count(), 1, "{told:?}");
    assert_eq!(indexes(&told), [1, 0, 1]);
    assert_eq!(world.watch.newer(), None);
}

#[test]
fn notes_of_another_format_are_made_anew() {
    let mut world = World::new(&[3], None);
    (1..=5).for_each(|digest| world.see(Some(TOKEN), digest));
    world.settle(0);
    for notes in [&b"{\"waiting\":[],\"watched\":[],\"unknown\":[]}"[..], b"", b"nonsense"] {
        let mut watch = Watch::new(list(&[3]), None);
        watch.restore(notes);
        watch.look_back(&world.past).unwrap();
        assert_eq!(indexes(&watch.settle(0, u64::MAX)), [2]);
    }
}

/// Whoever was told of an entry is told when it no longer stands, and only then.
#[test]
fn what_is_over_is_told_once() {
    let mut world = World::new(&[3], known(0));
    (1..=3).for_each(|digest| world.see(Some(TOKEN), digest));
    world.settle(0);
    assert_eq!(world.watch.over(), []);
    world.watch.know(list(&[2]));
    world.watch.watch_for(list(&[1]));
    world.settle(0);
    let over: Vec<_> =
        world.watch.over().into_iter().map(|over| (over.kind, over.entry.map(|entry| entry.index))).collect();
    assert_eq!(over, [("unknown", Some(1)), ("watched", Some(2))]);
    world.settle(0);
    assert_eq!(world.watch.over(), []);
    // Others come before it among those that are told each by itself: it stands all the same.
    let mut world = World::new(&[], known(0));
    world.watch.know(list(&[1]));
    (0..STANDING_MAX).for_each(|_| world.see(Some(TOKEN), 1));
    world.see(Some(TOKEN), 2);
    world.settle(0);
    world.settle(0);
    world.watch.know(list(&[]));
    world.settle(0);
    assert_eq!((world.watch.over(), world.watch.notes.unknown.more), (vec![], 1));
}

//! What every anchor must do. `open` gives the same anchor anew each time, after the one before was dropped.

use super::{Advance, Anchor, Anchored};

/// Runs the whole suite on an anchor that holds nothing yet; panics where the contract is broken.
pub fn run<A: Anchor>(open: impl Fn() -> A) {
    let state = |sequence, size| Anchored { sequence, size, root: [size as u8; 32], ..Anchored::empty("log") };
    let anchor = open();
    assert_eq!(anchor.load().unwrap(), None);
    assert!(matches!(anchor.advance(Some(&state(1, 1)), &state(2, 2)), Advance::Conflict(None)));
    assert!(matches!(anchor.advance(None, &state(1, 1)), Advance::Done));
    assert_eq!(anchor.load().unwrap(), Some(state(1, 1)));
    assert!(matches!(anchor.advance(None, &state(1, 9)), Advance::Conflict(Some(found)) if found == state(1, 1)));
    drop(anchor);

    let mut last = state(1, 1);
    for round in 2..8 {
        let anchor = open();
        assert_eq!(anchor.load().unwrap().as_ref(), Some(&last), "what was advanced is there at the next start");
        for step in 0..3 {
            let next = state(last.sequence + 1, 10 * round + step);
            assert!(matches!(anchor.advance(Some(&last), &next), Advance::Done));
            assert!(matches!(anchor.advance(Some(&last), &next), Advance::Conflict(Some(found)) if found == next));
            last = next;
        }
    }
}

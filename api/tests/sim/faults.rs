//! How often something goes wrong in a run: drawn once for each, so that among many runs there is one in which just the one thing happens.

use crate::draw::Draw;

/// In a hundred cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) dropped: u64,
    pub(crate) twice: u64,
    pub(crate) changed: u64,
    /// A request to the arbiter, or its answer.
    pub(crate) lost: u64,
    pub(crate) killed: u64,
    pub(crate) crash: u64,
    pub(crate) absence: u64,
    pub(crate) replay: u64,
    pub(crate) impatience: u64,
}

impl Faults {
    pub(crate) const NONE: Self =
        Self { dropped: 0, twice: 0, changed: 0, lost: 0, killed: 0, crash: 0, absence: 0, replay: 0, impatience: 0 };

    pub(crate) fn drawn(draw: &mut Draw) -> Self {
        let mut often = || draw.one_of(&[0, 0, 10, 30]);
        Self {
            dropped: often(),
            twice: often(),
            changed: often(),
            lost: often(),
            killed: often(),
            crash: often() / 10,
            absence: often() / 10,
            replay: often() / 10,
            impatience: often() / 10,
        }
    }
}

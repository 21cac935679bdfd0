//! The bounded queue in front of the sequencer.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard},
};

use super::{Refused, Waiting};

/// Commits that wait for the next group.
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    commits_max: usize,
    bytes_max: usize,
}

struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    intake: Intake,
    /// The sequencer waits for `arrived`; while it commits, waking it would cost a system call for nothing.
    idle: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Intake {
    Open,
    Draining,
    Stopped,
}

impl Queue {
    pub(crate) fn new(commits_max: usize, bytes_max: usize) -> Self {
        let state = State { waiting: VecDeque::new(), bytes: 0, intake: Intake::Open, idle: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), commits_max, bytes_max }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code that can panic runs under this lock")
    }

    /// Queues a commit, or gives it back with the reason.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), Box<(Waiting, Refused)>> {
        let bytes = waiting.commit.bytes();
        let mut state = self.lock();
        let refused = match state.intake {
            Intake::Stopped => Refused::Stopped,
            Intake::Draining => Refused::Draining,
            // A single commit larger than the bound still passes when nothing else waits.
            Intake::Open if state.waiting.len() >= self.commits_max => Refused::Busy,
            Intake::Open if state.bytes + bytes > self.bytes_max && !state.waiting.is_empty() => Refused::Busy,
            Intake::Open => {
                state.bytes += bytes;
                state.waiting.push_back(waiting);
                let wake = std::mem::take(&mut state.idle);
                drop(state);
                if wake {
                    self.arrived.notify_one();
                }
                return Ok(());
            }
        };
        Err(Box::new((waiting, refused)))
    }

    /// The next group: waits for a first commit, takes what is there. Empty once closed and drained.
    pub(crate) fn take(&self, commits_max: usize, bytes_max: usize) -> Vec<Waiting> {
        let mut state = self.lock();
        while state.waiting.is_empty() && state.intake == Intake::Open {
            state.idle = true;
            state = self.arrived.wait(state).expect("no code that can panic runs under this lock");
        }
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(next) = state.waiting.front().map(|waiting| waiting.commit.bytes()) {
            if group.len() == commits_max.max(1) || (bytes + next > bytes_max && !group.is_empty()) {
                break;
            }
            bytes += next;
            group.extend(state.waiting.pop_front());
        }
        state.bytes -= bytes;
        group
    }

    /// Ends intake; what waits is still committed.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.intake == Intake::Open {
            state.intake = Intake::Draining;
        }
        drop(state);
        self.arrived.notify_all();
    }

    /// Ends intake and gives back what waits.
    pub(crate) fn stop(&self) -> VecDeque<Waiting> {
        let mut state = self.lock();
        state.intake = Intake::Stopped;
        state.bytes = 0;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.arrived.notify_all();
        waiting
    }

    /// Commits that wait.
    pub(crate) fn depth(&self) -> usize {
        self.lock().waiting.len()
    }

    /// True while commits are taken.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().intake == Intake::Open
    }
}

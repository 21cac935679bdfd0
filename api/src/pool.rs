//! A bounded pool of threads for one key: an RSA signature takes a hundred times as long as one on P-256, and must never
//! stand before it in a queue.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that run jobs in their order of arrival. Dropping it runs what waits, then ends.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    waiting_max: usize,
}

struct State {
    waiting: VecDeque<Job>,
    /// Threads that wait for `arrived`: a busy pool is not woken, which would cost a system call for each job.
    idle: usize,
    closed: bool,
}

/// The pool's queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Pool {
    /// Starts `threads` threads, in front of which at most `waiting_max` jobs wait.
    pub fn start(name: &str, threads: usize, waiting_max: usize) -> io::Result<Self> {
        let state = Mutex::new(State { waiting: VecDeque::new(), idle: 0, closed: false });
        let shared = Arc::new(Shared { state, arrived: Condvar::new(), waiting_max });
        let mut pool = Self { shared, threads: Vec::new() };
        for i in 0..threads {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new().name(format!("{name}-{i}")).spawn(move || shared.work())?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Queues a job.
    pub fn push(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Full> {
        let mut state = self.shared.lock();
        if state.waiting.len() >= self.shared.waiting_max {
            return Err(Full);
        }
        state.waiting.push_back(Box::new(job));
        let wake = state.idle > 0;
        drop(state);
        if wake {
            self.shared.arrived.notify_one();
        }
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside the lock, so a poisoned lock still guards a whole queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() && !state.closed {
                state.idle += 1;
                state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
            let Some(job) = state.waiting.pop_front() else { return };
            drop(state);
            // A panic is a bug of ours: it costs this one request its answer, not all later ones their thread.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                tracing::error!("a signing job panicked");
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
        let own = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // The last reference may be dropped by a job on one of these very threads.
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn runs_everything_once_and_survives_a_panic() {
        let (send, receive) = channel();
        let pool = Pool::start("test", 3, 1000).unwrap();
        pool.push(|| panic!("a bug")).unwrap();
        for i in 0..100 {
            let send = send.clone();
            pool.push(move || send.send(i).unwrap()).unwrap();
        }
        drop((pool, send));
        let mut got: Vec<_> = receive.iter().collect();
        got.sort_unstable();
        assert_eq!(got, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_queue_says_so() {
        let (start, started) = channel();
        let (release, released) = channel::<()>();
        let pool = Pool::start("test", 1, 2).unwrap();
        pool.push(move || {
            start.send(()).unwrap();
            let _ = released.recv();
        })
        .unwrap();
        started.recv().unwrap();
        assert_eq!([pool.push(|| ()), pool.push(|| ()), pool.push(|| ())], [Ok(()), Ok(()), Err(Full)]);
        drop(release);
    }
}

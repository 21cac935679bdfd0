//! A bounded pool of threads for one key: an RSA signature takes a hundred times as long as one on P-256, and must never
//! stand before it in a queue.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

type Job = Box<dyn FnOnce() + Send>;

/// Threads that run jobs in their order of arrival. Closing or dropping it runs what waits, then ends.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    threads_at_start: usize,
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

/// Why a pool does not take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Its queue is full.
    Full,
    /// It was closed.
    Closed,
}

impl Pool {
    /// Starts `threads` threads, in front of which at most `waiting_max` jobs wait.
    pub fn start(name: &str, threads: usize, waiting_max: usize) -> io::Result<Self> {
        let state = Mutex::new(State { waiting: VecDeque::new(), idle: 0, closed: false });
        let shared = Arc::new(Shared { state, arrived: Condvar::new(), waiting_max });
        let mut pool = Self { shared, threads: Mutex::default(), threads_at_start: threads };
        for i in 0..threads {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new().name(format!("{name}-{i}")).spawn(move || shared.work())?;
            pool.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(pool)
    }

    /// A pool of the same size for another key.
    pub fn another(&self, name: &str) -> io::Result<Self> {
        Self::start(name, self.threads_at_start, self.shared.waiting_max)
    }

    /// Takes nothing more, and waits until all that it took has run.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.arrived.notify_all();
        let own = std::thread::current().id();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // The last reference may be dropped by a job on one of these very threads.
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }

    /// Queues a job.
    pub fn push(&self, job: impl FnOnce() + Send + 'static) -> Result<(), NotTaken> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        if state.waiting.len() >= self.shared.waiting_max {
            return Err(NotTaken::Full);
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
        self.close();
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
    fn a_closed_pool_has_run_what_it_took_and_takes_nothing_more() {
        let (send, receive) = channel();
        let pool = Pool::start("test", 2, 1000).unwrap();
        for i in 0..100 {
            let send = send.clone();
            pool.push(move || send.send(i).unwrap()).unwrap();
        }
        pool.close();
        assert_eq!(receive.try_iter().count(), 100);
        assert_eq!(pool.push(|| ()), Err(NotTaken::Closed));
        pool.close();
        let (again, ran) = (pool.another("test").unwrap(), channel());
        again.push(move || ran.0.send(()).unwrap()).unwrap();
        ran.1.recv().unwrap();
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
        assert_eq!([pool.push(|| ()), pool.push(|| ()), pool.push(|| ())], [Ok(()), Ok(()), Err(NotTaken::Full)]);
        drop(release);
    }
}

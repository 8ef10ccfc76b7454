//! A small pool of threads for what can block and has no asynchronous form, such as name resolution.
//!
//! Each loop has its own. That costs nothing until the first job, and a child made by `fork(2)` that makes a loop of its
//! own isn't left with a pool whose threads stayed behind in the parent. (A process-wide pool, as the `blocking` crate
//! keeps, waits there for ever.)
//!
//! Threads are started when a job finds none idle, up to a limit, and end after some idle seconds, or once the pool is
//! dropped and its queue is empty. Nobody joins them: a look-up that hangs must not keep a program from ending.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// As many as asyncio's default executor has at most.
const MAX_THREADS: usize = 32;

/// How long a thread waits for its next job before it ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs that block, on threads of its own.
#[derive(Debug)]
pub struct BlockingPool {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    job_or_end: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("State")
            .field("jobs", &self.jobs.len())
            .field("threads", &self.threads)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

impl BlockingPool {
    /// Makes a pool without threads.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::default() }
    }

    /// Runs `job` on a thread of the pool, after the jobs before it. A job that panics ends alone.
    ///
    /// # Errors
    /// What `pthread_create(3)` gives when the pool has no thread and can't start one. The job is dropped then.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.jobs.push_back(Box::new(job));
        // An idle thread that was notified stays counted as idle until it runs, hence the comparison with the queue.
        if state.idle >= state.jobs.len() || state.threads >= MAX_THREADS {
            drop(state);
            self.shared.job_or_end.notify_one();
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        self.start_thread()
    }

    fn start_thread(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new().name("ioxide-blocking".into()).spawn(move || shared.work());
        let Err(error) = started else { return Ok(()) };
        let mut state = self.shared.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Ok(()); // a thread that is busy now takes the job later
        }
        let orphan = state.jobs.pop_back();
        drop(state);
        drop(orphan);
        Err(error)
    }
}

impl Default for BlockingPool {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.job_or_end.notify_all();
    }
}

impl Shared {
    /// No job runs under the lock, so a poisoned lock holds a state that is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does from its start to its end.
    fn work(&self) {
        while let Some(job) = self.next_job() {
            // The panic's message has been printed by the hook; the job's owner sees that its result never comes.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// Waits for a job. `None` ends the thread, which isn't counted any more then.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (woken, wait) = self.job_or_end.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if wait.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::mpsc;

    #[test]
    fn jobs_run_at_the_same_time() {
        let pool = BlockingPool::new();
        let barrier = Arc::new(Barrier::new(8));
        for _ in 0..7 {
            let barrier = Arc::clone(&barrier);
            pool.spawn(move || {
                barrier.wait();
            })
            .unwrap();
        }
        barrier.wait();
    }

    fn all_threads_are_idle(pool: &BlockingPool) -> bool {
        let state = pool.shared.lock();
        state.threads == state.idle
    }

    #[test]
    fn an_idle_thread_takes_the_next_job() {
        let pool = BlockingPool::new();
        let (send, receive) = mpsc::channel();
        let mut threads = std::collections::HashSet::new();
        for _ in 0..20 {
            while !all_threads_are_idle(&pool) {
                thread::yield_now();
            }
            let send = send.clone();
            pool.spawn(move || send.send(thread::current().id()).unwrap()).unwrap();
            threads.insert(receive.recv().unwrap());
        }
        assert_eq!(threads.len(), 1);
    }

    #[test]
    fn a_job_that_panics_does_not_end_the_pool() {
        let pool = BlockingPool::new();
        let (send, receive) = mpsc::channel();
        pool.spawn(|| panic!("a panic on purpose")).unwrap();
        pool.spawn(move || send.send(()).unwrap()).unwrap();
        receive.recv().unwrap();
    }

    #[test]
    fn jobs_of_a_dropped_pool_still_run() {
        let pool = BlockingPool::new();
        let (send, receive) = mpsc::channel();
        for number in 0..100 {
            let send = send.clone();
            pool.spawn(move || send.send(number).unwrap()).unwrap();
        }
        drop((pool, send));
        assert_eq!(receive.iter().count(), 100);
    }
}

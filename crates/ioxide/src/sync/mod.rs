//! What tasks meet at: queues, locks, events and their kin.
//!
//! They are asyncio's, and as fair: who waits first is served first, and who comes later doesn't overtake. All of them
//! are cancel-safe: a wait that is given up, even after it was ended and before its task ran, loses nothing, for what it
//! was granted goes to the next in line.
//!
//! None of them needs a running loop: they belong to one thread, and work wherever their futures are polled. Share them
//! between tasks in an [`Rc`](std::rc::Rc).
//!
//! - `wait_list`: how all of them wait, and why nothing is lost.
//! - `permits`: what locks, semaphores and queues count.

mod barrier;
mod condition;
mod event;
mod lock;
mod permits;
pub mod queue;
mod semaphore;
mod wait_list;

pub use barrier::{Barrier, BrokenBarrier};
pub use condition::Condition;
pub use event::Event;
pub use lock::{Lock, LockGuard};
pub use queue::{GetNowaitError, LifoQueue, PriorityQueue, PutNowaitError, Queue, ShutDown};
pub use semaphore::{Permit, Semaphore};

//! The event loop of ioxide, without Python.
//!
//! A loop runs on one thread, and it is asyncio's: a queue of what is ready, timers for what is to run later, a reactor
//! for descriptors, and a turn that takes them in asyncio's order. This crate has the parts and the turn; what a loop
//! runs is its [`Driver`]'s to say. `ioxide-python` drives Python's callbacks with it.

pub mod blocking_pool;
pub mod clock;
pub mod combinators;
mod event_loop;
pub mod fs;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod mailbox;
pub mod net;
pub mod process;
pub mod reactor;
pub mod ready;
pub mod schedule;
pub mod signal;
pub mod sync;
pub mod task;
pub mod time;
pub mod timers;
pub mod turn;

pub use blocking_pool::BlockingPool;
pub use combinators::{as_completed, gather, shield, try_gather, wait};
pub use event_loop::{EventLoop, guest, run};
pub use mailbox::Mailbox;
pub use reactor::{Event, Events, Interest, Reactor, Waker};
pub use ready::ReadyQueue;
pub use schedule::Schedule;
pub use task::{Cancelled, Task, TaskGroup, spawn, spawn_blocking, yield_now};
pub use time::{sleep, timeout};
pub use timers::{TimerKey, Timers};
pub use turn::{Driver, turn};

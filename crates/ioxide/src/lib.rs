//! asyncio's event loop in Rust: one thread, no Python.
//!
//! ```
//! use std::rc::Rc;
//! use std::time::Duration;
//!
//! use ioxide::sync::Queue;
//!
//! let sum = ioxide::run(async {
//!     let queue = Rc::new(Queue::bounded(1));
//!     let producer = ioxide::spawn({
//!         let queue = Rc::clone(&queue);
//!         async move {
//!             for item in 0..3 {
//!                 ioxide::sleep(Duration::from_millis(1)).await;
//!                 queue.put(item).await?;
//!             }
//!             queue.shutdown();
//!             Ok::<_, ioxide::sync::ShutDown<i32>>(())
//!         }
//!     });
//!     let mut sum = 0;
//!     while let Ok(item) = queue.get().await {
//!         sum += item;
//!     }
//!     assert_eq!(producer.await, Ok(Ok(())));
//!     sum
//! })?;
//! assert_eq!(sum, 3);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! The words are asyncio's: [`run`], [`spawn`] and [`Task`], [`sleep`], [`timeout`], [`gather`], [`wait`],
//! [`as_completed`], [`shield`], [`TaskGroup`], and in [`sync`] what tasks meet at. Futures needn't be `Send`: a loop runs
//! on one thread, and so do its tasks. [`net`], [`process`], [`signal`] and [`fs`] are what they wait for; sockets have the
//! traits of `futures-io`, and, with the feature `hyper`, hyper's.
//!
//! To cancel a task is to drop its future at its next step. What an operation does when it is dropped while it waits stands
//! under *Cancel safety*.
//!
//! # Under it
//!
//! A loop has a queue of what is ready, timers for what is to run later, a reactor for descriptors, and a [`turn()`] that takes
//! them in asyncio's order. These are modules of their own, generic over what they hold: what a loop runs is its
//! [`Driver`]'s to say. `ioxide-python` drives Python's callbacks with them, and [`guest`] is a loop of Rust futures that
//! another one drives.

pub mod blocking_pool;
pub mod clock;
pub mod combinators;
mod event_loop;
pub mod fs;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod mailbox;
pub mod net;
mod panics;
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
mod waking;

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

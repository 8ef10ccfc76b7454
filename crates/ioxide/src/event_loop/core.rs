//! What a loop is made of, and how its tasks, timers and sockets find it.
//!
//! A [`Core`] belongs to its thread and is shared by what runs there. A [`Remote`] is the part that other threads may
//! hold: through it a waker puts its task into the loop's queue, from wherever it is woken.
//!
//! No waker is woken, and nothing of a program's is dropped, while anything in here is borrowed: either may run code
//! that comes back.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::Instant;

use async_task::Runnable;
use slab::Slab;

use super::readiness::Sources;
use crate::blocking_pool::BlockingPool;
use crate::clock::{Clock, Nanoseconds};
use crate::mailbox::Mailbox;
use crate::reactor::Reactor;
use crate::schedule::Schedule;
use crate::timers::TimerKey;

thread_local! {
    static RUNNING: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
}

/// What waits in a loop's queues.
#[derive(Debug)]
pub(crate) enum Item {
    /// A task's next step.
    Task(Runnable<TaskKey>),
    /// The future that the loop runs until it is done.
    Main,
    /// Whoever waits for a time that has come.
    Timer(Waker),
    /// A future that a guest's host polls, by its key, was woken.
    Polled(usize),
}

/// A loop's parts.
#[derive(Debug)]
pub(crate) struct Core {
    pub(super) schedule: RefCell<Schedule<Item>>,
    pub(super) reactor: Reactor,
    pub(super) sources: Sources,
    remote: Arc<Remote>,
    /// The tasks that aren't done: those that are left when the loop ends are cancelled by it.
    tasks: RefCell<Slab<LiveTask>>,
    blocking_pool: BlockingPool,
    clock: Clock,
    /// It is being run, if maybe with another one in its place for the moment. A guest never is: its host runs.
    is_running: Cell<bool>,
}

/// Names a task that isn't done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskKey(usize);

#[derive(Debug)]
struct LiveTask {
    waker: Waker,
    is_cancelled: bool,
}

/// What other threads know of a loop.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(super) mailbox: Mailbox<Item>,
}

impl Core {
    pub(super) fn new() -> io::Result<Rc<Self>> {
        Self::with_clock(Clock::monotonic())
    }

    /// A loop whose timers go by `clock`.
    pub(super) fn with_clock(clock: Clock) -> io::Result<Rc<Self>> {
        let reactor = Reactor::new()?;
        let remote = Arc::new(Remote { mailbox: Mailbox::new(&reactor) });
        Ok(Rc::new(Self {
            schedule: RefCell::default(),
            reactor,
            sources: Sources::default(),
            remote,
            tasks: RefCell::default(),
            blocking_pool: BlockingPool::new(),
            clock,
            is_running: Cell::new(false),
        }))
    }

    /// The loop that runs on this thread.
    ///
    /// # Panics
    /// When none does.
    pub(crate) fn current() -> Rc<Self> {
        Self::try_current().expect("this needs a running event loop: call it within `ioxide::run`")
    }

    pub(crate) fn try_current() -> Option<Rc<Self>> {
        RUNNING.try_with(|running| running.borrow().clone()).ok().flatten()
    }

    /// Makes this the loop that runs on this thread, for as long as what it returns lives.
    pub(super) fn enter(self: &Rc<Self>) -> io::Result<Entered> {
        let entered = RUNNING.try_with(|running| match &mut *running.borrow_mut() {
            Some(_) => Err(io::Error::other("an event loop is running on this thread already")),
            running => {
                *running = Some(Rc::clone(self));
                self.is_running.set(true);
                Ok(Entered(Rc::clone(self)))
            }
        });
        entered.unwrap_or_else(|_| Err(io::Error::other("the thread is ending")))
    }

    /// As [`Core::enter`], in the place of the loop that runs on this thread, if one does.
    pub(super) fn enter_in_place(self: &Rc<Self>) -> InPlace {
        // On a thread that is ending none runs, nor does this.
        let outer = RUNNING.try_with(|running| running.replace(Some(Rc::clone(self))));
        InPlace { outer: outer.ok().flatten() }
    }

    /// Whether what waits for this loop, on this thread, can be woken by it. A guest is entered when it has a turn, and when
    /// its host polls.
    pub(crate) fn is_driven(&self) -> bool {
        let is_current = |running: &RefCell<Option<Rc<Self>>>| {
            running.borrow().as_ref().is_some_and(|core| std::ptr::eq(Rc::as_ptr(core), self))
        };
        self.is_running.get() || RUNNING.try_with(is_current).unwrap_or(false)
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        &self.remote
    }

    pub(crate) fn blocking_pool(&self) -> &BlockingPool {
        &self.blocking_pool
    }

    pub(crate) fn push(&self, item: Item) {
        self.schedule.borrow_mut().ready.push(item);
    }

    /// The loop's time.
    pub(crate) fn time(&self) -> Nanoseconds {
        self.clock.time()
    }

    /// The loop's time at that of the standard library.
    pub(crate) fn time_at(&self, instant: Instant) -> Nanoseconds {
        self.clock.at(instant)
    }

    /// Wakes `waker` at the time `at`.
    pub(crate) fn insert_timer(&self, at: Nanoseconds, waker: Waker) -> TimerKey {
        self.schedule.borrow_mut().timers.insert(at, Item::Timer(waker))
    }

    /// Whether a timer wakes whom `waker` wakes. `None` says that its time has come, or that it was cancelled.
    pub(crate) fn is_timer_for(&self, key: TimerKey, waker: &Waker) -> Option<bool> {
        match self.schedule.borrow().timers.get(key)? {
            Item::Timer(known) => Some(known.will_wake(waker)),
            Item::Task(_) | Item::Main | Item::Polled(_) => Some(false),
        }
    }

    pub(crate) fn cancel_timer(&self, key: TimerKey) {
        let item = self.schedule.borrow_mut().timers.cancel(key);
        drop(item);
    }

    /// Remembers a task for as long as it isn't done. `make` gets the key by which the loop knows it.
    pub(crate) fn remember_task<T>(&self, make: impl FnOnce(TaskKey) -> (Waker, T)) -> T {
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let (waker, task) = make(TaskKey(entry.key()));
        entry.insert(LiveTask { waker, is_cancelled: false });
        task
    }

    /// Cancels a task that isn't done: its next step, which it takes soon, is its end.
    pub(crate) fn cancel_task(&self, key: TaskKey) {
        let waker = self.tasks.borrow_mut().get_mut(key.0).map(|task| {
            task.is_cancelled = true;
            task.waker.clone()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Lets a task take a step, or ends it if it was cancelled.
    pub(super) fn step(&self, step: Runnable<TaskKey>) {
        let key = step.metadata().0;
        if self.tasks.borrow().get(key).is_some_and(|task| task.is_cancelled) {
            // A step that isn't taken cancels its task.
            drop(step);
        } else {
            step.run();
        }
    }

    /// Whether every task is done.
    pub(super) fn has_no_tasks(&self) -> bool {
        self.tasks.borrow().is_empty()
    }

    pub(crate) fn forget_task(&self, key: TaskKey) {
        let task = self.tasks.borrow_mut().try_remove(key.0);
        drop(task);
    }

    /// Cancels every task. What their ends spawn is cancelled, too.
    pub(super) fn close(self: &Rc<Self>) {
        // While a loop of its own runs on this thread, the wake-ups come by the mailbox.
        let _entered = self.enter();
        loop {
            let wakers: Vec<Waker> = self.tasks.borrow().iter().map(|(_, task)| task.waker.clone()).collect();
            wakers.into_iter().for_each(Waker::wake);
            let mut items = self.remote.mailbox.receive();
            items.extend(self.schedule.borrow_mut().ready.take());
            if items.is_empty() {
                if self.has_no_tasks() {
                    return;
                }
                // Another thread has marked a task as woken, and is about to send its step. No task is in the middle of one.
                thread::yield_now();
            }
            // A step that isn't taken cancels its task.
            drop(items);
        }
    }
}

/// A loop runs on this thread for as long as this lives.
#[derive(Debug)]
pub(super) struct Entered(Rc<Core>);

impl Drop for Entered {
    fn drop(&mut self) {
        // A loop that was entered by what ends the thread has left already.
        let left = RUNNING.try_with(RefCell::take);
        drop(left);
        self.0.is_running.set(false);
    }
}

/// A loop runs on this thread in the place of another, or of none, for as long as this lives.
#[derive(Debug)]
pub(super) struct InPlace {
    outer: Option<Rc<Core>>,
}

impl Drop for InPlace {
    fn drop(&mut self) {
        let left = RUNNING.try_with(|running| running.replace(self.outer.take()));
        drop(left);
    }
}

impl Remote {
    /// Queues `item`, from any thread.
    pub(crate) fn schedule(&self, item: Item) {
        let mut item = Some(item);
        // What is woken while its thread ends has no loop there.
        let _ = RUNNING.try_with(|running| {
            if let Some(core) = &*running.borrow()
                && std::ptr::eq(&raw const *core.remote, self)
                && let Some(item) = item.take()
            {
                core.push(item);
            }
        });
        if let Some(item) = item {
            self.mailbox.send(item);
        }
    }
}

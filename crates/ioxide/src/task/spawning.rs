//! Making tasks.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::contained::Contained;
use super::{State, Task};
use crate::event_loop::{Core, Item, TaskKey};
use crate::panics::contain;

/// Makes a task of `future` on the running loop: asyncio's `create_task`. It takes its first step in the loop's next
/// turn.
///
/// # Panics
/// When no loop runs on this thread.
///
/// # Examples
/// ```
/// let sum = ioxide::run(async {
///     let one = ioxide::spawn(async { 1 });
///     let two = ioxide::spawn(async { 2 });
///     Ok::<i32, ioxide::Cancelled>(one.await? + two.await?)
/// })?;
/// assert_eq!(sum, Ok(3));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    Builder::new().spawn(future)
}

/// Makes a task that has a name.
///
/// # Examples
/// ```
/// let name = ioxide::run(async {
///     let task = ioxide::task::Builder::new().name("counting").spawn(async {});
///     task.name().map(str::to_owned)
/// })?;
/// assert_eq!(name.as_deref(), Some("counting"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    name: Option<Box<str>>,
}

impl Builder {
    /// Begins with a task without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the task.
    #[must_use]
    pub fn name(self, name: impl Into<Box<str>>) -> Self {
        Self { name: Some(name.into()) }
    }

    /// Makes the task, as [`spawn`] does.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    pub fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_fallible(Finishes { future })
    }

    /// Makes a task that was cancelled before it began.
    pub(super) fn refuse<T>(self) -> Task<T> {
        Task { name: self.name, cancelling: None, state: State::Done(None) }
    }

    /// Makes a task of a future that may end itself as cancelled.
    pub(super) fn spawn_fallible<F, T>(self, future: F) -> Task<T>
    where
        F: Future<Output = Option<T>> + 'static,
        T: 'static,
    {
        let core = Core::current();
        let remote = Arc::clone(core.remote());
        let schedule = move |step| remote.schedule(Item::Task(step));
        let (key, first_step, cell) = core.remember_task(|key| {
            let future = Remembered { future: Some(future), entry: Entry { core: Rc::clone(&core), key } };
            let builder = async_task::Builder::new().propagate_panic(true).metadata(key);
            let (step, cell) = builder.spawn_local(|_| future, schedule);
            (step.waker(), (key, step, cell))
        });
        core.push(Item::Task(first_step));
        Task { name: self.name, cancelling: Some((core, key)), state: State::Running(cell.fallible()) }
    }
}

// An `async` block around a future is twice as large as the future: it has room for the future that it is made with, and
// for the one that it awaits. Hence two types.

pin_project! {
    /// A future that ends in no other way than with its result.
    struct Finishes<F> {
        #[pin]
        future: F,
    }
}

pin_project! {
    /// A task's future. The loop remembers the task for as long as it has this.
    struct Remembered<F> {
        #[pin]
        future: Option<F>,
        // After the future: what that does as it is dropped is still the task's.
        entry: Entry,
    }

    impl<F> PinnedDrop for Remembered<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut future = this.project().future;
            contain(|| future.set(None));
        }
    }
}

struct Entry {
    core: Rc<Core>,
    key: TaskKey,
}

impl<F: Future> Future for Finishes<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Some(ready!(self.project().future.poll(context))))
    }
}

impl<F: Future> Future for Remembered<F> {
    type Output = Contained<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future.as_pin_mut();
        future.expect("the future is there until this is dropped").poll(context).map(Contained::new)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.core.forget_task(self.key);
    }
}

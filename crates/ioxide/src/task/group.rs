//! Task groups: tasks that don't outlive the block that made them.
//!
//! A member of a group is a task whose future is wrapped in a [`Member`]. It counts as one from `spawn` until that is
//! dropped, so a group that is empty has no future left. A group is cancelled once, by the first failure, by the end of
//! its block, or by the drop of the whole: then every member is woken, and finds at its next poll that it is to end.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use slab::Slab;

use super::{Builder, Task};

/// Tasks that end together: asyncio's `TaskGroup`, a structured scope.
///
/// [`TaskGroup::scope`] returns when its block and all tasks that were made in it have ended, in whatever way. Nothing
/// that was begun within it goes on behind its back.
pub struct TaskGroup<E> {
    shared: Rc<Shared<E>>,
}

struct Shared<E> {
    /// What wakes each member. There is nothing before a member's first poll, and it needs no wake-up then.
    members: RefCell<Slab<Option<Waker>>>,
    /// Whoever waits in `scope`.
    scope: Cell<Option<Waker>>,
    is_cancelled: Cell<bool>,
    /// The first one.
    failure: Cell<Option<Failure<E>>>,
}

enum Failure<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

impl<E: 'static> TaskGroup<E> {
    /// Runs `body`, and waits until it and all tasks that it made in the group have ended. Returns what the body
    /// returned, if none of them failed.
    ///
    /// If the body or a task fails, the body is dropped where it waits, all tasks are cancelled, and when they have
    /// ended the error is returned: the first one. A task that is cancelled by its own handle isn't a failure.
    ///
    /// The body may wait for the tasks, but needn't. Tasks may make more tasks with a clone of the group.
    ///
    /// # Errors
    /// The first error of the body and of the tasks.
    ///
    /// # Panics
    /// With what the body or a task panicked with, after all have ended.
    ///
    /// # Cancel safety
    /// If this is dropped, all tasks are cancelled: they take no further step, and their futures are dropped in the loop's
    /// next turn.
    ///
    /// # Examples
    /// ```
    /// use ioxide::TaskGroup;
    ///
    /// let sum = ioxide::run(TaskGroup::scope(async |group| {
    ///     let one = group.spawn(async { "1".parse::<i32>() });
    ///     let two = group.spawn(async { "2".parse::<i32>() });
    ///     Ok(one.await.unwrap_or(0) + two.await.unwrap_or(0))
    /// }))?;
    /// assert_eq!(sum, Ok(3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// The first error ends them all:
    /// ```
    /// use ioxide::TaskGroup;
    /// use std::future::pending;
    ///
    /// let result = ioxide::run(TaskGroup::scope(async |group| {
    ///     let _ = group.spawn(pending::<Result<(), _>>());
    ///     let _ = group.spawn(async { Err::<(), _>("no such host") });
    ///     pending::<Result<(), _>>().await
    /// }))?;
    /// assert_eq!(result, Err("no such host"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn scope<T>(body: impl AsyncFnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        let group = Self { shared: Rc::new(Shared::new()) };
        let shared = &*group.shared;
        let cancel = CancelWhenDropped(shared);
        let result = {
            let body = pin!(body(&group));
            shared.run_body(body).await
        };
        let value = match result {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => {
                shared.fail(Failure::Error(error));
                None
            }
            None => None,
        };
        poll_fn(|context| shared.poll_empty(context)).await;
        drop(cancel);
        match (shared.failure.take(), value) {
            (Some(Failure::Panic(panic)), _) => resume_unwind(panic),
            (Some(Failure::Error(error)), _) => Err(error),
            (None, Some(value)) => Ok(value),
            (None, None) => unreachable!("a body is cut short only by a failure"),
        }
    }

    /// Makes a task in the group. Its handle gives the value that the future returns `Ok` with; an error goes to the
    /// group, and the handle then says that the task was cancelled.
    ///
    /// In a group that is cancelled or over, the future is dropped at once, and the task is cancelled.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// use ioxide::TaskGroup;
    /// use std::convert::Infallible;
    ///
    /// let Ok(answer) = ioxide::run(TaskGroup::scope(async |group| {
    ///     let task = group.spawn(async { Ok::<_, Infallible>(42) });
    ///     Ok(task.await)
    /// }))?;
    /// assert_eq!(answer, Ok(42));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = Result<T, E>> + 'static) -> Task<T> {
        Builder::new().spawn_in(self, future)
    }
}

impl Builder {
    /// Makes the task in a group, as [`TaskGroup::spawn`] does.
    ///
    /// # Panics
    /// When no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// use ioxide::TaskGroup;
    /// use ioxide::task::Builder;
    ///
    /// let name = ioxide::run(TaskGroup::<()>::scope(async |group| {
    ///     let task = Builder::new().name("counting").spawn_in(group, async { Ok(()) });
    ///     Ok(task.name().map(str::to_owned))
    /// }))?;
    /// assert_eq!(name.unwrap().as_deref(), Some("counting"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_in<T, E>(self, group: &TaskGroup<E>, future: impl Future<Output = Result<T, E>> + 'static) -> Task<T>
    where
        T: 'static,
        E: 'static,
    {
        let shared = &group.shared;
        if shared.is_cancelled.get() {
            return self.refuse();
        }
        let key = shared.members.borrow_mut().insert(None);
        let membership = Membership { shared: Rc::clone(shared), key, is_known: false };
        self.spawn_fallible(Member { future, membership })
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TaskGroup")
            .field("members", &self.shared.members.borrow().len())
            .field("is_cancelled", &self.shared.is_cancelled.get())
            .finish_non_exhaustive()
    }
}

impl<E> Shared<E> {
    fn new() -> Self {
        Self {
            members: RefCell::default(),
            scope: Cell::default(),
            is_cancelled: Cell::default(),
            failure: Cell::default(),
        }
    }

    /// Runs the body until it is done, or until the group is cancelled.
    async fn run_body<T>(&self, mut body: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        poll_fn(|context| {
            self.remember_scope(context);
            if self.is_cancelled.get() {
                return Poll::Ready(None);
            }
            // The members end before the panic goes on.
            catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(context))).map_or_else(
                |panic| {
                    self.fail(Failure::Panic(panic));
                    Poll::Ready(None)
                },
                |poll| poll.map(Some),
            )
        })
        .await
    }

    fn poll_empty(&self, context: &mut Context<'_>) -> Poll<()> {
        self.remember_scope(context);
        if self.members.borrow().is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn remember_scope(&self, context: &mut Context<'_>) {
        let waker = context.waker().clone();
        drop(self.scope.replace(Some(waker)));
    }

    fn wake_scope(&self) {
        if let Some(waker) = self.scope.take() {
            waker.wake();
        }
    }

    /// Later failures are consequences of the first, or happened beside it: they are dropped.
    fn fail(&self, failure: Failure<E>) {
        match self.failure.take() {
            None => self.failure.set(Some(failure)),
            first => {
                self.failure.set(first);
                drop(failure);
            }
        }
        self.cancel();
    }

    fn cancel(&self) {
        if self.is_cancelled.replace(true) {
            return;
        }
        let wakers: Vec<Waker> = self.members.borrow_mut().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        wakers.into_iter().for_each(Waker::wake);
        self.wake_scope();
    }
}

/// Cancels what is left of a group when its scope is dropped, and refuses what comes after its end.
struct CancelWhenDropped<'a, E>(&'a Shared<E>);

impl<E> Drop for CancelWhenDropped<'_, E> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

pin_project! {
    /// A task's future, as a member of a group.
    struct Member<F, E> {
        #[pin]
        future: F,
        // After the future: a member leaves when its future is gone.
        membership: Membership<E>,
    }
}

struct Membership<E> {
    shared: Rc<Shared<E>>,
    key: usize,
    /// Whether the group has the waker.
    is_known: bool,
}

impl<F, T, E> Future for Member<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    /// `None` is the end of a task that was cancelled.
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        let shared = &this.membership.shared;
        if shared.is_cancelled.get() {
            return Poll::Ready(None);
        }
        // A task has one waker for its life.
        if !this.membership.is_known {
            let waker = context.waker().clone();
            shared.members.borrow_mut()[this.membership.key] = Some(waker);
            this.membership.is_known = true;
        }
        // A future that has panicked isn't polled again: the task is done then.
        let failure = match catch_unwind(AssertUnwindSafe(|| this.future.poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(value))) => return Poll::Ready(Some(value)),
            Ok(Poll::Ready(Err(error))) => Failure::Error(error),
            Err(panic) => Failure::Panic(panic),
        };
        shared.fail(failure);
        Poll::Ready(None)
    }
}

impl<E> Drop for Membership<E> {
    fn drop(&mut self) {
        let (waker, is_last) = {
            let mut members = self.shared.members.borrow_mut();
            (members.try_remove(self.key), members.is_empty())
        };
        drop(waker);
        if is_last {
            self.shared.wake_scope();
        }
    }
}

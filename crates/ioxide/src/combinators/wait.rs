//! Some of several tasks.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_util::stream::FuturesUnordered;

use crate::task::Task;
use crate::time::sleep;

/// Waits for tasks: asyncio's `wait`. What follows says for how many:
///
/// - [`first_completed`](Wait::first_completed): until one is done;
/// - [`first_exception`](Wait::first_exception): until one has failed, or all are done;
/// - [`all_completed`](Wait::all_completed), or nothing: until all are done.
///
/// Each returns the tasks that are done, and those that aren't, both in the order in which they were given. A task that
/// is done is awaited to get its result, which takes no time.
///
/// # Cancel safety
/// The tasks are handed over: if a wait is given up they go on, but their handles are gone. To wait no longer than so
/// long, and keep them, use [`Wait::timeout`].
///
/// # Examples
/// ```
/// use ioxide::{spawn, wait};
/// use std::future::pending;
///
/// ioxide::run(async {
///     let (done, pending) = wait([spawn(async { 1 }), spawn(pending())]).first_completed().await;
///     assert_eq!((done.len(), pending.len()), (1, 1));
///     for task in done {
///         assert_eq!(task.await, Ok(1));
///     }
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wait<T>(tasks: impl IntoIterator<Item = Task<T>>) -> Wait<T> {
    Wait { tasks: tasks.into_iter().collect(), timeout: None }
}

/// What [`wait`] returns: a wait that is still to be told when it is over.
#[derive(Debug)]
#[must_use = "nothing is waited for until this is awaited"]
pub struct Wait<T> {
    tasks: Vec<Task<T>>,
    timeout: Option<Duration>,
}

/// Tasks that are done, and tasks that aren't.
type DoneAndPending<T> = (Vec<Task<T>>, Vec<Task<T>>);

impl<T> Wait<T> {
    /// Waits no longer than so long.
    ///
    /// # Examples
    /// ```
    /// use std::future::pending;
    /// use std::time::Duration;
    ///
    /// ioxide::run(async {
    ///     let tasks = [ioxide::spawn(pending::<()>())];
    ///     let (done, pending) = ioxide::wait(tasks).timeout(Duration::from_millis(1)).await;
    ///     assert_eq!((done.len(), pending.len()), (0, 1));
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Waits until one task is done.
    ///
    /// # Panics
    /// With a time-out, when no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// ioxide::run(async {
    ///     let mut pending = vec![ioxide::spawn(async { 1 }), ioxide::spawn(async { 2 })];
    ///     let mut sum = 0;
    ///     while !pending.is_empty() {
    ///         let (done, rest) = ioxide::wait(pending).first_completed().await;
    ///         for task in done {
    ///             sum += task.await?;
    ///         }
    ///         pending = rest;
    ///     }
    ///     assert_eq!(sum, 3);
    ///     Ok::<_, ioxide::Cancelled>(())
    /// })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn first_completed(self) -> DoneAndPending<T> {
        self.until(|_| true).await
    }

    /// Waits until all tasks are done.
    ///
    /// # Panics
    /// With a time-out, when no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// ioxide::run(async {
    ///     let (done, pending) = ioxide::wait([ioxide::spawn(async {})]).all_completed().await;
    ///     assert_eq!((done.len(), pending.len()), (1, 0));
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn all_completed(self) -> DoneAndPending<T> {
        self.until(|_| false).await
    }

    /// Waits until `is_enough` holds for a task that is done, or all are. All that are done by then are among the done.
    async fn until(self, mut is_enough: impl FnMut(&mut Task<T>) -> bool) -> DoneAndPending<T> {
        let mut running: FuturesUnordered<_> =
            self.tasks.into_iter().enumerate().map(|(place, task)| UntilDone { place, task: Some(task) }).collect();
        let mut done = Vec::new();
        let mut take_done = poll_fn(|context| {
            let mut is_over = running.is_empty();
            while let Poll::Ready(Some((place, mut task))) = Pin::new(&mut running).poll_next(context) {
                is_over |= is_enough(&mut task) || running.is_empty();
                done.push((place, task));
            }
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        });
        match self.timeout {
            None => take_done.await,
            Some(timeout) => {
                let mut end = pin!(sleep(timeout));
                poll_fn(|context| match Pin::new(&mut take_done).poll(context) {
                    Poll::Ready(()) => Poll::Ready(()),
                    Poll::Pending => end.as_mut().poll(context),
                })
                .await;
            }
        }
        let pending = running.into_iter().filter_map(|until| Some((until.place, until.task?))).collect();
        (in_order(done), in_order(pending))
    }
}

impl<T, E> Wait<Result<T, E>> {
    /// Waits until one task has failed, or all are done. A task that returned an error, was cancelled or has panicked
    /// has failed.
    ///
    /// # Panics
    /// With a time-out, when no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// use std::future::pending;
    ///
    /// ioxide::run(async {
    ///     let tasks = [ioxide::spawn(pending()), ioxide::spawn(async { "x".parse::<u8>() })];
    ///     let (done, pending) = ioxide::wait(tasks).first_exception().await;
    ///     assert_eq!((done.len(), pending.len()), (1, 1));
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn first_exception(self) -> DoneAndPending<Result<T, E>> {
        self.until(|task| !task.is_done_with(Result::is_ok)).await
    }
}

impl<T: 'static> IntoFuture for Wait<T> {
    type Output = DoneAndPending<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = DoneAndPending<T>>>>;

    /// Waits until all are done.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.all_completed())
    }
}

/// A task that is waited for, and given back when it is done.
struct UntilDone<T> {
    place: usize,
    /// `None` once it was given back.
    task: Option<Task<T>>,
}

impl<T> Future for UntilDone<T> {
    type Output = (usize, Task<T>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let place = self.place;
        match self.task.take_if(|task| task.poll_done(context).is_ready()) {
            Some(task) => Poll::Ready((place, task)),
            None => Poll::Pending,
        }
    }
}

fn in_order<T>(mut tasks: Vec<(usize, Task<T>)>) -> Vec<Task<T>> {
    tasks.sort_unstable_by_key(|(place, _)| *place);
    tasks.into_iter().map(|(_, task)| task).collect()
}

//! All of several futures.

use std::future::Future;

use futures_util::future::{join_all, try_join_all};

/// Runs futures beside each other, and returns their results in the order of the futures: asyncio's `gather`, with
/// `return_exceptions`.
///
/// The futures run within the task that awaits this, so that they may borrow from it. They are dropped if this is. Tasks
/// that are gathered are no more than waited for: they go on.
///
/// # Cancel safety
/// Results that are there already are lost.
///
/// # Examples
/// ```
/// use ioxide::{gather, sleep};
/// use std::time::Duration;
///
/// let lines = ["long", "short"];
/// let results = ioxide::run(gather(lines.iter().enumerate().map(async |(place, line)| {
///     sleep(Duration::from_millis(2 - place as u64)).await;
///     line.len()
/// })))?;
/// assert_eq!(results, [4, 5]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn gather<I>(futures: I) -> impl Future<Output = Vec<<I::Item as Future>::Output>>
where
    I: IntoIterator<Item: Future>,
{
    join_all(futures)
}

/// Runs futures beside each other until all are done, or one fails: asyncio's `gather`. The others are dropped then, as
/// soon as this is; tasks go on.
///
/// # Errors
/// The first error.
///
/// # Cancel safety
/// Results that are there already are lost.
///
/// # Examples
/// ```
/// use ioxide::{spawn, try_gather};
///
/// let tasks = ioxide::run(async { try_gather((1..=3).map(|number| spawn(async move { number }))).await })?;
/// assert_eq!(tasks, Ok(vec![1, 2, 3]));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn try_gather<I, T, E>(futures: I) -> impl Future<Output = Result<Vec<T>, E>>
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    try_join_all(futures)
}

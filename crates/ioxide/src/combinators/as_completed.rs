//! Results in the order in which they come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// Runs futures beside each other, and gives the result of each as it is done: asyncio's `as_completed`.
///
/// The futures run within the task that reads this, while it reads, so that they may borrow from it; a task among them
/// runs by itself. They are dropped if this is.
///
/// # Examples
/// ```
/// use ioxide::{as_completed, sleep};
/// use std::time::Duration;
///
/// let order = ioxide::run(async {
///     let mut results = as_completed([3, 1].map(async |delay| {
///         sleep(Duration::from_millis(delay)).await;
///         delay
///     }));
///     let mut order = Vec::new();
///     while let Some(delay) = results.next().await {
///         order.push(delay);
///     }
///     order
/// })?;
/// assert_eq!(order, [1, 3]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn as_completed<I>(futures: I) -> AsCompleted<I::Item>
where
    I: IntoIterator<Item: Future>,
{
    AsCompleted { futures: futures.into_iter().collect() }
}

/// What [`as_completed`] returns: a stream.
#[derive(Debug)]
#[must_use = "the futures run only while this is read"]
pub struct AsCompleted<F> {
    futures: FuturesUnordered<F>,
}

impl<F: Future> AsCompleted<F> {
    /// The next result, or `None` when there are no more.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    ///
    /// # Examples
    /// ```
    /// let mut results = ioxide::as_completed([async { 1 }]);
    /// assert_eq!(ioxide::run(results.next())?, Some(1));
    /// assert_eq!(ioxide::run(results.next())?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn next(&mut self) -> Option<F::Output> {
        self.futures.next().await
    }

    /// How many results haven't been given.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(ioxide::as_completed([async {}]).len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.futures.len()
    }

    /// Whether all results have been given.
    ///
    /// # Examples
    /// ```
    /// assert!(!ioxide::as_completed([async {}]).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.futures.is_empty()
    }
}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = F::Output;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        Pin::new(&mut self.futures).poll_next(context)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.futures.size_hint()
    }
}

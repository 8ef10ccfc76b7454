//! Giving up after a time.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::alarm::Alarm;

/// The time was over before the future was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("timed out")
    }
}

impl Error for TimedOut {}

impl From<TimedOut> for io::Error {
    fn from(error: TimedOut) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, error)
    }
}

/// Awaits `future` for so long at most, counted from the call: asyncio's `wait_for` and `timeout`. A future that isn't
/// done by then is dropped with what this returns.
///
/// A time-out of zero lets the future run until it waits for something.
///
/// # Errors
/// [`TimedOut`]. It becomes an [`io::Error`] by `?` where that is what a function returns.
///
/// # Panics
/// When no loop runs on this thread; as it is awaited while that loop doesn't run; and with what the future panics
/// with.
///
/// # Cancel safety
/// That of the future.
///
/// # Examples
/// ```
/// use ioxide::time::TimedOut;
/// use std::future::pending;
/// use std::time::Duration;
///
/// ioxide::run(async {
///     let short = Duration::from_millis(1);
///     assert_eq!(ioxide::timeout(short, async { 7 }).await, Ok(7));
///     assert_eq!(ioxide::timeout(short, pending::<()>()).await, Err(TimedOut));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn timeout<F: Future>(duration: Duration, future: F) -> WithTimeout<F> {
    WithTimeout { future, alarm: Alarm::after(duration) }
}

/// Awaits `future` until `deadline` at most: asyncio's `timeout_at`. Otherwise as [`timeout`].
///
/// # Errors
/// [`TimedOut`].
///
/// # Panics
/// As [`timeout`].
///
/// # Cancel safety
/// That of the future.
///
/// # Examples
/// ```
/// use ioxide::time::{TimedOut, timeout_at};
/// use std::future::pending;
/// use std::time::Instant;
///
/// let result = ioxide::run(async { timeout_at(Instant::now(), pending::<()>()).await })?;
/// assert_eq!(result, Err(TimedOut));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> WithTimeout<F> {
    WithTimeout { future, alarm: Alarm::at(deadline) }
}

pin_project! {
    /// What [`timeout`] and [`timeout_at`] return.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct WithTimeout<F> {
        #[pin]
        future: F,
        alarm: Alarm,
    }
}

impl<F: Future> Future for WithTimeout<F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        poll_until(this.future, this.alarm, context)
    }
}

/// The future goes first: one that is done in time is done, though nobody looked until later.
fn poll_until<F: Future>(
    future: Pin<&mut F>,
    alarm: &Alarm,
    context: &mut Context<'_>,
) -> Poll<Result<F::Output, TimedOut>> {
    match future.poll(context) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => alarm.poll(context).map(|()| Err(TimedOut)),
    }
}

/// A time-out that can be moved by what it limits: asyncio's `Timeout`.
#[derive(Debug)]
pub struct Timeout {
    alarm: Alarm,
}

impl Timeout {
    /// Runs `body` for so long at most, and lends it the time-out, so that it can see and move it.
    ///
    /// # Errors
    /// [`TimedOut`].
    ///
    /// # Panics
    /// When no loop runs on this thread; as it is awaited while that loop doesn't run; and with what the body panics
    /// with.
    ///
    /// # Cancel safety
    /// That of the body.
    ///
    /// # Examples
    /// As long as something comes every now and then, it isn't given up:
    /// ```
    /// use ioxide::time::{TimedOut, Timeout};
    /// use std::time::{Duration, Instant};
    ///
    /// let patience = Duration::from_millis(20);
    /// let mut steps = 0;
    /// let result = ioxide::run(Timeout::scope(patience, async |timeout| {
    ///     for step in 1.. {
    ///         ioxide::sleep(Duration::from_millis(1) * step * step).await;
    ///         timeout.reschedule(Some(Instant::now() + patience));
    ///         steps = step;
    ///     }
    /// }))?;
    /// assert_eq!(result, Err(TimedOut));
    /// assert!(steps >= 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn scope<T>(duration: Duration, body: impl AsyncFnOnce(&Self) -> T) -> Result<T, TimedOut> {
        let timeout = Self { alarm: Alarm::after(duration) };
        let mut body = pin!(body(&timeout));
        poll_fn(|context| poll_until(body.as_mut(), &timeout.alarm, context)).await
    }

    /// Moves the time-out: to an earlier time, to a later one, or away with `None`.
    ///
    /// # Examples
    /// ```
    /// use ioxide::time::Timeout;
    /// use std::time::Duration;
    ///
    /// let result = ioxide::run(Timeout::scope(Duration::ZERO, async |timeout| {
    ///     timeout.reschedule(None);
    ///     ioxide::yield_now().await;
    ///     "all the time it needs"
    /// }))?;
    /// assert_eq!(result, Ok("all the time it needs"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reschedule(&self, when: Option<Instant>) {
        match when {
            Some(when) => self.alarm.set_at(when),
            None => self.alarm.set_never(),
        }
    }

    /// How much time is left. `None` is any amount.
    ///
    /// # Examples
    /// ```
    /// use ioxide::time::Timeout;
    /// use std::time::Duration;
    ///
    /// let left = ioxide::run(Timeout::scope(Duration::from_secs(60), async |timeout| timeout.remaining()))?;
    /// assert!(left.unwrap().unwrap() <= Duration::from_secs(60));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.alarm.remaining()
    }
}

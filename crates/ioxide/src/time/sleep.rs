//! Waiting for a time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use crate::task::{YieldNow, yield_now};

/// Waits for so long, counted from the call: asyncio's `sleep`. Everything that is ready runs meanwhile, also if the
/// duration is zero.
///
/// # Panics
/// When no loop runs on this thread, unless the duration is zero; as it is awaited while that loop doesn't run.
///
/// # Cancel safety
/// Nothing is lost.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
///
/// ioxide::run(async {
///     let begin = Instant::now();
///     ioxide::sleep(Duration::from_millis(2)).await;
///     assert!(begin.elapsed() >= Duration::from_millis(2));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    let kind = if duration.is_zero() { Kind::NextTurn(yield_now()) } else { Kind::Alarm(Alarm::after(duration)) };
    Sleep { kind }
}

/// Waits until a time, at least until the loop's next turn.
///
/// # Panics
/// When no loop runs on this thread; as it is awaited while that loop doesn't run.
///
/// # Cancel safety
/// Nothing is lost.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
///
/// ioxide::run(async {
///     let deadline = Instant::now() + Duration::from_millis(2);
///     ioxide::time::sleep_until(deadline).await;
///     assert!(Instant::now() >= deadline);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { kind: Kind::Alarm(Alarm::at(deadline)) }
}

/// What [`sleep`] and [`sleep_until`] return.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Alarm(Alarm),
    NextTurn(YieldNow),
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.kind {
            Kind::Alarm(alarm) => alarm.poll(context),
            Kind::NextTurn(next_turn) => Pin::new(next_turn).poll(context),
        }
    }
}

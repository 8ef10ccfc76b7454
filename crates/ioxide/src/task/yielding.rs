//! Letting others run.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Lets everything run that is ready, and goes on in the loop's next turn: asyncio's `sleep(0)`.
///
/// # Cancel safety
/// Nothing is lost.
///
/// # Examples
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// ioxide::run(async {
///     let has_run = Rc::new(Cell::new(false));
///     drop(ioxide::spawn({
///         let has_run = Rc::clone(&has_run);
///         async move { has_run.set(true) }
///     }));
///     ioxide::yield_now().await;
///     assert!(has_run.get());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { has_yielded: false }
}

/// What [`yield_now`] returns.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct YieldNow {
    has_yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.has_yielded {
            return Poll::Ready(());
        }
        self.has_yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

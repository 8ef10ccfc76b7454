//! Work that goes on though nobody waits for it any more.

use std::future::Future;

use crate::task::{Task, spawn};

/// Runs a future so that it goes on when this is dropped: asyncio's `shield`.
///
/// It is [`spawn`] under the name that says why. A task needs no shield: to drop its handle leaves it running.
///
/// # Panics
/// When no loop runs on this thread; and with what the future panics with, as this is awaited.
///
/// # Cancel safety
/// An await that is given up can be taken up again.
///
/// # Examples
/// ```
/// use ioxide::{shield, sync::Event, timeout};
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// ioxide::run(async {
///     let (may_save, is_saved) = (Rc::new(Event::new()), Rc::new(Event::new()));
///     let save = {
///         let (may_save, is_saved) = (Rc::clone(&may_save), Rc::clone(&is_saved));
///         async move {
///             may_save.wait().await;
///             is_saved.set();
///         }
///     };
///     assert!(timeout(Duration::ZERO, shield(save)).await.is_err());
///     may_save.set();
///     is_saved.wait().await;
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn shield<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn(future)
}

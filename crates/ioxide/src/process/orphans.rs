//! Children that nobody waits for any more, and that are to leave no zombies.
//!
//! A loop waits for such a child until the loop is gone. One that outlives it is looked for as the next child is
//! started, in whichever loop: so does `subprocess` with a `Popen` that was dropped.

use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::child::Process;
use crate::event_loop::Core;
use crate::task::spawn;

/// Those that have outlived their loops.
static LEFT: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Waits for a process in the place of its owner.
pub(super) fn adopt(mut process: Process) {
    if matches!(process.try_wait(), Ok(None)) {
        let mut orphan = Orphan(Some(process));
        // Without a loop it is left at once.
        if Core::try_current().is_some() {
            drop(spawn(async move { orphan.wait().await }));
        }
    }
}

/// Looks which of those that were left have ended meanwhile.
pub(super) fn reap() {
    // One that something else has waited for is gone, too.
    left().retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

/// Nothing runs under the lock that could leave the list in pieces.
fn left() -> MutexGuard<'static, Vec<Child>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Orphan(Option<Process>);

impl Orphan {
    async fn wait(&mut self) {
        if let Some(process) = &mut self.0 {
            // It fails if the child was started in another loop, which doesn't run.
            let _ = process.wait().await;
            if matches!(process.try_wait(), Ok(None)) {
                return;
            }
        }
        self.0 = None;
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(process) = self.0.take() {
            left().push(process.child);
        }
    }
}

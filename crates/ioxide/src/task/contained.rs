//! What a task's cell holds of a program's: a value whose end is contained.
//!
//! `async-task` aborts the process when a result, or what a future holds, panics as the cell drops it. The hook has told
//! of such a panic, and there is nobody to hand it to: it ends here.

use crate::panics::contain;

/// A value that doesn't panic as it is dropped.
#[derive(Debug)]
pub(super) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(super) fn into_inner(mut self) -> T {
        self.0.take().expect("only this takes it out, and only once")
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            contain(|| drop(value));
        }
    }
}

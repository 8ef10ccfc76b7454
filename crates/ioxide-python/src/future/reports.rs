//! What a future says of itself: its repr, and the report of an exception that nobody looked at.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Future;
use super::state::Outcome;
use crate::cpython::asyncio;

/// `<Future pending …>`, by the standard library's own words.
pub fn describe(future: &Bound<'_, Future>) -> PyResult<String> {
    let py = future.py();
    if !future.get().state.with(py, |state| state.event_loop.is_some()) {
        return Ok("<Future object is not initialized.>".to_owned());
    }
    asyncio::DESCRIBE_FUTURE.get(py)?.call1((future,))?.extract()
}

impl Future {
    /// The object is about to go: reports an exception that nobody has looked at.
    ///
    /// # Errors
    /// What the loop's exception handler lets through.
    pub fn report_unseen_exception(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let unseen = slf.get().state.with(py, |state| {
            let is_unseen = std::mem::replace(&mut state.log_traceback, false);
            match &state.outcome {
                Outcome::Exception(exception, _) if is_unseen => Some(exception.clone_ref(py)),
                _ => None,
            }
        });
        let Some(exception) = unseen else { return Ok(()) };
        let context = PyDict::new(py);
        let name = slf.get_type().name()?;
        context.set_item("message", format!("{name} exception was never retrieved"))?;
        context.set_item("exception", exception)?;
        context.set_item("future", slf)?;
        Self::report(slf, &context)
    }

    /// Calls the loop's exception handler, with the place where the future was made, if it is known.
    pub fn report(slf: &Bound<'_, Self>, context: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = slf.py();
        let source_traceback = slf.get().state.with(py, |state| {
            let rare = state.rare.as_ref()?;
            rare.source_traceback.as_ref().map(|traceback| traceback.clone_ref(py))
        });
        if let Some(source_traceback) = source_traceback {
            context.set_item("source_traceback", source_traceback)?;
        }
        slf.get().event_loop(py)?.call_method1("call_exception_handler", (context,)).map(drop)
    }
}

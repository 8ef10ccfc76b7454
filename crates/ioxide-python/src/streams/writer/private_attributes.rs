//! The underscored attributes, for the standard library's code and for programs that read and set them.

use pyo3::prelude::*;

use super::{Protocol, Reader, StreamWriter, missing};
use crate::combinators::any_future;

#[pymethods]
impl StreamWriter {
    #[getter]
    fn _transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.transport(py)
    }

    #[setter(_transport)]
    fn set_transport(&self, value: &Bound<'_, PyAny>) {
        let transport = value.clone().unbind();
        drop(self.state.with(value.py(), |state| state.transport.replace(transport)));
    }

    #[getter]
    fn _protocol<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.protocol(py)
    }

    #[setter(_protocol)]
    fn set_protocol(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let protocol = Protocol::of(value)?;
        drop(self.state.with(value.py(), |state| state.protocol.replace(protocol)));
        Ok(())
    }

    #[getter]
    fn _reader<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.reader(py)
    }

    #[setter(_reader)]
    fn set_reader(&self, value: &Bound<'_, PyAny>) {
        let reader = Reader::of(value);
        drop(self.state.with(value.py(), |state| std::mem::replace(&mut state.reader, reader)));
    }

    /// A future that is done: asyncio's has it from the time when there was nothing to wait for.
    #[getter]
    fn _complete_fut<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let future = any_future::create(&slf.get()._loop(py)?)?;
        any_future::release(&future)?;
        Ok(future)
    }

    #[getter]
    fn _loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = self.state.with(py, |state| state.event_loop.as_ref().map(|owner| owner.bind(py).clone()));
        event_loop.ok_or_else(|| missing("_loop"))
    }

    #[setter(_loop)]
    fn set_event_loop(&self, value: &Bound<'_, PyAny>) {
        let event_loop = value.clone().unbind();
        drop(self.state.with(value.py(), |state| state.event_loop.replace(event_loop)));
    }
}

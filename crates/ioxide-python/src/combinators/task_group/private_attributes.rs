//! The underscored attributes, for programs that read and set them.

use pyo3::prelude::*;

use super::TaskGroup;

#[pymethods]
impl TaskGroup {
    #[getter]
    fn _entered(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.entered)
    }

    #[setter(_entered)]
    fn set_entered(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value_is_true = value.is_truthy()?;
        self.state.with(value.py(), |state| state.entered = value_is_true);
        Ok(())
    }

    #[getter]
    fn _exiting(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.exiting)
    }

    #[setter(_exiting)]
    fn set_exiting(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value_is_true = value.is_truthy()?;
        self.state.with(value.py(), |state| state.exiting = value_is_true);
        Ok(())
    }

    #[getter]
    fn _aborting(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.aborting)
    }

    #[setter(_aborting)]
    fn set_aborting(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value_is_true = value.is_truthy()?;
        self.state.with(value.py(), |state| state.aborting = value_is_true);
        Ok(())
    }

    #[getter]
    fn _parent_cancel_requested(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.parent_cancel_requested)
    }

    #[setter(_parent_cancel_requested)]
    fn set_parent_cancel_requested(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let value_is_true = value.is_truthy()?;
        self.state.with(value.py(), |state| state.parent_cancel_requested = value_is_true);
        Ok(())
    }

    #[getter]
    fn _loop<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.read(py, |state| &state.event_loop)
    }

    #[setter(_loop)]
    fn set_event_loop(&self, value: &Bound<'_, PyAny>) {
        self.write(value, |state| &mut state.event_loop);
    }

    #[getter]
    fn _parent_task<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.read(py, |state| &state.parent_task)
    }

    #[setter(_parent_task)]
    fn set_parent_task(&self, value: &Bound<'_, PyAny>) {
        self.write(value, |state| &mut state.parent_task);
    }

    #[getter]
    fn _tasks<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.read(py, |state| &state.tasks)
    }

    #[setter(_tasks)]
    fn set_tasks(&self, value: &Bound<'_, PyAny>) {
        self.write(value, |state| &mut state.tasks);
    }

    #[getter]
    fn _errors<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.read(py, |state| &state.errors)
    }

    #[setter(_errors)]
    fn set_errors(&self, value: &Bound<'_, PyAny>) {
        self.write(value, |state| &mut state.errors);
    }

    #[getter]
    fn _base_error<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.read(py, |state| &state.base_error)
    }

    #[setter(_base_error)]
    fn set_base_error(&self, value: &Bound<'_, PyAny>) {
        self.write(value, |state| &mut state.base_error);
    }

    #[getter]
    fn _on_completed_fut<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.read(py, |state| &state.completed)
    }

    #[setter(_on_completed_fut)]
    fn set_completed(&self, value: &Bound<'_, PyAny>) {
        self.write(value, |state| &mut state.completed);
    }
}

//! A context that callbacks share until one of them sets a variable.
//!
//! Each callback runs in a copy of the context that was current when it was scheduled. Hardly any of them sets a variable,
//! so most of the copies equal the context that the loop itself runs in, and it takes longer to make one, to show it to the
//! garbage collector and to free it than to enter and to leave it. So a loop that runs keeps a *snapshot* of its own
//! context, one that nobody enters. Who schedules in an equal context gets a reference to that. When the callback runs, a
//! copy is made, or taken that was left by the one before, unless that has set a variable in it, or somebody refers to it.
//!
//! Nobody can tell the difference. The values of the snapshot's variables live as long as the context that the loop runs in
//! has them, and that is longer than the loop runs: when that context changes, so does the snapshot. A loop that doesn't
//! run keeps one of the context in which something was scheduled last, until it has run or is closed.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::attached_cell::AttachedCell;
use super::context_layout::{self, Variables};
use super::{context, ownership};

/// What a loop keeps for its callbacks.
pub struct SharedContext(AttachedCell<Kept>);

struct Kept {
    /// A context that nobody enters.
    snapshot: Option<Py<PyAny>>,
    /// A copy of the snapshot that nobody is in and nobody else refers to.
    copy: Option<Py<PyAny>>,
}

impl Kept {
    const NOTHING: Self = Self { snapshot: None, copy: None };

    fn variables(&self, py: Python<'_>) -> Option<Variables> {
        self.snapshot.as_ref().and_then(|snapshot| Variables::of(snapshot.bind(py)))
    }

    fn equals(&self, context: &Bound<'_, PyAny>) -> bool {
        let variables = self.variables(context.py());
        variables.is_some() && variables == Variables::of(context)
    }

    fn drop_refs(self, py: Python<'_>) {
        for context in [self.snapshot, self.copy].into_iter().flatten() {
            context.drop_ref(py);
        }
    }
}

impl SharedContext {
    /// Nothing.
    pub const fn new() -> Self {
        Self(AttachedCell::new(Kept::NOTHING))
    }

    /// Keeps a snapshot of the current context, if that can be told from others.
    ///
    /// # Errors
    /// Out of memory.
    pub fn follow_current(&self, py: Python<'_>) -> PyResult<()> {
        if self.equals_current(py) || !context_layout::is_known() {
            return Ok(());
        }
        let snapshot = context::copy_current(py)?;
        self.0.replace(py, Kept { snapshot: Some(snapshot), copy: None }).drop_refs(py);
        Ok(())
    }

    fn equals_current(&self, py: Python<'_>) -> bool {
        let current = Variables::of_current(py);
        current.is_some() && self.0.with(py, |kept| kept.variables(py)) == current
    }

    /// Keeps nothing.
    pub fn let_go(&self, py: Python<'_>) {
        self.0.replace(py, Kept::NOTHING).drop_refs(py);
    }

    /// The snapshot, if the current context equals it.
    pub fn snapshot_of_current(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let current = Variables::of_current(py)?;
        self.0.with(py, |kept| {
            let snapshot = kept.snapshot.as_ref()?;
            (Variables::of(snapshot.bind(py)) == Some(current)).then(|| snapshot.clone_ref(py))
        })
    }

    /// A copy of a snapshot of the loop's, for one callback to run in.
    ///
    /// # Errors
    /// Out of memory.
    pub fn borrow_copy<'py>(&self, snapshot: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = snapshot.py();
        let copy = self.0.with(py, |kept| if kept.equals(snapshot) { kept.copy.take() } else { None });
        match copy {
            Some(copy) => Ok(copy.into_bound(py)),
            None => context::copy(snapshot).map(|copy| copy.into_bound(py)),
        }
    }

    /// Takes back what [`SharedContext::borrow_copy`] gave, and keeps it if it can't be told from a new copy.
    pub fn give_back(&self, copy: Bound<'_, PyAny>) {
        if !ownership::is_sole_reference(&copy) {
            return;
        }
        let py = copy.py();
        let surplus = self
            .0
            .with(py, |kept| if kept.equals(&copy) { kept.copy.replace(copy.unbind()) } else { Some(copy.unbind()) });
        if let Some(surplus) = surplus {
            surplus.drop_ref(py);
        }
    }

    /// Shows what is kept to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(|kept| {
            visit.call(&kept.snapshot)?;
            visit.call(&kept.copy)
        })
    }
}

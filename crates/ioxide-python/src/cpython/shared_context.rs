//! Contexts that callbacks share until one of them sets a variable.
//!
//! Each callback runs in a copy of the context that was current when it was scheduled. Hardly any of them sets a variable,
//! so most of the copies are equal from the first to the last, and it takes longer to make one, to show it to the garbage
//! collector and to free it than to enter and to leave it. So what a handle keeps is a [`Snapshot`], a context that nobody
//! enters; those who schedule in equal contexts get the same. When it runs, a copy is made, or taken that was left by the
//! one before, unless that has set a variable in it, or somebody refers to it.
//!
//! Nobody can tell the difference, but by how long the values of variables live. So what nobody else needs is let go of
//! before the loop waits, and when it stops.

use pyo3::prelude::*;

use super::attached_cell::AttachedCell;
use super::context;
use super::context_layout::Variables;
use super::ownership;

/// What the context variables were at a moment: a context that nobody enters.
pub struct Snapshot(Py<PyAny>);

/// What is kept for the next ones.
struct Kept {
    /// The latest snapshot.
    snapshot: Option<Py<PyAny>>,
    /// A copy of it that nobody is in and nobody else refers to.
    copy: Option<Py<PyAny>>,
}

static KEPT: AttachedCell<Kept> = AttachedCell::new(Kept { snapshot: None, copy: None });

impl Snapshot {
    /// What the context variables are now.
    ///
    /// # Errors
    /// Out of memory.
    pub fn of_current(py: Python<'_>) -> PyResult<Self> {
        let variables = Variables::of_current(py);
        let known = KEPT.with(py, |kept| {
            let snapshot = kept.snapshot.as_ref()?;
            let is_as_now = variables.is_some() && Variables::of(snapshot.bind(py)) == variables;
            is_as_now.then(|| snapshot.clone_ref(py))
        });
        match known {
            Some(snapshot) => Ok(Self(snapshot)),
            None => Self::make(py),
        }
    }

    fn make(py: Python<'_>) -> PyResult<Self> {
        let snapshot = context::copy_current(py)?;
        if Variables::of(snapshot.bind(py)).is_some() {
            keep(py, Kept { snapshot: Some(snapshot.clone_ref(py)), copy: None });
        }
        Ok(Self(snapshot))
    }

    /// A context to run in. When that is done it is to be given to [`give_back`].
    ///
    /// # Errors
    /// Out of memory.
    pub fn into_context(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let snapshot = self.0.into_bound(py);
        let copy = KEPT.with(py, |kept| {
            let is_latest = kept.snapshot.as_ref().is_some_and(|latest| latest.is(&snapshot));
            if is_latest { kept.copy.take() } else { None }
        });
        match copy {
            Some(copy) => Ok(copy.into_bound(py)),
            None if ownership::is_sole_reference(&snapshot) => Ok(snapshot),
            None => context::copy(&snapshot).map(|copy| copy.into_bound(py)),
        }
    }

    /// Drops it, where the drop of a `Py` would have to find out first whether the thread is attached.
    pub fn let_go(self, py: Python<'_>) {
        self.0.drop_ref(py);
    }

    /// The snapshot, to be shown to the garbage collector.
    pub fn as_object(&self) -> &Py<PyAny> {
        &self.0
    }
}

/// Takes a context that something has run in, and keeps it if it can't be told from a new copy of the latest snapshot.
pub fn give_back(context: Bound<'_, PyAny>) {
    if !ownership::is_sole_reference(&context) {
        return;
    }
    let py = context.py();
    let surplus = KEPT.with(py, |kept| match &kept.snapshot {
        Some(snapshot) if Variables::of(snapshot.bind(py)) == Variables::of(&context) => {
            kept.copy.replace(context.unbind())
        }
        _ => Some(context.unbind()),
    });
    if let Some(surplus) = surplus {
        surplus.drop_ref(py);
    }
}

/// Lets go of what nobody else needs: no handle has the snapshot, and no other context its variables.
pub fn let_go_of_unneeded(py: Python<'_>) {
    let is_needed = KEPT.with(py, |kept| {
        let Some(snapshot) = kept.snapshot.as_ref().map(|snapshot| snapshot.bind(py)) else { return true };
        let own = 1 + isize::from(kept.copy.is_some());
        let Some(variables) = Variables::of(snapshot) else { return true };
        !ownership::is_sole_reference(snapshot) || !variables.are_held_by(snapshot, own)
    });
    if !is_needed {
        let_go(py);
    }
}

/// Lets go of everything.
pub fn let_go(py: Python<'_>) {
    keep(py, Kept { snapshot: None, copy: None });
}

/// What was kept before goes when nothing is borrowed: the values of variables go with it, which may run the program's code.
fn keep(py: Python<'_>, kept: Kept) {
    let before = KEPT.replace(py, kept);
    for context in [before.snapshot, before.copy].into_iter().flatten() {
        context.drop_ref(py);
    }
}

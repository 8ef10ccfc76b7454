//! Where the interpreter keeps which context is current, and what a context's variables are.
//!
//! A context's variables are an immutable mapping: to set one puts another mapping in its place, and copies of a context
//! share theirs until then. So whether two contexts are equal is whether they have the same mapping; but no function of the
//! C API tells that, nor which context is current without copying it. Both are read here from the interpreter's
//! structures. Their layout isn't taken on trust: it is looked for when the module is imported, by what entering, copying
//! and setting change. If it isn't found, nobody asks further, and every callback gets a copy of its own.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use super::context;
use super::interpreter_structure::{thread_state, word};

/// How many words from the start of a thread's state there is its current context. Zero as long as that isn't known.
static PLACE_OF_CURRENT: AtomicUsize = AtomicUsize::new(0);

/// A thread's state is longer than so many words in every version from 3.11 to 3.15, and has the context among them.
const WORDS_OF_THREAD_STATE: usize = 40;

/// Behind a context's header there is the context that was current before it was entered; its variables are next.
const PLACE_OF_VARIABLES: usize = size_of::<ffi::PyObject>() / size_of::<usize>() + 1;

/// Which mapping a context's variables are. Contexts of which this is the same are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variables(NonNull<ffi::PyObject>);

impl Variables {
    /// Those of a context. `None` if the layout isn't known.
    pub fn of(context: &Bound<'_, PyAny>) -> Option<Self> {
        if !is_known() {
            return None;
        }
        // SAFETY: `look` has seen that the variables are there, and only contexts are asked about.
        let variables = unsafe { word(context.as_ptr(), PLACE_OF_VARIABLES) };
        NonNull::new(variables).map(Self)
    }

    /// Those of the thread's current context. `None` if it has none yet, or the layout isn't known.
    pub fn of_current(py: Python<'_>) -> Option<Self> {
        let place = PLACE_OF_CURRENT.load(Ordering::Relaxed);
        if place == 0 {
            return None;
        }
        // SAFETY: `look` has seen that the context is there.
        let current = unsafe { word(thread_state(py), place) };
        // SAFETY: the thread's state holds its context, or null.
        let current = unsafe { Borrowed::from_ptr_or_opt(py, current) }?;
        Self::of(&current)
    }
}

/// Whether the layout is as it was expected.
pub fn is_known() -> bool {
    PLACE_OF_CURRENT.load(Ordering::Relaxed) != 0
}

/// Looks for the layout. To be called as the module is made. What fails meanwhile says that it can't be found.
pub fn find(py: Python<'_>) {
    // Without the GIL another thread may enter, set and leave at any moment.
    if !cfg!(Py_GIL_DISABLED) {
        let _ = look(py);
    }
}

fn look(py: Python<'_>) -> PyResult<()> {
    let contextvars = py.import("_contextvars")?;
    let new_context = || contextvars.getattr("Context")?.call0();
    let (first, second) = (new_context()?, new_context()?);
    let all: Vec<usize> = (0..WORDS_OF_THREAD_STATE).collect();
    let places = places_that_change(&first, &places_that_change(&second, &all)?)?;
    let &[place] = &*places else { return Ok(()) };

    let variable = contextvars.getattr("ContextVar")?.call1(("ioxide",))?;
    let copy = context::copy(&first)?.into_bound(py);
    let are_shared = same_word(&first, &copy, PLACE_OF_VARIABLES);
    first.call_method1("run", (variable.getattr("set")?, 1))?;
    if are_shared && !same_word(&first, &copy, PLACE_OF_VARIABLES) {
        PLACE_OF_CURRENT.store(place, Ordering::Relaxed);
    }
    Ok(())
}

/// Those of `places` in the thread's state that name `context` while, and only while, it is entered.
fn places_that_change(context: &Bound<'_, PyAny>, places: &[usize]) -> PyResult<Vec<usize>> {
    let names_it = |place: usize| {
        // SAFETY: a thread's state is as long as that.
        let word = unsafe { word(thread_state(context.py()), place) };
        std::ptr::eq(word, context.as_ptr())
    };
    let before: Vec<usize> = places.iter().copied().filter(|&place| !names_it(place)).collect();
    let inside: Vec<usize> =
        context::run_in(context, || Ok(before.into_iter().filter(|&place| names_it(place)).collect()))?;
    Ok(inside.into_iter().filter(|&place| !names_it(place)).collect())
}

fn same_word(one: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>, place: usize) -> bool {
    // SAFETY: a context is longer than its header and the two words behind that, in every version from 3.7 on.
    let of_one = unsafe { word(one.as_ptr(), place) };
    // SAFETY: as above.
    std::ptr::eq(of_one, unsafe { word(other.as_ptr(), place) })
}

//! From Python 3.14 on: a place in the thread's state, beside the one that names the running loop. Only functions of
//! asyncio's reach them, and a call of one takes some seventy instructions at each step of a task. So the places are
//! looked for when the module is imported, by what these functions change. If they aren't found, the functions are
//! called.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;

use crate::cpython::asyncio;
use crate::cpython::interpreter_structure::{replace_word, thread_state, word};
use crate::cpython::ownership;

/// How many words from the start of a thread's state there is the running loop. Zero as long as that isn't known.
static PLACE_OF_LOOP: AtomicUsize = AtomicUsize::new(0);

/// As above, of the current task. Set before the loop's.
static PLACE_OF_TASK: AtomicUsize = AtomicUsize::new(0);

/// A thread's state has the two among so many words.
const WORDS_OF_THREAD_STATE: usize = if cfg!(Py_3_15) { 130 } else { 110 };

/// The task that runs on the loop.
///
/// # Errors
/// What asyncio's function raises.
pub fn get<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = event_loop.py();
    if let Some(place) = place_of_task_of(event_loop) {
        // SAFETY: `look` has seen that the task is there.
        let task = unsafe { word(thread_state(py), place) };
        // SAFETY: the thread's state holds its task, or null.
        if let Some(task) = unsafe { Bound::from_borrowed_ptr_or_opt(py, task) } {
            return Ok(Some(task));
        }
    }
    let current_task = asyncio::CURRENT_TASK.get(py)?;
    let mut task = current_task.call1((event_loop,))?;
    if task.is_none() {
        // Tasks of asyncio's Python class are noted elsewhere. A program that makes such has put its function here.
        let replaced = asyncio::TASKS.get(py)?.getattr(pyo3::intern!(py, "current_task"))?;
        if !replaced.is(current_task) {
            task = replaced.call1((event_loop,))?;
        }
    }
    Ok(Some(task).filter(|task| !task.is_none()))
}

/// Makes `task` the current one of its loop, whichever was before.
///
/// # Errors
/// What asyncio's function raises: nothing on the loop's own thread.
pub fn set(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    match place_of_task_of(event_loop) {
        Some(place) => {
            put(task.py(), place, Some(task.clone()));
            Ok(())
        }
        None => swap(event_loop, task).map(drop),
    }
}

/// No task is the current one of the loop any more.
///
/// # Errors
/// What asyncio's function raises: nothing on the loop's own thread.
pub fn clear(event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = event_loop.py();
    match place_of_task_of(event_loop) {
        Some(place) => {
            put(py, place, None);
            Ok(())
        }
        None => swap(event_loop, &py.None().into_bound(py)).map(drop),
    }
}

/// Whether the current task is reached without a call into asyncio.
pub fn is_found() -> bool {
    PLACE_OF_LOOP.load(Ordering::Relaxed) != 0
}

/// Looks for the places. To be called as the module is made. What fails meanwhile says that they can't be found.
pub fn find(py: Python<'_>) {
    let _ = look(py);
}

/// Where the current task of `event_loop` is, if that loop is the one that runs here. If it isn't, asyncio's function
/// has an exception for it.
fn place_of_task_of(event_loop: &Bound<'_, PyAny>) -> Option<usize> {
    let place_of_loop = PLACE_OF_LOOP.load(Ordering::Relaxed);
    if place_of_loop == 0 {
        return None;
    }
    // SAFETY: `look` has seen that the loop is there.
    let running = unsafe { word(thread_state(event_loop.py()), place_of_loop) };
    ptr::eq(running, event_loop.as_ptr()).then(|| PLACE_OF_TASK.load(Ordering::Relaxed))
}

/// Puts `task` into its place, or nothing. Nothing of ours is borrowed when the task that was there goes.
fn put(py: Python<'_>, place: usize, task: Option<Bound<'_, PyAny>>) {
    let task = task.map_or(ptr::null_mut(), Bound::into_ptr);
    // SAFETY: `look` has seen that the task is there. The place owns a reference, as it did of the task before, or is
    // null.
    let before = unsafe { replace_word(thread_state(py), place, task) };
    // SAFETY: the place owned that reference, and has given it up.
    drop(unsafe { Bound::from_owned_ptr_or_opt(py, before) });
}

fn swap<'py>(event_loop: &Bound<'py, PyAny>, task: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    asyncio::SWAP_CURRENT_TASK.get(event_loop.py())?.call1((event_loop, task))
}

/// Sees which words change with the running loop and the current task. The module may be imported by a task of a
/// running loop: both are put back. Meanwhile nothing but C functions of asyncio's is called, so that no code of the
/// program's sees the marks, or leaves them there.
fn look(py: Python<'_>) -> PyResult<()> {
    let native = py.import("_asyncio")?;
    let set_running_loop = native.getattr("_set_running_loop")?;
    asyncio::SWAP_CURRENT_TASK.get(py)?;
    let running = native.getattr("_get_running_loop")?.call0()?;
    let places = places_that_change(&set_running_loop);
    set_running_loop.call1((running,))?;
    if let Some((place_of_loop, place_of_task)) = places? {
        PLACE_OF_TASK.store(place_of_task, Ordering::Relaxed);
        PLACE_OF_LOOP.store(place_of_loop, Ordering::Relaxed);
    }
    Ok(())
}

/// Makes marks the running loop and the current task, and sees where they are then. Puts the task back, not the loop.
fn places_that_change(set_running_loop: &Bound<'_, PyAny>) -> PyResult<Option<(usize, usize)>> {
    let py = set_running_loop.py();
    let (one, other) = (Marks::new(py)?, Marks::new(py)?);
    let before = one.enter(set_running_loop)?;
    let first = one.places();
    let entered = other.enter(set_running_loop);
    let second = other.places();
    set_running_loop.call1((&one.event_loop,))?;
    swap(&one.event_loop, &before)?;
    entered?;
    Ok(first.filter(|_| first == second))
}

/// What is taken for a loop and a task while the places are looked for.
struct Marks<'py> {
    event_loop: Bound<'py, PyAny>,
    task: Bound<'py, PyAny>,
}

impl<'py> Marks<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        let object = py.import("builtins")?.getattr("object")?;
        Ok(Self { event_loop: object.call0()?, task: object.call0()? })
    }

    /// Makes them the running loop and its task. Returns the task before.
    fn enter(&self, set_running_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        set_running_loop.call1((&self.event_loop,))?;
        swap(&self.event_loop, &self.task)
    }

    /// Where the thread's state names the two, if it owns a reference to the task, as [`put`] expects.
    fn places(&self) -> Option<(usize, usize)> {
        let places = (place_of(&self.event_loop)?, place_of(&self.task)?);
        ownership::is_held_by(&self.task, 2).then_some(places)
    }
}

/// The first word of the thread's state that names `object`.
fn place_of(object: &Bound<'_, PyAny>) -> Option<usize> {
    let thread_state = thread_state(object.py());
    (0..WORDS_OF_THREAD_STATE).find(|&place| {
        // SAFETY: a thread's state is as long as that.
        let word = unsafe { word(thread_state, place) };
        ptr::eq(word, object.as_ptr())
    })
}

//! The C table by which other extensions have guests on a loop of ours: `ioxide-abi` has the types, and what each function
//! promises.
//!
//! What comes in is trusted as far as those promises go: the thread is attached, and a pointer is what its type says. A
//! panic doesn't get out: it becomes an error.

use std::ffi::{c_int, c_void};
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};

use ioxide::clock;
use ioxide_abi::{CAPSULE, GuestApi, GuestHandle, LoopApi, NEVER, PyObject, VERSION};
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::errors;
use crate::event_loop::guest::Guest;
use crate::event_loop::{EventLoop, running_here};
use crate::future::Future;

static LOOP_API: LoopApi = LoopApi {
    version: VERSION,
    #[expect(clippy::cast_possible_truncation, reason = "a table of some pointers")]
    size: size_of::<LoopApi>() as u32,
    running_loop,
    attach,
    request_turn,
    set_waiting,
    time,
    create_waiter,
    finish_waiter,
    release,
};

/// Makes the capsule that has the table.
///
/// # Errors
/// Out of memory.
pub fn capsule(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let table = (&raw const LOOP_API).cast_mut().cast::<c_void>();
    // SAFETY: the thread is attached. Table and name live as long as the process, so that there is nothing to destroy.
    let capsule = unsafe { ffi::PyCapsule_New(table, CAPSULE.as_ptr(), None) };
    // SAFETY: the function returns a new reference, or null with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, capsule) }
}

/// What a guest has given: its functions, and what they are called with.
#[derive(Clone, Copy)]
pub struct GuestFunctions {
    api: &'static GuestApi,
    data: *mut c_void,
}

// SAFETY: the pointer is only handed to the guest's functions, by attached threads; those promise to cope with any thread.
unsafe impl Send for GuestFunctions {}

impl GuestFunctions {
    /// Gives the guest a turn.
    pub fn turn(self, _py: Python<'_>, is_readable: bool) {
        // SAFETY: the thread is attached, and `data` is what came with the function: `detach` hasn't been called, for that
        // consumes the only copy that is kept.
        unsafe { (self.api.turn)(self.data, is_readable) }
    }

    /// Tells the guest of its end.
    pub fn detach(self, _py: Python<'_>) {
        // SAFETY: as above. Whoever calls this has taken the functions out of their place.
        unsafe { (self.api.detach)(self.data) }
    }
}

unsafe extern "C" fn running_loop() -> u64 {
    running_here::number()
}

unsafe extern "C" fn attach(api: *const GuestApi, data: *mut c_void, descriptor: c_int) -> *const GuestHandle {
    // SAFETY: the caller passes a table, and one of any version begins with its version and its size.
    let [version, size] = unsafe { api.cast::<[u32; 2]>().read() };
    // SAFETY: the caller passes a descriptor that is open until this function returns.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    answer(null(), |py| {
        let event_loop = running(py)?;
        if version != VERSION || (size as usize) < size_of::<GuestApi>() {
            return Err(PyRuntimeError::new_err("the extension was built for another version of ioxide"));
        }
        // SAFETY: version and size say that it is this table. It lives as long as the process, and is never written to.
        let functions = GuestFunctions { api: unsafe { &*api }, data };
        let descriptor = descriptor.try_clone_to_owned().map_err(|error| errors::from_io_error(py, &error))?;
        let guest = Guest::attach(&event_loop, functions, descriptor)?;
        // Borrowed: the loop keeps it until it tells the guest of its end.
        Ok(guest.as_ptr().cast_const().cast())
    })
}

unsafe extern "C" fn request_turn(guest: *const GuestHandle, soon: bool, at: i64) {
    // SAFETY: the caller passes what `attach` has given, before `detach`.
    let guest = unsafe { guest_of(guest) };
    answer_or_print((), move |py| {
        Guest::request_turn(guest.bind(py), soon, Some(at).filter(|at| *at != NEVER));
        Ok(())
    });
}

unsafe extern "C" fn set_waiting(guest: *const GuestHandle, is_waiting: bool) {
    // SAFETY: the caller passes what `attach` has given, before `detach`.
    let guest = unsafe { guest_of(guest) };
    answer_or_print((), move |py| {
        guest.get().set_waiting(py, is_waiting);
        Ok(())
    });
}

unsafe extern "C" fn time(guest: *const GuestHandle) -> i64 {
    // SAFETY: the caller passes what `attach` has given, before `detach`.
    let guest = unsafe { guest_of(guest) };
    answer_or_print(clock::monotonic(), move |py| Guest::time(guest.bind(py)))
}

unsafe extern "C" fn create_waiter() -> *mut PyObject {
    answer(null_mut(), |py| Ok(Future::make_waiter(&running(py)?)?.into_ptr().cast()))
}

unsafe extern "C" fn finish_waiter(waiter: *mut PyObject) -> c_int {
    answer(-1, |py| {
        // SAFETY: the caller passes a live object, which it keeps alive until this function returns.
        let waiter = unsafe { Bound::from_borrowed_ptr(py, waiter.cast()) };
        Future::finish_waiter(&waiter).map(|()| 0)
    })
}

unsafe extern "C" fn release(guest: *const GuestHandle) {
    // SAFETY: the caller passes what `attach` has given, before `detach`.
    let guest = unsafe { guest_of(guest) };
    answer_or_print((), move |py| {
        Guest::release(guest.bind(py));
        Ok(())
    });
}

fn running(py: Python<'_>) -> PyResult<Bound<'_, EventLoop>> {
    running_here::get(py).ok_or_else(|| PyRuntimeError::new_err("no running ioxide event loop"))
}

/// The guest behind a handle: a reference of the caller's own, for whatever runs next may close the loop, which lets go of
/// its own. To let `PyO3` know that the thread is attached is enough: it drops then what was dropped on threads that
/// weren't.
///
/// # Safety
/// The thread is attached. `handle` is what [`attach`] has returned, and the guest hasn't been told of its end.
unsafe fn guest_of(handle: *const GuestHandle) -> Py<Guest> {
    // SAFETY: the caller's promise.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the loop has a reference to the object until then, and so it is alive.
    let guest = unsafe { Bound::from_borrowed_ptr(py, handle.cast_mut().cast()) };
    // SAFETY: `attach` has made the handle of an object of this class.
    unsafe { guest.cast_into_unchecked() }.unbind()
}

/// Runs `body` for a guest, which takes an error as Python's current exception.
fn answer<R: Copy>(failure: R, body: impl FnOnce(Python<'_>) -> PyResult<R>) -> R {
    answer_or(failure, body, PyErr::restore)
}

/// As [`answer`], for a function that doesn't fail, or whose guest has nobody to tell.
fn answer_or_print<R: Copy>(failure: R, body: impl FnOnce(Python<'_>) -> PyResult<R>) -> R {
    answer_or(failure, body, |error, py| error.write_unraisable(py, None))
}

/// Runs `body` on the thread, which is attached. A panic is an error, too.
fn answer_or<R: Copy>(
    failure: R,
    body: impl FnOnce(Python<'_>) -> PyResult<R>,
    dispose: impl FnOnce(PyErr, Python<'_>),
) -> R {
    let run = |py: Python<'_>| {
        let result = catch_unwind(AssertUnwindSafe(|| body(py)));
        match result.unwrap_or_else(|_| Err(PyRuntimeError::new_err("ioxide panicked"))) {
            Ok(answer) => answer,
            Err(error) => {
                dispose(error, py);
                failure
            }
        }
    };
    // This only lets PyO3 know that the thread is attached, so that references are dropped at once. `attach` would refuse
    // while the interpreter ends, which is when coroutines go that nobody has closed.
    // SAFETY: a guest calls on a thread that is attached, also then: to attach once more is no more than to count.
    let answer = catch_unwind(AssertUnwindSafe(|| unsafe { Python::attach_unchecked(run) }));
    answer.unwrap_or_else(|payload| {
        // Its drop might panic, as what brought it here did.
        std::mem::forget(payload);
        failure
    })
}

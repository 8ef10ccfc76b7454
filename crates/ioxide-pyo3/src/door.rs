//! The door to the loop: ioxide's C table, and the one that a guest gives in return.
//!
//! `ioxide-abi` says what each function promises and relies on. Here these become functions that are safe: a `Python<'_>`
//! shows that the thread is attached, and a [`Host`] uses its handle only until its [`Home`] knows of the end.

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ioxide::clock::{self, Nanoseconds};
use ioxide_abi::{CAPSULE, GuestApi, GuestHandle, LoopApi, NEVER, VERSION};
use pyo3::exceptions::{PyImportError, PyRuntimeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::guest;
use crate::panic;

/// ioxide's table.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    api: &'static LoopApi,
}

/// A guest, as its host has it: what any thread may touch.
#[derive(Default)]
pub(crate) struct Home {
    is_detached: AtomicBool,
}

/// The host, as a guest has it. It stays on the guest's thread.
pub(crate) struct Host {
    door: Door,
    home: Arc<Home>,
    /// `None` until it is attached. It holds until the guest is told of its end.
    handle: Cell<Option<NonNull<GuestHandle>>>,
}

/// The number of a loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoopNumber(u64);

static GUEST_API: GuestApi = GuestApi {
    version: VERSION,
    #[expect(clippy::cast_possible_truncation, reason = "a table of some pointers")]
    size: size_of::<GuestApi>() as u32,
    turn,
    detach,
};

impl Door {
    /// Finds the table of the ioxide that is installed.
    ///
    /// # Errors
    /// `ImportError` if there is none, or if it is of another version.
    pub(crate) fn find(py: Python<'_>) -> PyResult<Self> {
        static DOOR: PyOnceLock<Door> = PyOnceLock::new();
        DOOR.get_or_try_init(py, || Self::import(py)).copied()
    }

    fn import(py: Python<'_>) -> PyResult<Self> {
        // `PyCapsule_Import` would say only that it couldn't, and not why.
        let capsule = py.import("ioxide._ioxide")?.getattr("_loop_api").map_err(|error| {
            let raised = PyImportError::new_err("the ioxide that is installed has no loop API for extensions");
            raised.set_cause(py, Some(error));
            raised
        })?;
        // SAFETY: the thread is attached, the object is alive, and the name ends in a zero. The function checks that it is
        // a capsule of this name.
        let table = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), CAPSULE.as_ptr()) };
        let Some(table) = NonNull::new(table.cast::<[u32; 2]>()) else {
            return Err(PyErr::fetch(py));
        };
        // SAFETY: a table of any version begins with its version and its size.
        let [version, size] = unsafe { table.read() };
        if version != VERSION || (size as usize) < size_of::<LoopApi>() {
            let message = format!(
                "this extension was built for version {VERSION} of ioxide's loop API, and the ioxide that is installed has \
                 version {version}"
            );
            return Err(PyImportError::new_err(message));
        }
        // SAFETY: version and size say that it is this table. It lives as long as the process, and is never written to.
        let api = unsafe { table.cast::<LoopApi>().as_ref() };
        Ok(Self { api })
    }

    /// The ioxide loop that runs on this thread.
    pub(crate) fn running_loop(self, _py: Python<'_>) -> Option<LoopNumber> {
        // SAFETY: the thread is attached.
        let number = unsafe { (self.api.running_loop)() };
        (number != 0).then_some(LoopNumber(number))
    }

    /// Makes a future that a coroutine may yield to its task.
    ///
    /// # Errors
    /// `RuntimeError` if no loop runs, and what making it raises.
    pub(crate) fn create_waiter(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        // SAFETY: the thread is attached.
        let waiter = unsafe { (self.api.create_waiter)() };
        // SAFETY: the function returns a new reference, or null with an error set.
        unsafe { Bound::from_owned_ptr_or_err(py, waiter.cast()) }
    }

    /// Finishes such a future, unless it is done.
    ///
    /// # Errors
    /// What scheduling its callbacks raises.
    pub(crate) fn finish_waiter(self, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        // SAFETY: the thread is attached, and the object lives until the function returns.
        match unsafe { (self.api.finish_waiter)(waiter.as_ptr().cast()) } {
            0 => Ok(()),
            _ => Err(PyErr::fetch(waiter.py())),
        }
    }
}

impl Home {
    /// Whether the guest was told of its end.
    pub(crate) fn is_detached(&self) -> bool {
        self.is_detached.load(Ordering::Relaxed)
    }
}

impl Host {
    pub(crate) fn new(door: Door) -> Self {
        Self { door, home: Arc::default(), handle: Cell::new(None) }
    }

    pub(crate) fn door(&self) -> Door {
        self.door
    }

    /// What the host has of the guest.
    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// Makes a guest of the running loop, which watches `descriptor`.
    ///
    /// # Errors
    /// `RuntimeError` if none runs, and what the kernel says.
    pub(crate) fn attach(&self, py: Python<'_>, descriptor: BorrowedFd<'_>) -> PyResult<()> {
        let data = Arc::into_raw(Arc::clone(&self.home));
        let descriptor = descriptor.as_raw_fd();
        // SAFETY: the thread is attached, and the table lives as long as the process. The pointer is a count of the home,
        // which `detach` takes back.
        let handle = unsafe { (self.door.api.attach)(&raw const GUEST_API, data.cast_mut().cast(), descriptor) };
        let Some(handle) = NonNull::new(handle.cast_mut()) else {
            // SAFETY: where it fails, the host has kept nothing. This is the count from above.
            drop(unsafe { Arc::from_raw(data) });
            return Err(PyErr::fetch(py));
        };
        self.handle.set(Some(handle));
        Ok(())
    }

    /// Asks for a turn of the guest, if it is attached.
    pub(crate) fn request_turn(&self, py: Python<'_>, soon: bool, at: Option<Nanoseconds>) {
        if let Some(handle) = self.handle(py) {
            // SAFETY: the thread is attached, and the handle holds.
            unsafe { (self.door.api.request_turn)(handle.as_ptr(), soon, at.unwrap_or(NEVER)) }
        }
    }

    /// Has the host forget the guest, if it is attached: it was told of its end when this returns.
    pub(crate) fn release(&self, py: Python<'_>) {
        if let Some(handle) = self.handle(py) {
            // SAFETY: the thread is attached, and the handle holds.
            unsafe { (self.door.api.release)(handle.as_ptr()) }
        }
    }

    /// Says whether anything waits for the guest's descriptor.
    pub(crate) fn set_waiting(&self, py: Python<'_>, is_waiting: bool) {
        if let Some(handle) = self.handle(py) {
            // SAFETY: the thread is attached, and the handle holds.
            unsafe { (self.door.api.set_waiting)(handle.as_ptr(), is_waiting) }
        }
    }

    /// The loop's time, or the monotonic clock's for a guest that isn't attached.
    pub(crate) fn time(&self) -> Nanoseconds {
        let time = Python::try_attach(|py| {
            let handle = self.handle(py)?;
            // SAFETY: the thread is attached, and the handle holds.
            Some(unsafe { (self.door.api.time)(handle.as_ptr()) })
        });
        time.flatten().unwrap_or_else(clock::monotonic)
    }

    /// The handle, as long as it holds: the host tells of the end on a thread that is attached, as this one is.
    fn handle(&self, _py: Python<'_>) -> Option<NonNull<GuestHandle>> {
        self.handle.get().filter(|_| !self.home.is_detached())
    }
}

/// asyncio's running loop, of whatever kind, for a message.
pub(crate) fn no_loop_of_ioxide(py: Python<'_>) -> PyErr {
    let running = py.import("asyncio").and_then(|asyncio| asyncio.call_method0("_get_running_loop"));
    match running {
        Err(error) => error,
        Ok(running) if running.is_none() => PyRuntimeError::new_err("no running event loop"),
        Ok(running) => {
            let class = running.get_type();
            let class = class.fully_qualified_name().map_or_else(|_| "?".into(), |name| name.to_string());
            let message =
                format!("the running event loop isn't ioxide's: it is a {class}, and Rust futures need ioxide's");
            PyRuntimeError::new_err(message)
        }
    }
}

unsafe extern "C" fn turn(data: *mut c_void, is_readable: bool) {
    let data = data.cast::<Home>().cast_const();
    // SAFETY: `data` is a count that `attach` gave away and `detach` hasn't taken back. This adds one of our own.
    unsafe { Arc::increment_strong_count(data) };
    // SAFETY: the line above.
    let home = unsafe { Arc::from_raw(data) };
    answer(c"a turn of an extension's Rust futures", |py| guest::turn(py, &home, is_readable));
}

unsafe extern "C" fn detach(data: *mut c_void) {
    // SAFETY: the host calls this once, with what `attach` gave away.
    let home = unsafe { Arc::from_raw(data.cast::<Home>().cast_const()) };
    home.is_detached.store(true, Ordering::Relaxed);
    answer(c"the end of an extension's Rust futures", |_py| {
        guest::detach(&home);
        Ok(())
    });
}

/// Runs `body` for the host, on a thread that is attached. There is nobody who would take an error, or a panic: both are told
/// to `sys.unraisablehook`.
fn answer(what: &CStr, body: impl FnOnce(Python<'_>) -> PyResult<()>) {
    let run = |py: Python<'_>| {
        let result = catch_unwind(AssertUnwindSafe(|| body(py))).unwrap_or_else(|payload| Err(panic::raise(&*payload)));
        if let Err(error) = result {
            let what = what.to_str().map(|what| pyo3::types::PyString::new(py, what).into_any());
            error.write_unraisable(py, what.ok().as_ref());
        }
    };
    // This only lets PyO3 know that the thread is attached. `attach` would refuse while the interpreter ends, which is when
    // loops go that weren't closed.
    // SAFETY: the host calls on a thread that is attached, also then: to attach once more is no more than to count.
    let answered = catch_unwind(AssertUnwindSafe(|| unsafe { Python::attach_unchecked(run) }));
    // What comes as far as this came from telling, or from a panic's own payload, and could do so again.
    std::mem::forget(answered);
}

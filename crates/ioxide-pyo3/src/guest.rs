//! The extension's guests: for each loop of ioxide's that this thread has run, a loop of Rust futures.
//!
//! A guest belongs to its thread, and so do the futures of its coroutines, which are kept here: a coroutine is a Python
//! object, and any thread may have it, but it has only a key. What the host has of a guest is a [`Home`], which any thread may
//! touch; by it the thread finds the guest again.
//!
//! Nothing of the program's is called, dropped or woken while anything here is borrowed.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ioxide::guest::{PolledWaker, Wants};
use pyo3::exceptions::{PyModuleNotFoundError, PyRuntimeError};
use pyo3::prelude::*;
use slab::Slab;

use crate::door::{self, Door, Home, Host, LoopNumber};
use crate::panic;

/// The body of a coroutine.
pub(crate) type Body = Pin<Box<dyn Future<Output = PyResult<Py<PyAny>>>>>;

thread_local! {
    static GUESTS: RefCell<Guests> = const { RefCell::new(Guests(Vec::new())) };
}

/// A loop of Rust futures on one of ioxide's loops.
pub(crate) struct Guest {
    number: LoopNumber,
    host: Rc<Host>,
    /// What the host was last asked for.
    asked: Cell<Wants>,
    /// What the host was last told.
    is_waiting: Cell<bool>,
    polled: RefCell<Slab<Polled>>,
    rust: ioxide::guest::Guest,
}

/// The future of a coroutine that has neither ended nor been closed.
struct Polled {
    waker: Arc<PolledWaker>,
    /// Out while it is polled.
    body: Option<Body>,
    /// What the coroutine has yielded to its task.
    waiter: Option<Py<PyAny>>,
}

/// Where a coroutine's future has come to.
pub(crate) enum Step<'py> {
    /// It waits for this, or for a turn of the loop if it is `None`.
    Yielded(Bound<'py, PyAny>),
    /// It has ended with this.
    Returned(Py<PyAny>),
}

const NOTHING: Wants = Wants { soon: false, at: None };

impl Guest {
    /// The guest of the loop that runs on this thread.
    ///
    /// # Errors
    /// `RuntimeError` if none runs, or one that isn't ioxide's; `ImportError` if the ioxide that is installed is of another
    /// version.
    pub(crate) fn running(py: Python<'_>) -> PyResult<Rc<Self>> {
        let door = match Door::find(py) {
            Err(error) if error.is_instance_of::<PyModuleNotFoundError>(py) => return Err(door::no_loop_of_ioxide(py)),
            door => door?,
        };
        let number = door.running_loop(py).ok_or_else(|| door::no_loop_of_ioxide(py))?;
        let found = find(|guest| guest.number == number);
        if let Some(guest) = found {
            return Ok(guest);
        }
        // Of loops that were closed on another thread. What goes with them may come back for a guest of this loop.
        drop(take(|guest| guest.host.home().is_detached()));
        find(|guest| guest.number == number).map_or_else(|| Self::attach(py, door, number), Ok)
    }

    fn attach(py: Python<'_>, door: Door, number: LoopNumber) -> PyResult<Rc<Self>> {
        let host = Rc::new(Host::new(door));
        let clock = {
            let host = Rc::clone(&host);
            move || host.time()
        };
        let rust = ioxide::guest::Guest::new(clock)?;
        host.attach(py, rust.as_fd())?;
        // To attach may have run code of the program's, which may have wanted a future of this loop. The guest that this one
        // has got is the one.
        if let Some(guest) = find(|guest| guest.number == number) {
            host.release(py);
            return Ok(guest);
        }
        let (asked, is_waiting) = (Cell::new(NOTHING), Cell::new(false));
        let guest = Rc::new(Self { number, host, asked, is_waiting, polled: RefCell::default(), rust });
        GUESTS.with_borrow_mut(|guests| guests.0.push(Rc::clone(&guest)));
        Ok(guest)
    }

    /// Whether a waker is one of this guest's.
    pub(crate) fn has_made(&self, waker: &PolledWaker) -> bool {
        self.rust.has_made(waker)
    }

    /// Runs `body` with the guest as the thread's running loop, and tells the host what the guest wants after it. `body`
    /// doesn't panic.
    pub(crate) fn enter<R>(&self, py: Python<'_>, body: impl FnOnce() -> R) -> R {
        let entered = self.rust.enter();
        let result = body();
        drop(entered);
        let (wants, asked) = (self.rust.wants(), self.asked.get());
        let is_earlier = wants.at.is_some_and(|at| asked.at.is_none_or(|asked| at < asked));
        if (wants.soon && !asked.soon) || is_earlier {
            self.ask(py, wants);
        }
        if !self.rust.is_idle() {
            self.set_waiting(py, true);
        }
        result
    }

    /// Keeps the future of a coroutine, and returns its waker.
    pub(crate) fn keep(&self, body: Body) -> Arc<PolledWaker> {
        let mut polled = self.polled.borrow_mut();
        let entry = polled.vacant_entry();
        let waker = self.rust.waker(entry.key());
        entry.insert(Polled { waker: Arc::clone(&waker), body: Some(body), waiter: None });
        waker
    }

    /// Polls the future of a coroutine once.
    ///
    /// # Errors
    /// What the future gives, and `RustPanic` if it panics. The future is gone then.
    pub(crate) fn poll<'py>(&self, py: Python<'py>, waker: &Arc<PolledWaker>) -> PyResult<Step<'py>> {
        let polled =
            self.polled.borrow_mut().get_mut(waker.key()).and_then(|it| Some((it.body.take()?, it.waiter.take())));
        let Some((mut body, waiter)) = polled else {
            return Err(PyRuntimeError::new_err("the coroutine's Rust future is gone"));
        };
        drop(waiter);
        waker.begin_poll();
        let polled = self.enter_and_catch(py, || {
            match body.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(waker)))) {
                Poll::Pending => Err(body),
                Poll::Ready(result) => {
                    drop(body);
                    Ok(result)
                }
            }
        });
        let step = polled.and_then(|polled| match polled {
            Ok(result) => result.map(Step::Returned),
            Err(body) => self.suspend(py, waker, body).map(Step::Yielded),
        });
        if !matches!(step, Ok(Step::Yielded(_))) {
            let ended = self.polled.borrow_mut().try_remove(waker.key());
            drop(ended);
            self.look_who_waits(py);
        }
        step
    }

    /// Keeps a future that is pending, and returns what its coroutine yields.
    fn suspend<'py>(&self, py: Python<'py>, waker: &PolledWaker, body: Body) -> PyResult<Bound<'py, PyAny>> {
        let waiter = if waker.end_poll() { Ok(None) } else { self.host.door().create_waiter(py).map(Some) };
        let waiter = match waiter {
            Ok(waiter) => waiter,
            Err(error) => {
                self.enter_and_catch(py, || drop(body))?;
                return Err(error);
            }
        };
        // To make a waiter may have run code of the program's, and a turn of the guest in it, in which a wake-up found no
        // waiter to finish. From here on nothing runs before the waiter is in its place.
        let waits = waiter.as_ref().filter(|_| !waker.is_queued());
        if let Err(body) = self.put_back(waker.key(), body, waits) {
            // The loop was closed by what the future did.
            self.enter_and_catch(py, || drop(body))?;
            return Err(PyRuntimeError::new_err("the event loop of a Rust future was closed while it ran"));
        }
        self.set_waiting(py, true);
        Ok(waits.cloned().unwrap_or_else(|| py.None().into_bound(py)))
    }

    /// Puts a future that was polled back into its place, or returns it if that is gone.
    fn put_back(&self, key: usize, body: Body, waiter: Option<&Bound<'_, PyAny>>) -> Result<(), Body> {
        let mut polled = self.polled.borrow_mut();
        let Some(polled) = polled.get_mut(key) else { return Err(body) };
        polled.body = Some(body);
        polled.waiter = waiter.map(|waiter| waiter.clone().unbind());
        Ok(())
    }

    /// Drops the future of a coroutine.
    ///
    /// # Errors
    /// `RustPanic` if that panics.
    pub(crate) fn forget(&self, py: Python<'_>, waker: &PolledWaker) -> PyResult<()> {
        let polled = self.polled.borrow_mut().try_remove(waker.key());
        let forgotten = self.enter_and_catch(py, || drop(polled));
        self.look_who_waits(py);
        forgotten
    }

    /// As [`Guest::enter`], for a `body` that may panic.
    ///
    /// # Errors
    /// `RustPanic` if it does.
    pub(crate) fn enter_and_catch<R>(&self, py: Python<'_>, body: impl FnOnce() -> R) -> PyResult<R> {
        self.enter(py, || catch_unwind(AssertUnwindSafe(body))).map_err(|payload| panic::raise(&*payload))
    }

    /// Takes a turn.
    fn turn(&self, py: Python<'_>, is_readable: bool) -> PyResult<()> {
        // A turn that isn't for the descriptor may be the one that was asked for, also if nothing is due: the program's clock
        // may have gone back since the timer went off, or another thread have run the loop. The other kind leaves the host's
        // timer armed.
        let at = self.asked.get().at;
        self.asked.set(if is_readable { Wants { soon: false, at } } else { NOTHING });
        let turned = catch_unwind(AssertUnwindSafe(|| self.rust.turn(is_readable, |key| self.woken(py, key))));
        let wants = self.rust.wants();
        if wants != self.asked.get() || wants.at != at {
            self.ask(py, wants);
        }
        self.look_who_waits(py);
        turned.map_err(|payload| panic::raise(&*payload))?.map_err(PyErr::from)
    }

    /// A coroutine's future was woken: its task goes on. Or the coroutine was dropped on another thread: its future goes.
    fn woken(&self, py: Python<'_>, key: usize) {
        let mut polled = self.polled.borrow_mut();
        let Some(woken) = polled.get_mut(key) else { return };
        if woken.waker.is_abandoned() {
            let abandoned = polled.try_remove(key);
            drop(polled);
            return drop(abandoned);
        }
        // A key that another wait has left in the queue wakes nobody.
        let waiter = if woken.waker.is_queued() { woken.waiter.take() } else { None };
        drop(polled);
        let Some(waiter) = waiter else { return };
        if let Err(error) = self.host.door().finish_waiter(waiter.bind(py)) {
            error.write_unraisable(py, Some(waiter.bind(py)));
        }
        // Here the thread is known to be attached.
        drop(waiter);
    }

    /// Tells the host whether it has to poll for the guest's sake, also while it has enough to run.
    fn look_who_waits(&self, py: Python<'_>) {
        let has_polled = !self.polled.borrow().is_empty();
        self.set_waiting(py, has_polled || !self.rust.is_idle());
    }

    fn set_waiting(&self, py: Python<'_>, is_waiting: bool) {
        if self.is_waiting.replace(is_waiting) != is_waiting {
            self.host.set_waiting(py, is_waiting);
        }
    }

    fn ask(&self, py: Python<'_>, wants: Wants) {
        self.asked.set(wants);
        self.host.request_turn(py, wants.soon, wants.at);
    }
}

impl Drop for Guest {
    /// Drops what is left of coroutines' futures, and then, with `rust`, of tasks.
    fn drop(&mut self) {
        let left = self.polled.take();
        let _entered = self.rust.enter();
        for (_, polled) in left {
            // The panic's message was printed as it began, and there is nobody to tell.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(polled)));
        }
    }
}

/// The host gives a guest its turn.
///
/// # Errors
/// What the turn raises.
pub(crate) fn turn(py: Python<'_>, home: &Arc<Home>, is_readable: bool) -> PyResult<()> {
    find(|guest| Arc::ptr_eq(guest.host.home(), home)).map_or(Ok(()), |guest| guest.turn(py, is_readable))
}

/// The host tells a guest of its end. A guest of another thread's stays there until that one attaches another, or ends.
pub(crate) fn detach(home: &Arc<Home>) {
    drop(take(|guest| Arc::ptr_eq(guest.host.home(), home)));
}

/// The guest of this thread that has made a waker.
pub(crate) fn of_waker(waker: &PolledWaker) -> Option<Rc<Guest>> {
    find(|guest| guest.has_made(waker))
}

fn find(is_it: impl Fn(&Guest) -> bool) -> Option<Rc<Guest>> {
    let found = GUESTS.try_with(|guests| guests.borrow().0.iter().find(|guest| is_it(guest)).cloned());
    // A thread that ends has none any more.
    found.ok().flatten()
}

/// Takes guests out, for the caller to drop.
fn take(is_it: impl Fn(&Guest) -> bool) -> Vec<Rc<Guest>> {
    let taken = GUESTS.try_with(|guests| guests.borrow_mut().0.extract_if(.., |guest| is_it(guest)).collect());
    taken.unwrap_or_default()
}

/// The guests of a thread.
struct Guests(Vec<Rc<Guest>>);

impl Drop for Guests {
    /// The thread ends, and its loops weren't closed.
    fn drop(&mut self) {
        let mut guests = std::mem::take(&mut self.0);
        if guests.is_empty() {
            return;
        }
        let released = Python::try_attach(|py| {
            for guest in &guests {
                guest.host.release(py);
            }
            guests.clear();
        });
        if released.is_none() {
            // The interpreter is gone, or going: what the futures hold of it can't be released any more.
            std::mem::forget(guests);
        }
    }
}

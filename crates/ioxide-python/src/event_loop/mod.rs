//! The event loop, as Python sees it: the native base of `ioxide.Loop`.
//!
//! Its methods stand in files named after the sections of asyncio's event-loop page. What isn't here, `ioxide.Loop`
//! inherits from the standard library's loop: that is all of what happens once per process or per endpoint and calls
//! back into this class, such as `create_connection`.
//!
//! Every field can be reached from any attached thread; see `AttachedCell` for the rule that keeps this sound.

mod at_once;
mod clock;
mod creating_futures_and_tasks;
mod creating_servers;
mod debug_mode;
mod dns;
mod driver;
pub mod guest;
mod native_methods;
mod opening_connections;
mod running_and_stopping;
pub mod running_here;
mod scheduling_callbacks;
mod watched;
mod watching_file_descriptors;
mod working_with_sockets;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ioxide::{BlockingPool, Mailbox, Reactor, Schedule};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::cpython::asyncio;
use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::shared_context::SharedContext;
use crate::errors;
use crate::item::Item;
pub use at_once::install_shortcuts;
use dns::Lookup;
use guest::Guest;
use watched::Watched;
pub use watched::{Direction, TransportId, Watcher};

/// As much as one read of a stream takes at most; asyncio's number.
pub const READ_SIZE: usize = 256 * 1024;

const PAGE: usize = 4096;

static LOOPS_MADE: AtomicU64 = AtomicU64::new(0);

/// The native part of an event loop.
#[pyclass(frozen, subclass, module = "ioxide._ioxide")]
pub struct EventLoop {
    schedule: AttachedCell<Schedule<Item>>,
    watched: AttachedCell<Watched>,
    /// `None` once the loop is closed.
    reactor: AttachedCell<Option<Arc<Reactor>>>,
    mailbox: Mailbox<Lookup>,
    pool: AttachedCell<Option<BlockingPool>>,
    lookups: AttachedCell<dns::Pending>,
    /// Loops of Rust futures that other extensions have on this one.
    guests: AttachedCell<Vec<Py<Guest>>>,
    /// How many guests are watched for which nothing waits.
    idle_guests: AtomicUsize,
    shared_context: SharedContext,
    /// Not another loop's in this process.
    number: u64,
    /// Where reads put their bytes before it is known how many there are. Empty while somebody reads.
    read_buffer: AttachedCell<Vec<u8>>,
    transports_made: AtomicU64,
    futures_are_replaced: PyOnceLock<bool>,
    tasks_are_replaced: PyOnceLock<bool>,
    task_factory: AttachedCell<Option<Py<PyAny>>>,
    /// The thread that runs the loop, zero if none does.
    thread: AtomicU64,
    has_own_methods: AtomicBool,
    /// Which of the class's methods are ours: `native_methods::Seen`.
    seen_methods: AtomicU64,
    is_stopping: AtomicBool,
    is_closed: AtomicBool,
    is_debug: AtomicBool,
}

impl EventLoop {
    /// Whether the loop is in debug mode.
    pub fn is_debug(&self) -> bool {
        self.is_debug.load(Ordering::Relaxed)
    }

    /// Whether the loop is closed.
    pub fn is_loop_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// What callbacks run in copies of, unless they were scheduled in a context of their own.
    pub const fn shared_context(&self) -> &SharedContext {
        &self.shared_context
    }

    /// Raises if the loop is closed.
    ///
    /// # Errors
    /// `RuntimeError`.
    pub fn check_closed(&self) -> PyResult<()> {
        if self.is_loop_closed() { Err(errors::loop_is_closed()) } else { Ok(()) }
    }

    /// The reactor.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub fn reactor(&self, py: Python<'_>) -> PyResult<Arc<Reactor>> {
        self.reactor.with(py, |reactor| reactor.clone()).ok_or_else(errors::loop_is_closed)
    }

    /// An id for a new transport.
    pub fn next_transport_id(&self) -> TransportId {
        let before = self.transports_made.fetch_add(1, Ordering::Relaxed);
        TransportId::MIN.saturating_add(before)
    }

    /// Queues `item` behind everything that is ready.
    pub fn push(&self, py: Python<'_>, item: Item) {
        self.schedule.with(py, |schedule| schedule.ready.push(item));
    }

    /// How many items are ready to run.
    pub fn scheduled(&self, py: Python<'_>) -> usize {
        self.schedule.with(py, |schedule| schedule.ready.len())
    }

    /// Lends a buffer of [`READ_SIZE`] bytes to `read`, which may not call into Python.
    pub fn with_read_buffer<R>(&self, py: Python<'_>, read: impl FnOnce(&mut [u8]) -> R) -> R {
        self.read_buffer.with(py, |buffer| {
            if buffer.is_empty() {
                buffer.resize(READ_SIZE + PAGE, 0);
            }
            // The kernel copies to the start of a page nearly twice as fast as to the middle of a line of cache.
            let start = buffer.as_ptr().align_offset(PAGE).min(PAGE);
            read(&mut buffer[start..start + READ_SIZE])
        })
    }
}

#[pymethods]
impl EventLoop {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(py: Python<'_>, _args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        // What is needed when an object is forgotten at the interpreter's end has to be there by then.
        asyncio::look_up_what_the_end_needs(py)?;
        let reactor = Reactor::new().map_err(|error| errors::from_io_error(py, &error))?;
        Ok(Self {
            schedule: AttachedCell::new(Schedule::new()),
            watched: AttachedCell::new(Watched::new()),
            mailbox: Mailbox::new(&reactor),
            reactor: AttachedCell::new(Some(Arc::new(reactor))),
            pool: AttachedCell::new(None),
            lookups: AttachedCell::new(dns::Pending::new()),
            guests: AttachedCell::new(Vec::new()),
            idle_guests: AtomicUsize::new(0),
            shared_context: SharedContext::new(),
            number: LOOPS_MADE.fetch_add(1, Ordering::Relaxed) + 1,
            read_buffer: AttachedCell::new(Vec::new()),
            transports_made: AtomicU64::new(0),
            futures_are_replaced: PyOnceLock::new(),
            tasks_are_replaced: PyOnceLock::new(),
            task_factory: AttachedCell::new(None),
            thread: AtomicU64::new(0),
            has_own_methods: AtomicBool::new(false),
            seen_methods: AtomicU64::new(native_methods::Seen::NOTHING),
            is_stopping: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            is_debug: AtomicBool::new(false),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.schedule.traverse(|schedule| {
            schedule.ready.iter().try_for_each(|item| item.traverse(&visit))?;
            schedule.timers.iter().try_for_each(|item| item.traverse(&visit))
        })?;
        self.watched.traverse(|watched| watched.traverse(&visit))?;
        self.shared_context.traverse(&visit)?;
        self.task_factory.traverse(|factory| visit.call(factory))?;
        self.guests.traverse(|guests| guests.iter().try_for_each(|guest| visit.call(guest)))?;
        self.lookups.traverse(|lookups| lookups.iter().try_for_each(|(_, future)| visit.call(future)))
    }

    fn __clear__(&self, py: Python<'_>) {
        self.let_go(py);
    }
}

//! Watching file descriptors: the methods `add_reader` and its kin, and what the rest of the crate watches by. Every
//! change of the table is told to the reactor, which keeps none of its own.

use std::os::fd::RawFd;

use ioxide::Event;
use pyo3::exceptions::{PyAttributeError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};

use super::EventLoop;
use super::watched::{Change, Direction, Entry, TransportId, Watcher};
use crate::cpython::descriptor;
use crate::errors;
use crate::handle::{Arguments, Handle};

impl EventLoop {
    /// Begins to watch, and returns the watcher that this one replaces.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed, and what the kernel says of the descriptor.
    pub fn watch(
        &self,
        py: Python<'_>,
        fd: RawFd,
        direction: Direction,
        watcher: Watcher,
    ) -> PyResult<Option<Watcher>> {
        let reactor = self.reactor(py)?;
        let source = descriptor::borrow(fd)?;
        let token = u64::from(fd.unsigned_abs());
        // The kernel is asked first: it refuses what is no descriptor, and only then may the table grow to its number.
        // Where a watcher is replaced it is told again: the number may belong to another file than it did.
        match self.watched.with(py, |watched| watched.change_for(fd, direction)) {
            Change::Add(interest) => reactor.add(source, token, interest),
            Change::Modify(interest) => reactor.modify(source, token, interest),
            Change::Remove | Change::Nothing => Ok(()),
        }
        .map_err(|error| errors::from_io_error(py, &error))?;
        Ok(self.watched.with(py, |watched| watched.insert(fd, direction, watcher)))
    }

    /// Ceases to watch if it is `owner` that watches: the number may belong to somebody else by now.
    pub fn unwatch_if(&self, py: Python<'_>, fd: RawFd, direction: Direction, owner: &Bound<'_, PyAny>) {
        if self.is_watched_by(py, fd, direction, owner) {
            drop(self.unwatch(py, fd, direction));
        }
    }

    /// Ceases to watch, and returns the watcher.
    pub fn unwatch(&self, py: Python<'_>, fd: RawFd, direction: Direction) -> Option<Watcher> {
        let (watcher, object, change) = self.watched.with(py, |watched| watched.remove(fd, direction));
        if let (Ok(reactor), Ok(source)) = (self.reactor(py), descriptor::borrow(fd)) {
            match change {
                Change::Remove => reactor.remove(source),
                Change::Modify(interest) => {
                    // It fails if the descriptor was closed. Then there is nothing left to watch.
                    let _ = reactor.modify(source, u64::from(fd.unsigned_abs()), interest);
                }
                Change::Add(_) | Change::Nothing => {}
            }
        }
        drop(object);
        watcher
    }

    /// Whether somebody watches a descriptor in a direction.
    pub fn is_watched(&self, py: Python<'_>, fd: RawFd, direction: Direction) -> bool {
        self.watched.with(py, |watched| watched.get(fd).is_some_and(|entry| entry.side_ref(direction).is_some()))
    }

    /// Whether it is `owner` that watches a descriptor in a direction.
    pub fn is_watched_by(&self, py: Python<'_>, fd: RawFd, direction: Direction, owner: &Bound<'_, PyAny>) -> bool {
        self.watched.with(py, |watched| {
            let watcher = watched.get(fd).and_then(|entry| entry.side_ref(direction));
            watcher.is_some_and(|watcher| watcher.as_ptr() == owner.as_ptr())
        })
    }

    /// Queues who waits for what has happened, the reader first.
    pub(super) fn dispatch(&self, py: Python<'_>, event: Event) {
        let Ok(fd) = RawFd::try_from(event.token) else { return };
        let (reader, writer) = self.watched.with(py, |watched| {
            let Some(entry) = watched.get(fd) else { return (None, None) };
            let reader = entry.reader.as_ref().filter(|_| event.ready.readable);
            let writer = entry.writer.as_ref().filter(|_| event.ready.writable);
            (reader.map(|watcher| watcher.clone_ref(py)), writer.map(|watcher| watcher.clone_ref(py)))
        });
        for (watcher, direction) in [(reader, Direction::Read), (writer, Direction::Write)] {
            match watcher {
                // Cancelled by its owner instead of removed: nobody else would ever remove it.
                Some(watcher) if watcher.is_cancelled(py) => drop(self.unwatch(py, fd, direction)),
                Some(watcher) => self.push(py, watcher.into_item(direction)),
                None => {}
            }
        }
    }

    /// Notes that a descriptor belongs to a transport, so that nobody else watches it.
    pub fn claim(&self, py: Python<'_>, fd: RawFd, transport: TransportId) {
        self.watched.with(py, |watched| watched.claim(fd, transport));
    }

    /// Notes that a descriptor no longer belongs to a transport, unless it has a new owner already.
    pub fn disclaim(&self, py: Python<'_>, fd: RawFd, transport: TransportId) {
        self.watched.with(py, |watched| watched.disclaim(fd, transport));
    }

    /// The repr of the open transport that a descriptor belongs to, be it ours or one of the standard library's.
    fn transport_of(slf: &Bound<'_, Self>, fd: RawFd) -> PyResult<Option<String>> {
        let py = slf.py();
        let (is_ours, transport) = slf.get().watched.with(py, |watched| match watched.get(fd) {
            Some(Entry { transport: Some(_), reader, writer, .. }) => {
                let transport = reader.iter().chain(writer).find_map(|watcher| match watcher {
                    Watcher::Transport(transport) => Some(transport.clone_ref(py)),
                    _ => None,
                });
                (true, transport)
            }
            _ => (false, None),
        });
        if let Some(transport) = transport {
            return Ok(Some(transport.bind(py).repr()?.to_string()));
        }
        if is_ours {
            return Ok(Some(format!("<SocketTransport fd={fd} read=idle>")));
        }
        let others = slf.getattr(pyo3::intern!(py, "_transports"))?;
        if others.len()? == 0 {
            return Ok(None);
        }
        let transport = others.call_method1("get", (fd,))?;
        if transport.is_none() || transport.call_method0("is_closing")?.is_truthy()? {
            return Ok(None);
        }
        Ok(Some(transport.repr()?.to_string()))
    }

    fn watch_by_handle<'py>(
        slf: &Bound<'py, Self>,
        file: &Bound<'py, PyAny>,
        direction: Direction,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Handle>> {
        let py = slf.py();
        let event_loop = slf.get();
        event_loop.check_closed()?;
        let fd = file_number(file)?;
        let handle = Bound::new(py, Handle::new(slf, callback, Arguments::of_tuple(args), context)?)?;
        let replaced = event_loop.watch(py, fd, direction, Watcher::Handle(handle.clone().unbind()))?;
        if !file.is_instance_of::<PyInt>() {
            let object = Some(file.clone().unbind());
            let before =
                event_loop.watched.with(py, |watched| std::mem::replace(&mut watched.entry(fd).object, object));
            drop(before);
        }
        if let Some(replaced) = replaced {
            replaced.cancel(py)?;
        }
        Ok(handle)
    }

    fn unwatch_file(&self, file: &Bound<'_, PyAny>, direction: Direction) -> PyResult<bool> {
        let py = file.py();
        if self.is_loop_closed() {
            return Ok(false);
        }
        let fd = match file_number(file) {
            Ok(fd) if fd >= 0 => fd,
            result => match self.watched.with(py, |watched| watched.find(file)) {
                Some(fd) => fd,
                None => return result.and_then(descriptor::borrow).map(|_| false),
            },
        };
        let Some(watcher) = self.unwatch(py, fd, direction) else { return Ok(false) };
        watcher.cancel(py)?;
        Ok(true)
    }
}

#[pymethods]
impl EventLoop {
    /// Calls `callback(*args)` in each turn in which there is something to read from `fd`, a number or a file object.
    #[pyo3(signature = (fd, callback, *args))]
    fn add_reader(
        slf: &Bound<'_, Self>,
        fd: &Bound<'_, PyAny>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        slf.call_method1("_ensure_fd_no_transport", (fd,))?;
        Self::watch_by_handle(slf, fd, Direction::Read, callback, args, None).map(drop)
    }

    /// Ceases to watch `fd` for something to read. Returns whether it was watched.
    fn remove_reader(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        slf.call_method1("_ensure_fd_no_transport", (fd,))?;
        slf.get().unwatch_file(fd, Direction::Read)
    }

    /// Calls `callback(*args)` in each turn in which there is room to write to `fd`, a number or a file object.
    #[pyo3(signature = (fd, callback, *args))]
    fn add_writer(
        slf: &Bound<'_, Self>,
        fd: &Bound<'_, PyAny>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        slf.call_method1("_ensure_fd_no_transport", (fd,))?;
        Self::watch_by_handle(slf, fd, Direction::Write, callback, args, None).map(drop)
    }

    /// Ceases to watch `fd` for room to write. Returns whether it was watched.
    fn remove_writer(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        slf.call_method1("_ensure_fd_no_transport", (fd,))?;
        slf.get().unwatch_file(fd, Direction::Write)
    }

    #[pyo3(signature = (fd, callback, *args, context = None))]
    fn _add_reader<'py>(
        slf: &Bound<'py, Self>,
        fd: &Bound<'py, PyAny>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Handle>> {
        Self::watch_by_handle(slf, fd, Direction::Read, callback, args, context)
    }

    fn _remove_reader(&self, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.unwatch_file(fd, Direction::Read)
    }

    #[pyo3(signature = (fd, callback, *args, context = None))]
    fn _add_writer<'py>(
        slf: &Bound<'py, Self>,
        fd: &Bound<'py, PyAny>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Handle>> {
        Self::watch_by_handle(slf, fd, Direction::Write, callback, args, context)
    }

    fn _remove_writer(&self, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.unwatch_file(fd, Direction::Write)
    }

    /// Raises if `fd` belongs to a transport that isn't closing.
    fn _ensure_fd_no_transport(slf: &Bound<'_, Self>, fd: &Bound<'_, PyAny>) -> PyResult<()> {
        let number = file_number(fd)?;
        let Some(transport) = Self::transport_of(slf, number)? else { return Ok(()) };
        let fd = fd.repr()?;
        Err(PyRuntimeError::new_err(format!("File descriptor {fd} is used by transport {transport}")))
    }

    /// Whether somebody waits for something to read from a descriptor, and whether for room to write.
    fn _interest(&self, fd: &Bound<'_, PyAny>) -> PyResult<(bool, bool)> {
        let (py, fd) = (fd.py(), file_number(fd)?);
        Ok((self.is_watched(py, fd, Direction::Read), self.is_watched(py, fd, Direction::Write)))
    }
}

/// The descriptor of a file object or a number, as `selectors` has it.
fn file_number(file: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    let py = file.py();
    if file.is_instance_of::<PyInt>() {
        return file.extract();
    }
    let number = file
        .call_method0(pyo3::intern!(py, "fileno"))
        .and_then(|number| py.get_type::<PyInt>().call1((number,))?.extract());
    number.map_err(|error| {
        let is_no_file = error.is_instance_of::<PyAttributeError>(py)
            || error.is_instance_of::<PyTypeError>(py)
            || error.is_instance_of::<PyValueError>(py);
        match file.repr() {
            Ok(repr) if is_no_file => PyValueError::new_err(format!("Invalid file object: {repr}")),
            Ok(_) => error,
            Err(error) => error,
        }
    })
}

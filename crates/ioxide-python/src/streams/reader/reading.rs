//! Reading: the coroutines that take from the buffer, and wait for what isn't there yet.
//!
//! A coroutine looks at the reader when it is first resumed, as asyncio's do. What needn't wait returns then.

use pyo3::exceptions::{PyAssertionError, PyRuntimeError, PyStopAsyncIteration, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::StreamReader;
use super::separators::{Match, Separators, find};
use crate::combinators::any_future;
use crate::combinators::awaiting::Awaiting;
use crate::combinators::operation::{Resumption, Step};
use crate::cpython::{asyncio, exception};

/// The coroutine of one read.
pub struct Reading {
    reader: Py<StreamReader>,
    request: Request,
    awaiting: Option<Awaiting>,
}

/// What is wanted.
pub enum Request {
    /// `read(n)`: what there is, up to so many bytes.
    Some(usize),
    /// `read()`: all until the end. What has been taken so far.
    All(Vec<u8>),
    /// `readexactly(n)`: neither more nor less.
    Exactly(usize),
    /// `readexactly(n)` for a number that isn't allowed.
    Negative,
    /// `readuntil(separator)`, which hasn't been looked at.
    Until(Py<PyAny>),
    /// `readuntil`, with how much has been searched.
    Searching(Separators, usize),
    /// `readline`, with how much has been searched.
    Line(usize),
    /// `__anext__`, with how much has been searched.
    Next(usize),
    /// `_wait_for_data`, with the name of the method that it is called for.
    Wait(Py<PyAny>),
}

/// What came of an attempt to read.
enum Attempt<'py> {
    Done(Bound<'py, PyAny>),
    /// More has to come first: for this method.
    Wait(&'static str),
}

/// Why no chunk could be read.
enum Failure {
    /// The end came first.
    Incomplete,
    /// So much was looked at, and there is no separator in it.
    NotFound(usize),
    /// What is before the separator, which begins here, is too long.
    TooLong(Match),
}

/// What came of a search.
enum Search {
    Found(usize),
    Failed(Failure),
    Continue(usize),
}

impl Reading {
    /// A read that hasn't begun.
    pub fn new(reader: &Bound<'_, StreamReader>, request: Request) -> Self {
        Self { reader: reader.clone().unbind(), request, awaiting: None }
    }

    /// Runs to where it waits next, or to its end.
    ///
    /// # Errors
    /// What the coroutine raises.
    pub fn resume<'py>(&mut self, py: Python<'py>, mut resumption: Resumption) -> PyResult<Step<'py>> {
        let reader = self.reader.bind(py).clone();
        let mut has_waited = false;
        loop {
            if let Some(awaiting) = &self.awaiting {
                let step = awaiting.resume(py, std::mem::replace(&mut resumption, Resumption::Next));
                if matches!(step, Ok(Step::Yielded(_))) {
                    return step;
                }
                drop(self.awaiting.take());
                drop(reader.get().state.with(py, |state| state.waiter.take()));
                step?;
                has_waited = true;
            }
            match self.attempt(reader.get(), py, has_waited)? {
                Attempt::Done(result) => return Ok(Step::Returned(result)),
                Attempt::Wait(method) => self.awaiting = Some(self.begin_to_wait(reader.get(), py, method)?),
            }
        }
    }

    /// Makes the future that is finished when something comes.
    fn begin_to_wait(&self, reader: &StreamReader, py: Python<'_>, method: &str) -> PyResult<Awaiting> {
        let (is_taken, is_at_eof, is_paused) =
            reader.state.with(py, |state| (state.waiter.is_some(), state.is_at_eof, state.is_paused));
        if is_taken {
            let method = match &self.request {
                Request::Wait(method) => method.bind(py).str()?.to_string(),
                _ => method.to_owned(),
            };
            let message = format!("{method}() called while another coroutine is already waiting for incoming data");
            return Err(PyRuntimeError::new_err(message));
        }
        if is_at_eof {
            return Err(PyAssertionError::new_err("_wait_for_data after EOF"));
        }
        if is_paused {
            // Or else nothing would come: somebody may wait for more than fits the buffer.
            reader.resume(py)?;
        }
        let waiter = any_future::create(&reader.event_loop(py)?)?;
        let awaiting = Awaiting::of(&waiter)?;
        let before = reader.state.with(py, |state| state.waiter.replace(waiter.unbind()));
        drop(before);
        Ok(awaiting)
    }

    fn attempt<'py>(&mut self, reader: &StreamReader, py: Python<'py>, has_waited: bool) -> PyResult<Attempt<'py>> {
        if !has_waited && let Some(result) = self.begin(reader, py)? {
            return Ok(Attempt::Done(result));
        }
        match &mut self.request {
            Request::Some(count) => read_some(reader, py, *count, has_waited),
            Request::All(taken) => read_all(reader, py, taken, has_waited),
            Request::Exactly(count) => read_exactly(reader, py, *count),
            Request::Searching(separators, searched) => read_until(reader, py, separators, searched),
            Request::Line(searched) => read_line(reader, py, searched),
            Request::Next(searched) => read_next(reader, py, searched),
            Request::Wait(_) if has_waited => Ok(Attempt::Done(py.None().into_bound(py))),
            Request::Wait(_) => Ok(Attempt::Wait("")),
            Request::Until(_) | Request::Negative => unreachable!("begun as something else"),
        }
    }

    /// Looks at the arguments, then whether the stream has ended with an exception. Returns what needn't be waited for
    /// whatever was received.
    fn begin<'py>(&mut self, reader: &StreamReader, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.request {
            Request::Until(separator) => {
                let separators = Separators::of(separator.bind(py))?;
                let before = std::mem::replace(&mut self.request, Request::Searching(separators, 0));
                drop(before);
            }
            Request::Negative => {
                return Err(PyValueError::new_err("readexactly size can not be less than zero"));
            }
            Request::Wait(_) => return Ok(None),
            _ => {}
        }
        if let Some(exception) = reader.exception(py) {
            return Err(exception::raised(exception.bind(py)));
        }
        let is_nothing = matches!(self.request, Request::Some(0) | Request::Exactly(0));
        Ok(is_nothing.then(|| PyBytes::new(py, b"").into_any()))
    }

    /// What it waits for.
    pub fn awaits<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.awaiting.as_ref().map(|awaiting| awaiting.object(py))
    }

    /// Shows what it holds to the garbage collector.
    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reader)?;
        if let Request::Until(object) | Request::Wait(object) = &self.request {
            visit.call(object)?;
        }
        self.awaiting.as_ref().map_or(Ok(()), |awaiting| awaiting.traverse(visit))
    }
}

/// Takes `count` bytes, and has more come if there is room again.
fn take<'py>(reader: &StreamReader, py: Python<'py>, count: usize) -> PyResult<Attempt<'py>> {
    let taken = reader.buffer.take(py, count)?;
    reader.resume_if_due(py)?;
    Ok(Attempt::Done(taken.into_any()))
}

fn read_some<'py>(reader: &StreamReader, py: Python<'py>, count: usize, has_waited: bool) -> PyResult<Attempt<'py>> {
    // Whoever has waited takes what there is: somebody else may have been quicker.
    if !has_waited && reader.buffer.is_empty(py) && !reader.is_at_eof(py) {
        return Ok(Attempt::Wait("read"));
    }
    take(reader, py, count)
}

/// As `read(limit)` again and again, until there is nothing.
fn read_all<'py>(
    reader: &StreamReader,
    py: Python<'py>,
    taken: &mut Vec<u8>,
    mut has_waited: bool,
) -> PyResult<Attempt<'py>> {
    loop {
        if !has_waited {
            if let Some(exception) = reader.exception(py) {
                return Err(exception::raised(exception.bind(py)));
            }
            if reader.buffer.is_empty(py) && !reader.is_at_eof(py) {
                return Ok(Attempt::Wait("read"));
            }
        }
        has_waited = false;
        let count = reader.buffer.len(py);
        reader.buffer.look(py, |bytes| taken.extend_from_slice(bytes));
        reader.buffer.discard(py, count)?;
        reader.resume_if_due(py)?;
        if count == 0 {
            return Ok(Attempt::Done(PyBytes::new(py, taken).into_any()));
        }
    }
}

fn read_exactly<'py>(reader: &StreamReader, py: Python<'py>, count: usize) -> PyResult<Attempt<'py>> {
    if reader.buffer.len(py) >= count {
        return take(reader, py, count);
    }
    if !reader.is_at_eof(py) {
        return Ok(Attempt::Wait("readexactly"));
    }
    let partial = reader.buffer.take(py, usize::MAX)?;
    Err(exception::raised(&asyncio::INCOMPLETE_READ_ERROR.get(py)?.call1((partial, count))?))
}

/// One step of `readuntil`: looks at what is there. `searched` is where to go on.
fn search(
    reader: &StreamReader,
    py: Python<'_>,
    searched: usize,
    find: impl FnOnce(&[u8]) -> Option<Match>,
    next: impl FnOnce(usize) -> usize,
) -> Search {
    let limit = reader.state.with(py, |state| state.limit.bytes);
    let (found, length) = reader.buffer.look(py, |bytes| (find(bytes), bytes.len()));
    if let Some(found) = found {
        return if found.start > limit { Search::Failed(Failure::TooLong(found)) } else { Search::Found(found.end) };
    }
    let next = next(length);
    if next > limit && next != searched {
        return Search::Failed(Failure::NotFound(next));
    }
    if reader.is_at_eof(py) { Search::Failed(Failure::Incomplete) } else { Search::Continue(next) }
}

fn read_until<'py>(
    reader: &StreamReader,
    py: Python<'py>,
    separators: &Separators,
    searched: &mut usize,
) -> PyResult<Attempt<'py>> {
    let offset = *searched;
    let find = |bytes: &[u8]| separators.find(py, bytes, offset);
    match search(reader, py, offset, find, |length| separators.searched(py, length, offset)) {
        Search::Found(end) => take(reader, py, end),
        Search::Failed(failure) => Err(failure.into_error(reader, py)?),
        Search::Continue(next) => {
            *searched = next;
            Ok(Attempt::Wait("readuntil"))
        }
    }
}

fn read_line<'py>(reader: &StreamReader, py: Python<'py>, searched: &mut usize) -> PyResult<Attempt<'py>> {
    let offset = *searched;
    let failure = match search(reader, py, offset, |bytes| find(bytes, b"\n", offset), |length| length.max(offset)) {
        Search::Found(end) => return take(reader, py, end),
        Search::Continue(next) => {
            *searched = next;
            return Ok(Attempt::Wait("readuntil"));
        }
        Search::Failed(Failure::Incomplete) => {
            return Ok(Attempt::Done(reader.buffer.take(py, usize::MAX)?.into_any()));
        }
        Search::Failed(failure) => failure,
    };
    // A line that is too long goes, as far as it has come.
    let gone = if let Failure::TooLong(found) = &failure { found.end } else { usize::MAX };
    let overrun = failure.into_error(reader, py)?;
    reader.buffer.discard(py, gone)?;
    reader.resume_if_due(py)?;
    let error = PyValueError::new_err(overrun.value(py).getattr("args")?.get_item(0)?.unbind());
    error.value(py).setattr("__context__", overrun.value(py))?;
    Err(error)
}

fn read_next<'py>(reader: &StreamReader, py: Python<'py>, searched: &mut usize) -> PyResult<Attempt<'py>> {
    match read_line(reader, py, searched)? {
        Attempt::Done(line) if line.cast::<PyBytes>().is_ok_and(|line| line.as_bytes().is_empty()) => {
            Err(PyStopAsyncIteration::new_err(()))
        }
        attempt => Ok(attempt),
    }
}

impl Failure {
    /// What `readuntil` raises.
    fn into_error(self, reader: &StreamReader, py: Python<'_>) -> PyResult<PyErr> {
        let error = match self {
            Self::Incomplete => {
                let partial = reader.buffer.take(py, usize::MAX)?;
                asyncio::INCOMPLETE_READ_ERROR.get(py)?.call1((partial, py.None()))?
            }
            Self::NotFound(searched) => asyncio::LIMIT_OVERRUN_ERROR
                .get(py)?
                .call1(("Separator is not found, and chunk exceed the limit", searched))?,
            Self::TooLong(found) => asyncio::LIMIT_OVERRUN_ERROR
                .get(py)?
                .call1(("Separator is found, but chunk is longer than limit", found.start))?,
        };
        Ok(exception::raised(&error))
    }
}

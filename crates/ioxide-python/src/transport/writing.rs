//! Writing: from the protocol to the socket. The first write to an idle transport goes to the kernel at once; what it
//! doesn't take is buffered, and written when the socket is ready.

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

use super::write_buffer::Piece;
use super::{SocketTransport, State, reject, resolve};
use crate::cpython::buffer::{Contiguous, is_bytes_like};
use crate::cpython::{asyncio, context};
use crate::errors;
use crate::event_loop::Direction;

const WRITE_FAILED: &str = "Fatal write error on socket transport";

/// What can be written, in asyncio's words.
const BYTES_LIKE: &str = if cfg!(Py_3_14) { "bytes, bytearray, or memoryview object" } else { "bytes-like object" };

/// After so many writes to a lost connection each further one is logged, as in asyncio.
const LOG_THRESHOLD: u32 = 5;

impl SocketTransport {
    /// There is room to write: writes once.
    ///
    /// # Errors
    /// Only what is to end the run of the loop.
    pub fn write_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let can_write = transport.state.with(py, |state| !state.is_lost() && !state.buffer.is_empty());
        let context =
            transport.state.with(py, |state| state.write_context.as_ref().map(|context| context.clone_ref(py)));
        match context {
            Some(context) if can_write => context::run_in(context.bind(py), || Self::flush(slf)),
            _ => Ok(()),
        }
    }

    /// Waits for room, in a copy of the current context: the protocol is told in it that it may write again.
    fn begin_writing(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let context = slf.get().context_for_callbacks(py)?;
        drop(slf.get().state.with(py, |state| state.write_context.replace(context)));
        Self::watch(slf, Direction::Write)
    }

    /// Sends from the buffer as much as the kernel takes, and does what waited for that.
    fn flush(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let sent = transport
            .check_descriptor(py)
            .and_then(|()| transport.state.with(py, |state| transport.send_buffer(py, state)));
        match sent {
            Ok(gone) => drop(gone),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(errno) => return Self::write_failed(slf, errno),
        }
        Self::maybe_resume_protocol(slf)?; // it may write again
        let (is_empty, is_closing, has_written_eof, empty_waiter) = transport.state.with(py, |state| {
            let waiter = state.empty_waiter.as_ref().map(|waiter| waiter.clone_ref(py));
            // What was closed while it resumed writing, with nothing left to write, has its end scheduled already.
            let is_closing = state.is_closing && !state.is_lost();
            (state.buffer.is_empty(), is_closing, state.has_written_eof, waiter)
        });
        if !is_empty {
            return Ok(());
        }
        Self::unwatch(slf, Direction::Write);
        if let Some(waiter) = empty_waiter {
            resolve(waiter.bind(py))?;
        }
        if is_closing {
            return Self::finish_closing(slf);
        }
        if has_written_eof {
            return transport.shut_down_writing(py);
        }
        Ok(())
    }

    fn send_buffer(&self, py: Python<'_>, state: &mut State) -> Result<Vec<Piece>, Errno> {
        let State { socket, buffer, .. } = state;
        let socket = socket.as_ref().ok_or(Errno::BADF)?;
        buffer.send(py, socket.descriptor(self.fd).map_err(|_| Errno::BADF)?)
    }

    fn write_failed(slf: &Bound<'_, Self>, errno: Errno) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let error = errors::os_error(py, errno);
        let empty_waiter = transport.state.with(py, |state| state.empty_waiter.take());
        if let Some(waiter) = empty_waiter {
            reject(waiter.bind(py), &error)?;
        }
        Self::fail(slf, &error, WRITE_FAILED)
    }

    /// Sends what it can of `data` at once; `None` if the connection broke.
    fn send_now(slf: &Bound<'_, Self>, data: &Contiguous) -> PyResult<Option<usize>> {
        let py = slf.py();
        let transport = slf.get();
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = transport.check_descriptor(py).and_then(|()| {
            transport.state.with(py, |state| {
                let socket = state.socket.as_ref().ok_or(Errno::BADF)?;
                let socket = socket.descriptor(transport.fd).map_err(|_| Errno::BADF)?;
                rustix::net::send(socket, data.as_slice(py), flags)
            })
        });
        match sent {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Some(0)),
            Err(errno) => Self::fail(slf, &errors::os_error(py, errno), WRITE_FAILED).map(|()| None),
        }
    }

    /// Buffers what is left of `data`, and waits for room if nobody does yet.
    fn buffer_rest(slf: &Bound<'_, Self>, data: Contiguous, sent: usize) -> PyResult<()> {
        let py = slf.py();
        let piece = Piece::rest_of(py, data, sent);
        let was_empty = slf.get().state.with(py, |state| {
            let was_empty = state.buffer.is_empty();
            state.buffer.push(py, piece);
            was_empty
        });
        if was_empty { Self::begin_writing(slf) } else { Ok(()) }
    }

    /// Raises if nothing may be written any more.
    fn check_writable(&self, py: Python<'_>, method: &str) -> PyResult<()> {
        let (has_written_eof, is_sending_file) =
            self.state.with(py, |state| (state.has_written_eof, state.empty_waiter.is_some()));
        if has_written_eof {
            return Err(PyRuntimeError::new_err(format!("Cannot call {method}() after write_eof()")));
        }
        if is_sending_file {
            return Err(PyRuntimeError::new_err(format!("unable to {method}; sendfile is in progress")));
        }
        Ok(())
    }

    /// Whether the connection is lost, so that writing is in vain. Says so in the log when that goes on.
    fn write_in_vain(&self, py: Python<'_>) -> PyResult<bool> {
        let count = self.state.with(py, |state| {
            let count = state.lost_writes;
            state.lost_writes = count.saturating_add(u32::from(count > 0));
            count
        });
        if count >= LOG_THRESHOLD {
            asyncio::LOGGER.get(py)?.call_method1("warning", ("socket.send() raised exception.",))?;
        }
        Ok(count > 0)
    }

    fn shut_down_writing(&self, py: Python<'_>) -> PyResult<()> {
        let result = self.check_descriptor(py).and_then(|()| {
            self.state.with(py, |state| {
                let socket = state.socket.as_ref().ok_or(Errno::BADF)?;
                let socket = socket.descriptor(self.fd).map_err(|_| Errno::BADF)?;
                rustix::net::shutdown(socket, Shutdown::Write)
            })
        });
        result.map_err(|errno| errors::os_error(py, errno))
    }
}

#[pymethods]
impl SocketTransport {
    /// Writes `data`, without waiting. What can't be sent now is buffered: see `set_write_buffer_limits`.
    pub fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        if !is_bytes_like(data) {
            let kind = data.get_type().name()?.repr()?;
            return Err(PyTypeError::new_err(format!("data argument must be a {BYTES_LIKE}, not {kind}")));
        }
        transport.check_writable(py, "write")?;
        if !data.is_truthy()? || transport.write_in_vain(py)? {
            return Ok(());
        }
        let data = match Contiguous::of(data) {
            Ok(data) => data,
            // asyncio finds out when it sends, and so it breaks the connection.
            Err(error) => return Self::fail(slf, &error, WRITE_FAILED),
        };
        let mut sent = 0;
        if transport.state.with(py, |state| state.buffer.is_empty()) {
            let Some(count) = Self::send_now(slf, &data)? else { return Ok(()) };
            if count >= data.len(py) {
                return Ok(());
            }
            sent = count;
        }
        Self::buffer_rest(slf, data, sent)?;
        Self::maybe_pause_protocol(slf)
    }

    /// Writes each of `list_of_data`, as one `write` of all of them would.
    pub fn writelines(slf: &Bound<'_, Self>, list_of_data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        transport.check_writable(py, "writelines")?;
        let list = list_of_data.try_iter()?.map(|data| Contiguous::of(&data?)).collect::<PyResult<Vec<_>>>()?;
        let list: Vec<_> = list.into_iter().filter(|data| data.len(py) > 0).collect();
        if list.is_empty() || transport.write_in_vain(py)? {
            return Ok(());
        }
        let was_empty = transport.state.with(py, |state| state.buffer.is_empty());
        for data in list {
            let piece = Piece::rest_of(py, data, 0);
            transport.state.with(py, |state| state.buffer.push(py, piece));
        }
        if was_empty {
            Self::flush(slf)?;
            if transport.state.with(py, |state| state.buffer.is_empty()) {
                return Ok(());
            }
            Self::begin_writing(slf)?;
        }
        Self::maybe_pause_protocol(slf)
    }

    /// Closes the writing end once everything is written. The other side sees the end of the stream.
    fn write_eof(&self, py: Python<'_>) -> PyResult<()> {
        let is_due = self.state.with(py, |state| {
            if state.is_closing || state.has_written_eof {
                return false;
            }
            state.has_written_eof = true;
            state.buffer.is_empty()
        });
        if is_due { self.shut_down_writing(py) } else { Ok(()) }
    }

    /// Stream sockets have a writing end that can be closed alone.
    #[expect(clippy::unused_self, reason = "a method of every transport")]
    fn can_write_eof(&self) -> bool {
        true
    }
}

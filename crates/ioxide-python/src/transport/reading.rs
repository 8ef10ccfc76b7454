//! Reading: from the socket to the protocol.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::{SocketTransport, Style};
use crate::cpython::buffer::Writable;
use crate::cpython::context;
use crate::errors;
use crate::event_loop::Direction;
use crate::streams::protocol::StreamReaderProtocol;

const READ_FAILED: &str = "Fatal read error on socket transport";

impl SocketTransport {
    /// There is something to read: reads once, in the transport's context.
    ///
    /// # Errors
    /// Only what is to end the run of the loop.
    pub fn read_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        // Queued before it was paused or closed.
        if !transport.is_reading(py) {
            return Ok(());
        }
        let (style, context) = transport.state.with(py, |state| (state.style, state.read_context.clone_ref(py)));
        context::run_in(context.bind(py), || match style {
            Style::Streaming | Style::Reader => Self::read_to_protocol(slf, style),
            Style::Buffered => Self::read_to_buffer(slf),
        })
    }

    fn read_to_protocol(slf: &Bound<'_, Self>, style: Style) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let received = transport.check_descriptor(py).and_then(|()| {
            transport.event_loop.get().with_read_buffer(py, |buffer| {
                // `bytes` isn't tracked by the garbage collector, so making one within the borrow runs no other code.
                transport.receive(py, buffer).map(|count| PyBytes::new(py, &buffer[..count]))
            })
        });
        let data = match received {
            Ok(data) => data,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(errno) => return Self::fail(slf, &errors::os_error(py, errno), READ_FAILED),
        };
        if data.as_bytes().is_empty() {
            return Self::received_eof(slf);
        }
        let Some(protocol) = transport.protocol(py) else { return Ok(()) };
        let protocol = protocol.bind(py);
        let called = match protocol.cast::<StreamReaderProtocol>() {
            Ok(streams) if style == Style::Reader => streams.get().receive(data.as_any()),
            _ => protocol.call_method1(pyo3::intern!(py, "data_received"), (data,)).map(drop),
        };
        Self::fail_if_raised(slf, called, "Fatal error: protocol.data_received() call failed.")
    }

    fn read_to_buffer(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let Some(protocol) = transport.protocol(py) else { return Ok(()) };
        let protocol = protocol.bind(py);
        let lent = get_buffer(protocol);
        let Ok(lent) = lent else {
            return Self::fail_if_raised(slf, lent, "Fatal error: protocol.get_buffer() call failed.");
        };
        let buffer = match Writable::of(&lent) {
            Ok(buffer) => buffer,
            Err(error) => return Self::fail(slf, &error, READ_FAILED),
        };
        let received =
            transport.check_descriptor(py).and_then(|()| buffer.write(|buffer| transport.receive(py, buffer)));
        // Released before the protocol is told: it may want to resize what it gave.
        drop(buffer);
        match received {
            Ok(0) => Self::received_eof(slf),
            Ok(count) => {
                // `get_buffer` may have put another in its place.
                let Some(protocol) = transport.protocol(py) else { return Ok(()) };
                let called = protocol.bind(py).call_method1(pyo3::intern!(py, "buffer_updated"), (count,));
                Self::fail_if_raised(slf, called, "Fatal error: protocol.buffer_updated() call failed.")
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(errno) => Self::fail(slf, &errors::os_error(py, errno), READ_FAILED),
        }
    }

    /// Reads into `buffer`. Calls nothing of Python's.
    fn receive(&self, py: Python<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.state.with(py, |state| {
            let socket = state.socket.as_ref().ok_or(Errno::BADF)?;
            let socket = socket.descriptor(self.fd).map_err(|_| Errno::BADF)?;
            rustix::net::recv(socket, buffer, RecvFlags::DONTWAIT).map(|(count, _)| count)
        })
    }

    fn received_eof(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        Self::log(slf, "%r received EOF")?;
        let Some(protocol) = transport.protocol(py) else { return Ok(()) };
        let keep_open = protocol.bind(py).call_method0("eof_received").and_then(|answer| answer.is_truthy());
        match keep_open {
            // The protocol may go on writing. There is nothing more to read.
            Ok(true) => {
                Self::unwatch(slf, Direction::Read);
                Ok(())
            }
            Ok(false) => Self::close(slf),
            Err(error) => {
                let failed = Err::<(), _>(error);
                Self::fail_if_raised(slf, failed, "Fatal error: protocol.eof_received() call failed.")
            }
        }
    }

    /// Lets through what ends the loop; anything else that the protocol raised breaks the connection.
    fn fail_if_raised<T>(slf: &Bound<'_, Self>, called: PyResult<T>, message: &str) -> PyResult<()> {
        match called {
            Ok(_) => Ok(()),
            Err(error) if errors::ends_the_loop(slf.py(), &error) => Err(error),
            Err(error) => Self::fail(slf, &error, message),
        }
    }
}

fn get_buffer<'py>(protocol: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let buffer = protocol.call_method1(pyo3::intern!(protocol.py(), "get_buffer"), (-1,))?;
    if buffer.len()? == 0 {
        return Err(PyRuntimeError::new_err("get_buffer() returned an empty buffer"));
    }
    Ok(buffer)
}

#[pymethods]
impl SocketTransport {
    /// Whether the transport reads: it isn't closing, and it isn't paused.
    #[pyo3(name = "is_reading")]
    pub(super) fn is_reading(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| !state.is_closing && !state.is_paused)
    }

    /// Stops reading until `resume_reading`.
    pub fn pause_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        if !transport.is_reading(py) {
            return Ok(());
        }
        transport.state.with(py, |state| state.is_paused = true);
        Self::unwatch(slf, Direction::Read);
        Self::log(slf, "%r pauses reading")
    }

    /// Reads again after `pause_reading`.
    pub fn resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let resumes = transport.state.with(py, |state| {
            let resumes = !state.is_closing && state.is_paused;
            state.is_paused &= !resumes;
            resumes
        });
        if !resumes {
            return Ok(());
        }
        let context = transport.context_for_callbacks(py)?;
        drop(transport.state.with(py, |state| std::mem::replace(&mut state.read_context, context)));
        Self::watch(slf, Direction::Read)?;
        Self::log(slf, "%r resumes reading")
    }
}

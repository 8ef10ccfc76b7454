//! Closing: by the program, by the other side, by an error, and by being forgotten.

use pyo3::exceptions::{PyConnectionError, PyOSError, PyResourceWarning};
use pyo3::prelude::*;

use super::{Socket, SocketTransport, reject};
use crate::cpython::asyncio;
use crate::cpython::pending_exception::PendingException;
use crate::errors;
use crate::event_loop::Direction;

impl SocketTransport {
    /// An error broke the connection. Those of the operating system are the network's everyday; others are reported.
    pub(super) fn fail(slf: &Bound<'_, Self>, error: &PyErr, message: &str) -> PyResult<()> {
        let py = slf.py();
        if !error.is_instance_of::<PyOSError>(py) {
            Self::report(slf, message, error)?;
        } else if slf.get().is_debug() {
            asyncio::LOGGER
                .get(py)?
                .call_method1("debug", ("%r: %s: %s", slf, message, errors::exception(py, error)))?;
        }
        Self::_force_close(slf, Some(errors::exception(py, error)))
    }

    /// Everything is written and the transport is closing.
    pub(super) fn finish_closing(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::_call_connection_lost(slf, None)
    }

    fn schedule_connection_lost(slf: &Bound<'_, Self>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let connection_lost = slf.getattr(pyo3::intern!(py, "_call_connection_lost"))?;
        slf.get().call_soon(py, &connection_lost, error)
    }

    /// From now on the descriptor may be used by others, and nothing more is read.
    fn begin_closing(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let transport = slf.get();
        transport.state.with(py, |state| state.is_closing = true);
        transport.event_loop.get().disclaim(py, transport.fd, transport.id);
        Self::unwatch(slf, Direction::Read);
    }

    /// Closes the socket and lets go of everything that belongs to the connection.
    fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        if transport.check_descriptor(py).is_ok() {
            // Whoever else watches it (`sendfile` does) would go on watching the number's next owner.
            let event_loop = transport.event_loop.get();
            for direction in [Direction::Read, Direction::Write] {
                if let Some(watcher) = event_loop.unwatch(py, transport.fd, direction) {
                    watcher.cancel(py)?;
                }
            }
        }
        if transport.kind.is_none() {
            // Who asks for the socket later gets Python's object, closed; it has to be kept for that.
            transport.transport_socket(py)?;
        }
        let (socket, protocol, server) =
            transport.state.with(py, |state| (state.socket.take(), state.protocol.take(), state.server.take()));
        if let Some(Socket::Python(socket)) = &socket {
            socket.call_method0(py, "close")?;
        }
        drop((socket, protocol));
        if let Some(server) = server {
            asyncio::DETACH.get(py)?.call1((server, slf))?;
        }
        Ok(())
    }
}

#[pymethods]
impl SocketTransport {
    /// Closes the transport once everything is written. `connection_lost(None)` follows.
    pub(super) fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        if transport.state.with(py, |state| state.is_closing) {
            return Ok(());
        }
        Self::begin_closing(slf);
        let is_empty = transport.state.with(py, |state| {
            state.lost_writes += u32::from(state.buffer.is_empty());
            state.buffer.is_empty()
        });
        if !is_empty {
            return Ok(());
        }
        Self::unwatch(slf, Direction::Write);
        Self::schedule_connection_lost(slf, None)
    }

    /// Closes the transport at once. What is buffered is lost; `connection_lost(None)` follows.
    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::_force_close(slf, None)
    }

    /// Closes the transport at once, because of `error`, if there is one.
    #[pyo3(signature = (error))]
    pub(super) fn _force_close(slf: &Bound<'_, Self>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let (is_lost, is_closing, unwritten) = transport.state.with(py, |state| {
            if state.is_lost() {
                return (true, state.is_closing, None);
            }
            (false, state.is_closing, Some(state.buffer.take()))
        });
        if is_lost {
            return Ok(());
        }
        drop(unwritten);
        Self::unwatch(slf, Direction::Write);
        if !is_closing {
            Self::begin_closing(slf);
        }
        transport.state.with(py, |state| state.lost_writes += 1);
        Self::schedule_connection_lost(slf, error)
    }

    /// Tells the protocol that the connection is lost, and closes the socket whatever it does.
    #[pyo3(signature = (error))]
    pub(super) fn _call_connection_lost(slf: &Bound<'_, Self>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let transport = slf.get();
        let called = match transport.protocol(py) {
            Some(protocol) => protocol.bind(py).call_method1(pyo3::intern!(py, "connection_lost"), (error,)).map(drop),
            None => Ok(()),
        };
        let released = Self::release(slf);
        let empty_waiter = transport.state.with(py, |state| state.empty_waiter.take());
        if let Some(waiter) = empty_waiter {
            reject(waiter.bind(py), &PyConnectionError::new_err("Connection is closed by peer"))?;
        }
        called.and(released)
    }
}

/// A transport that was forgotten open warns, closes its socket, and leaves its server.
impl Drop for SocketTransport {
    fn drop(&mut self) {
        Python::attach(|py| {
            let (socket, server, is_cleared) =
                self.state.with(py, |state| (state.socket.take(), state.server.take(), state.is_cleared));
            let Some(socket) = socket else { return };
            self.event_loop.get().disclaim(py, self.fd, self.id);
            // The object may go while an exception is on its way, which is none of the warning's.
            let _pending = PendingException::set_aside(py);
            let warned = self.warn(py);
            let released = self.release_forgotten(py, &socket, server);
            // What went together with the transport may have been emptied before it: it can't be told any more, and
            // closes by itself what it had.
            for result in [warned, if is_cleared { Ok(()) } else { released }] {
                if let Err(error) = result {
                    error.write_unraisable(py, None);
                }
            }
        });
    }
}

impl SocketTransport {
    fn warn(&self, py: Python<'_>) -> PyResult<()> {
        if asyncio::IS_FINALIZING.get(py)?.call0()?.is_truthy()? {
            return Ok(()); // what it takes to warn may be gone
        }
        let message = format!("unclosed transport <SocketTransport fd={}>", self.fd);
        asyncio::WARN.get(py)?.call1((message, py.get_type::<PyResourceWarning>())).map(drop)
    }

    fn release_forgotten(&self, py: Python<'_>, socket: &Socket, server: Option<Py<PyAny>>) -> PyResult<()> {
        if let Socket::Python(socket) = socket {
            // By the C method: the garbage collector may have taken the attributes that Python's looks at.
            asyncio::NATIVE_SOCKET.get(py)?.call_method1("close", (socket,))?;
        }
        let event_loop = self.event_loop.bind(py);
        if let Some(server) = server
            && !self.event_loop.get().is_loop_closed()
        {
            // The server looks by weak reference whether it has clients left. This one's is cleared a little later, so
            // that the server is told in the next turn; and of the loop instead of the transport, which can't be handed
            // out any more.
            let detach = asyncio::DETACH.get(py)?;
            event_loop.call_method1("call_soon_threadsafe", (detach, server, event_loop))?;
        }
        Ok(())
    }
}

//! Creating network servers: the native part of it, which accepts connections.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::EventLoop;
use crate::listener::Listener;

#[pymethods]
impl EventLoop {
    /// Begins to accept connections on a listening socket. What follows `server` is passed on for TLS connections.
    #[pyo3(signature = (protocol_factory, sock, sslcontext = None, server = None, backlog = 100, *tls, context = None, **keywords))]
    #[expect(clippy::too_many_arguments, reason = "the standard library's server calls it like this")]
    fn _start_serving(
        slf: &Bound<'_, Self>,
        protocol_factory: &Bound<'_, PyAny>,
        sock: &Bound<'_, PyAny>,
        sslcontext: Option<Bound<'_, PyAny>>,
        server: Option<Bound<'_, PyAny>>,
        backlog: i64,
        tls: &Bound<'_, PyTuple>,
        context: Option<Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let listener = Listener::new(slf, protocol_factory, sock, sslcontext, server, backlog, tls, keywords, context)?;
        Listener::listen(&Bound::new(slf.py(), listener)?)
    }
}

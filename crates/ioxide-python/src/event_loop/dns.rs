//! Name resolution on threads of the loop's own.
//!
//! The threads never touch Python: they call the C library and mail the answer to the loop, which makes Python objects
//! of it. So a look-up that hangs holds no lock of the interpreter and doesn't keep the program from ending.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ioxide::BlockingPool;
use ioxide::net::lookup::{self, AddressInfo, Failure, Hints};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::EventLoop;
use crate::address;
use crate::cpython::asyncio;
use crate::errors;

/// A look-up that has ended.
pub struct Lookup {
    ticket: usize,
    answer: Result<Answer, Failure>,
}

enum Answer {
    Addresses(Vec<AddressInfo>),
    Names((String, String)),
}

/// The futures of the look-ups that are under way, by ticket.
#[derive(Default)]
pub(super) struct Pending {
    futures: std::collections::HashMap<usize, Py<PyAny>>,
    next_ticket: usize,
}

impl Pending {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&usize, &Py<PyAny>)> {
        self.futures.iter()
    }

    fn insert(&mut self, future: Py<PyAny>) -> usize {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.futures.insert(ticket, future);
        ticket
    }
}

impl EventLoop {
    /// Gives the answers that have come to those who wait for them.
    ///
    /// # Errors
    /// Only what is to end the run of the loop.
    pub(super) fn receive_lookups(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if slf.get().lookups.with(py, |lookups| lookups.futures.is_empty()) {
            return Ok(());
        }
        for Lookup { ticket, answer } in slf.get().mailbox.receive() {
            let future = slf.get().lookups.with(py, |lookups| lookups.futures.remove(&ticket));
            let Some(future) = future else { continue };
            match settle(future.bind(py), answer) {
                Err(error) if errors::ends_the_loop(py, &error) => return Err(error),
                Err(error) => errors::report(slf, "Exception in name resolution", &error, &[])?,
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Runs `look_up` on a thread of the pool. Returns the future for its answer.
    fn begin_lookup<'py>(
        slf: &Bound<'py, Self>,
        look_up: impl FnOnce() -> Result<Answer, Failure> + Send + 'static,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let event_loop = slf.get();
        event_loop.check_closed()?;
        let future = Self::make_future(slf)?.into_any();
        let entry = future.clone().unbind();
        let ticket = event_loop.lookups.with(py, |lookups| lookups.insert(entry));
        let mailbox = event_loop.mailbox.clone();
        let job = move || {
            // A name that isn't UTF-8 makes the library panic. Who waits for the answer has to get one all the same.
            let answer = catch_unwind(AssertUnwindSafe(look_up)).unwrap_or_else(|_| Err(panicked()));
            mailbox.send(Lookup { ticket, answer });
        };
        let started = event_loop.pool.with(py, |pool| pool.get_or_insert_with(BlockingPool::new).spawn(job));
        if let Err(error) = started {
            drop(event_loop.lookups.with(py, |lookups| lookups.futures.remove(&ticket)));
            return Err(errors::from_io_error(py, &error));
        }
        Ok(future)
    }
}

#[pymethods]
impl EventLoop {
    /// Resolves a host and a service. Returns a future for `(family, type, protocol, canonical name, address)` tuples,
    /// with numbers where `socket.getaddrinfo` has enumerations.
    fn _look_up_addresses<'py>(
        slf: &Bound<'py, Self>,
        host: Option<String>,
        service: Option<String>,
        hints: (i32, i32, i32, i32),
    ) -> PyResult<Bound<'py, PyAny>> {
        let (family, kind, protocol, flags) = hints;
        Self::begin_lookup(slf, move || {
            let hints = Hints { family, kind, protocol, flags };
            lookup::address_info(host.as_deref(), service.as_deref(), hints).map(Answer::Addresses)
        })
    }

    /// Resolves a numeric address. Returns a future for `(host, service)`.
    #[pyo3(signature = (host, port, flow_info, scope_id, flags))]
    fn _look_up_names<'py>(
        slf: &Bound<'py, Self>,
        host: IpAddr,
        port: u16,
        flow_info: u32,
        scope_id: u32,
        flags: i32,
    ) -> PyResult<Bound<'py, PyAny>> {
        let address = match host {
            IpAddr::V4(_) => SocketAddr::new(host, port),
            IpAddr::V6(host) => SocketAddrV6::new(host, port, flow_info, scope_id).into(),
        };
        Self::begin_lookup(slf, move || lookup::name_info(&address, flags).map(Answer::Names))
    }
}

fn panicked() -> Failure {
    Failure::System(std::io::Error::other("the resolver's answer can't be read"))
}

fn settle(future: &Bound<'_, PyAny>, answer: Result<Answer, Failure>) -> PyResult<()> {
    let py = future.py();
    if future.call_method0("done")?.is_truthy()? {
        return Ok(());
    }
    match answer {
        Ok(Answer::Addresses(found)) => future.call_method1("set_result", (addresses_to_python(py, &found)?,))?,
        Ok(Answer::Names(names)) => future.call_method1("set_result", (names,))?,
        Err(failure) => {
            future.call_method1("set_exception", (errors::exception(py, &failure_to_python(py, failure)?),))?
        }
    };
    Ok(())
}

fn addresses_to_python<'py>(py: Python<'py>, found: &[AddressInfo]) -> PyResult<Bound<'py, PyList>> {
    let rows = found.iter().map(|info| {
        let name = info.canonical_name.as_deref().unwrap_or("");
        (info.family, info.kind, info.protocol, name, address::inet_to_python(py, info.address)?).into_pyobject(py)
    });
    PyList::new(py, rows.collect::<PyResult<Vec<Bound<'py, PyTuple>>>>()?)
}

/// `socket.gaierror` with the C library's text, as the socket module raises it.
fn failure_to_python(py: Python<'_>, failure: Failure) -> PyResult<PyErr> {
    match failure {
        Failure::Resolver { number, text } => {
            Ok(PyErr::from_value(asyncio::RESOLVER_ERROR.get(py)?.call1((number, text))?))
        }
        Failure::System(error) if error.raw_os_error().is_some() => Ok(errors::from_io_error(py, &error)),
        Failure::System(error) => Ok(PyOSError::new_err(error.to_string())),
    }
}

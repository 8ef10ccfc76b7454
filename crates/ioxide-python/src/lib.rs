//! The extension module `ioxide._ioxide`: the event loop of ioxide, driving Python.

#![allow(clippy::unused_self, reason = "a method of a Python class has a self, whether it looks at it or not")]
#![allow(clippy::used_underscore_items, reason = "the underscored names are those of asyncio's classes")]
#![allow(clippy::similar_names, reason = "`slf` is PyO3's name for the Python object around `self`")]

mod address;
mod cpython;
mod errors;
mod event_loop;
mod handle;
mod item;
mod listener;
mod socket_operation;
mod timer_handle;
mod transport;

use pyo3::prelude::*;

/// The native part of ioxide.
///
/// It relies on the GIL: on a free-threaded build importing it switches the GIL on.
#[pymodule(gil_used = true)]
mod _ioxide {
    #[pymodule_export]
    use super::event_loop::EventLoop;
    #[pymodule_export]
    use super::handle::Handle;
    #[pymodule_export]
    use super::listener::Listener;
    #[pymodule_export]
    use super::socket_operation::SocketOperation;
    #[pymodule_export]
    use super::timer_handle::TimerHandle;
    #[pymodule_export]
    use super::transport::SocketTransport;
    #[pymodule_export]
    use super::transport::datagram::DatagramMethods;
    #[pymodule_export]
    use super::transport::pipe::{ReadPipeMethods, WritePipeMethods};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

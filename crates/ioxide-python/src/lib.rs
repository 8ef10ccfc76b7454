//! The extension module `ioxide._ioxide`: the event loop of ioxide, driving Python.

#![allow(clippy::unused_self, reason = "a method of a Python class has a self, whether it looks at it or not")]
#![allow(clippy::used_underscore_items, reason = "the underscored names are those of asyncio's classes")]
#![allow(clippy::similar_names, reason = "`slf` is PyO3's name for the Python object around `self`")]

mod address;
mod combinators;
mod cpython;
mod errors;
mod event_loop;
mod future;
mod handle;
mod item;
mod listener;
#[cfg(not(Py_3_13))]
mod program_attributes;
#[cfg(Py_3_14)]
mod reentrant_lock;
mod socket_operation;
mod streams;
mod sync;
mod task;
#[cfg(Py_3_14)]
mod thread_safe_handle;
mod timer_handle;
mod transport;

use pyo3::prelude::*;

/// The native part of ioxide.
///
/// It relies on the GIL: on a free-threaded build importing it switches the GIL on.
#[pymodule(gil_used = true)]
mod _ioxide {
    #[pymodule_export]
    use super::combinators::as_completed::{AsCompletedIterator, as_completed};
    #[pymodule_export]
    use super::combinators::creating_tasks::{create_task, ensure_future};
    #[cfg(Py_3_12)]
    #[pymodule_export]
    use super::combinators::eager_tasks::{EagerTaskFactory, create_eager_task_factory};
    #[pymodule_export]
    use super::combinators::gather::{GatheringFuture, gather};
    #[pymodule_export]
    use super::combinators::native_coroutine::NativeCoroutine;
    #[pymodule_export]
    use super::combinators::shield::shield;
    #[pymodule_export]
    use super::combinators::task_group::TaskGroup;
    #[pymodule_export]
    use super::combinators::timeout::{Timeout, timeout, timeout_at};
    #[pymodule_export]
    use super::event_loop::EventLoop;
    #[cfg(Py_3_14)]
    #[pymodule_export]
    use super::future::awaited_by::{future_add_to_awaited_by, future_discard_from_awaited_by};
    #[pymodule_export]
    use super::future::{Future, FutureIterator};
    #[pymodule_export]
    use super::handle::Handle;
    #[pymodule_export]
    use super::listener::Listener;
    #[pymodule_export]
    use super::socket_operation::SocketOperation;
    #[pymodule_export]
    use super::streams::flow_control::FlowControl;
    #[pymodule_export]
    use super::streams::protocol::StreamReaderProtocol;
    #[pymodule_export]
    use super::streams::reader::StreamReader;
    #[pymodule_export]
    use super::streams::subprocess::SubprocessStreams;
    #[pymodule_export]
    use super::streams::writer::StreamWriter;
    #[pymodule_export]
    use super::sync::barrier::Barrier;
    #[pymodule_export]
    use super::sync::condition::Condition;
    #[pymodule_export]
    use super::sync::event::Event;
    #[pymodule_export]
    use super::sync::lock::Lock;
    #[pymodule_export]
    use super::sync::queue::{LifoQueue, PriorityQueue, Queue};
    #[pymodule_export]
    use super::sync::semaphore::{BoundedSemaphore, Semaphore};
    #[pymodule_export]
    use super::task::Task;
    #[cfg(Py_3_14)]
    #[pymodule_export]
    use super::thread_safe_handle::ThreadSafeHandle;
    #[pymodule_export]
    use super::timer_handle::TimerHandle;
    #[pymodule_export]
    use super::transport::SocketTransport;
    #[pymodule_export]
    use super::transport::datagram::DatagramMethods;
    #[pymodule_export]
    use super::transport::pipe::{ReadPipeMethods, WritePipeMethods};

    use pyo3::prelude::*;
    use pyo3::types::PyString;

    use super::combinators::coroutine_function::CoroutineFunction;
    use super::cpython::{
        class_name, context_layout, coroutine, current_task, finalizer, free_list, light_deallocation, live_tasks,
        loop_api, shortcut, traversal, vectorcall,
    };

    /// Every task that isn't done, of all loops.
    #[pyfunction]
    fn _live_tasks(py: Python<'_>) -> Vec<Bound<'_, PyAny>> {
        live_tasks::all(py)
    }

    /// Whether callbacks share contexts: whether this version of the interpreter is one whose layout was understood.
    #[pyfunction]
    fn _shares_contexts() -> bool {
        context_layout::is_known()
    }

    /// Whether the current task is set without a call into asyncio: whether this version of the interpreter is one whose
    /// layout was understood.
    #[pyfunction]
    fn _reaches_current_task() -> bool {
        current_task::is_found()
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        context_layout::find(py);
        current_task::find(py);
        free_list::install::<super::handle::Handle>(py);
        free_list::install::<super::timer_handle::TimerHandle>(py);
        #[cfg(Py_3_14)]
        free_list::install::<super::thread_safe_handle::ThreadSafeHandle>(py);
        free_list::install::<super::future::Future>(py);
        free_list::install::<super::future::FutureIterator>(py);
        free_list::install::<super::task::Task>(py);
        free_list::install::<super::combinators::native_coroutine::NativeCoroutine>(py);
        traversal::install::<super::handle::Handle>(py);
        traversal::install::<super::timer_handle::TimerHandle>(py);
        #[cfg(Py_3_14)]
        traversal::install::<super::thread_safe_handle::ThreadSafeHandle>(py);
        finalizer::install::<super::future::Future>(py);
        finalizer::install::<super::task::Task>(py);
        finalizer::install::<super::combinators::gather::GatheringFuture>(py);
        finalizer::install::<super::combinators::native_coroutine::NativeCoroutine>(py);
        light_deallocation::install::<super::combinators::native_coroutine::NativeCoroutine>(py);
        light_deallocation::install::<super::future::FutureIterator>(py);
        class_name::leave_out_module::<super::sync::barrier::Barrier>(py);
        class_name::leave_out_module::<super::sync::condition::Condition>(py);
        class_name::leave_out_module::<super::sync::event::Event>(py);
        class_name::leave_out_module::<super::sync::lock::Lock>(py);
        class_name::leave_out_module::<super::sync::semaphore::Semaphore>(py);
        class_name::leave_out_module::<super::sync::semaphore::BoundedSemaphore>(py);
        coroutine::is_its_own_iterator::<super::combinators::native_coroutine::NativeCoroutine>(py);
        coroutine::is_its_own_iterator::<super::combinators::ended::Ended>(py);
        shortcut::install_step::<super::combinators::native_coroutine::NativeCoroutine>(py);
        shortcut::install_step::<super::combinators::ended::Ended>(py);
        shortcut::install_step::<super::future::FutureIterator>(py);
        super::future::install_shortcuts(py)?;
        super::event_loop::install_shortcuts(py)?;
        super::sync::install_shortcuts(py)?;
        let coroutine_functions = [
            wrap_pyfunction!(super::combinators::sleep::sleep, module)?,
            wrap_pyfunction!(super::combinators::wait::wait, module)?,
            #[cfg(Py_3_12)]
            wrap_pyfunction!(super::combinators::wait_for::wait_for, module)?,
        ];
        for function in coroutine_functions {
            let name = function.getattr("__name__")?.cast_into::<PyString>()?;
            let stock = py.import("asyncio.tasks")?.getattr(&name)?;
            let function = CoroutineFunction::make(function, stock)?;
            vectorcall::install(&function);
            module.add(name, function)?;
        }
        #[cfg(Py_3_12)]
        module.add("eager_task_factory", super::combinators::eager_tasks::eager_task_factory(py)?)?;
        module.add("_loop_api", loop_api::capsule(py)?)?;
        super::event_loop::running_here::forget_in_forked_children(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

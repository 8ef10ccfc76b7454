//! The methods that read. Each returns a coroutine.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::StreamReader;
use super::reading::{Reading, Request};
use crate::combinators::native_coroutine::NativeCoroutine;
use crate::combinators::operation::Operation;
use crate::cpython::asyncio;

impl StreamReader {
    fn coroutine<'py>(slf: &Bound<'py, Self>, name: &'static str, request: Request) -> PyResult<Bound<'py, PyAny>> {
        let reading = Operation::Read(Reading::new(slf, request));
        NativeCoroutine::make(slf.py(), name, reading).map(Bound::into_any)
    }

    /// The standard library's coroutine, for a class that has replaced what it calls.
    fn stock_coroutine<'py>(
        slf: &Bound<'py, Self>,
        method: &str,
        argument: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let class = asyncio::STOCK_STREAM_READER.get(slf.py())?;
        match argument {
            Some(argument) => class.call_method1(method, (slf, argument)),
            None => class.call_method1(method, (slf,)),
        }
    }
}

/// The argument of `read` and `readexactly`.
enum Wanted {
    /// A number of bytes, `None` if it is negative.
    Count(Option<usize>),
    /// Not a number. That is told when the coroutine runs.
    Other(Py<PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Wanted {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<isize>() {
            Ok(number) => Ok(Self::Count(usize::try_from(number).ok())),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                Ok(Self::Count(if object.lt(0)? { None } else { Some(usize::MAX) }))
            }
            Err(_) => Ok(Self::Other(object.to_owned().unbind())),
        }
    }
}

impl Wanted {
    fn to_python(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Self::Count(Some(count)) => Ok(count.into_pyobject(py)?.into_any().unbind()),
            Self::Count(None) => Ok((-1_i32).into_pyobject(py)?.into_any().unbind()),
            Self::Other(object) => Ok(object.clone_ref(py)),
        }
    }
}

/// The argument of `readuntil`.
enum Separator {
    /// None was given.
    Newline,
    /// Whatever was given, to be looked at when the coroutine runs.
    Given(Py<PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Separator {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(object.to_owned().unbind()))
    }
}

#[pymethods]
impl StreamReader {
    /// Reads up to `n` bytes as soon as there are any, or until the end if it is negative. Returns `b""` at the end.
    #[pyo3(signature = (n = Wanted::Count(None)), text_signature = "($self, n=-1)")]
    fn read<'py>(slf: &Bound<'py, Self>, n: Wanted) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match n {
            Wanted::Count(count) if slf.get().is_plain(py) => {
                Self::coroutine(slf, "StreamReader.read", count.map_or(Request::All(Vec::new()), Request::Some))
            }
            n => Self::stock_coroutine(slf, "read", Some(n.to_python(py)?.bind(py))),
        }
    }

    /// Reads `n` bytes. Raises `IncompleteReadError` if the end comes first.
    fn readexactly<'py>(slf: &Bound<'py, Self>, n: Wanted) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match n {
            Wanted::Count(count) if slf.get().is_plain(py) => {
                let request = count.map_or(Request::Negative, Request::Exactly);
                Self::coroutine(slf, "StreamReader.readexactly", request)
            }
            n => Self::stock_coroutine(slf, "readexactly", Some(n.to_python(py)?.bind(py))),
        }
    }

    /// Reads a line, with its newline; what there is if the end comes first. Raises `ValueError` for a line beyond the
    /// limit, which is lost.
    fn readline<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if !slf.get().is_plain(slf.py()) {
            return Self::stock_coroutine(slf, "readline", None);
        }
        Self::coroutine(slf, "StreamReader.readline", Request::Line(0))
    }

    /// Reads to the end of a separator, from Python 3.13 on of any of a tuple of them. Raises `IncompleteReadError` if the
    /// end comes first, and `LimitOverrunError` for what is beyond the limit: it can still be read otherwise.
    #[pyo3(signature = (separator = Separator::Newline), text_signature = "($self, separator=b'\\n')")]
    fn readuntil<'py>(slf: &Bound<'py, Self>, separator: Separator) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let separator = match separator {
            Separator::Newline => PyBytes::new(py, b"\n").into_any(),
            Separator::Given(separator) => separator.into_bound(py),
        };
        if !slf.get().is_plain(py) {
            return Self::stock_coroutine(slf, "readuntil", Some(&separator));
        }
        Self::coroutine(slf, "StreamReader.readuntil", Request::Until(separator.unbind()))
    }

    /// Waits until something comes, or the end.
    fn _wait_for_data<'py>(slf: &Bound<'py, Self>, func_name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Self::coroutine(slf, "StreamReader._wait_for_data", Request::Wait(func_name.clone().unbind()))
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Reads a line, until there are no more.
    fn __anext__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if !slf.get().is_plain(slf.py()) {
            return Self::stock_coroutine(slf, "__anext__", None);
        }
        Self::coroutine(slf, "StreamReader.__anext__", Request::Next(0))
    }
}

//! The buffer protocol: reading from bytes-like objects and writing into them, without a copy.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

/// A bytes-like object whose memory stays where it is for as long as this lives.
pub enum Contiguous {
    /// `bytes` itself, which never changes.
    Bytes(Py<PyBytes>),
    /// Anything else, whose exporter keeps the memory in place.
    Buffer(PyUntypedBuffer),
}

impl Contiguous {
    /// Takes hold of a bytes-like object's memory.
    ///
    /// # Errors
    /// `TypeError` if the object has no buffer, `BufferError` if it isn't contiguous.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone().unbind()));
        }
        contiguous_bytes(object).map(Self::Buffer)
    }

    /// The memory, to be read before anything of Python's runs.
    pub fn as_slice<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(py),
            Self::Buffer(buffer) if buffer.len_bytes() == 0 => &[],
            Self::Buffer(buffer) => {
                // SAFETY: the buffer is C-contiguous (`contiguous_bytes` saw to it) and not empty, so the pointer leads
                // to `len_bytes` bytes in one piece, which the exporter neither frees nor moves before the release, and
                // the release comes when `self` is dropped. The thread is attached, and the callers use the slice for
                // one system call without running Python code, so under the GIL nobody writes to it meanwhile. What
                // native code does to the same memory on another thread is a data race in `socket.send`, too.
                unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) }
            }
        }
    }

    /// How many bytes there are.
    pub fn len(&self, py: Python<'_>) -> usize {
        self.as_slice(py).len()
    }
}

/// A writable bytes-like object whose memory stays where it is for as long as this lives.
pub struct Writable(PyUntypedBuffer);

impl Writable {
    /// Takes hold of a bytes-like object's memory in order to write to it.
    ///
    /// # Errors
    /// `TypeError` if the object has no buffer, or one that isn't contiguous or is read-only.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        match contiguous_bytes(object) {
            Ok(buffer) if !buffer.readonly() => Ok(Self(buffer)),
            _ => {
                let kind = object.get_type().name()?;
                Err(PyTypeError::new_err(format!("a read-write bytes-like object is required, not {kind}")))
            }
        }
    }

    /// Whether there is no room.
    pub fn is_empty(&self) -> bool {
        self.0.len_bytes() == 0
    }

    /// Lends the memory to `write`, which doesn't call into Python.
    pub fn write<R>(&self, write: impl FnOnce(&mut [u8]) -> R) -> R {
        if self.0.len_bytes() == 0 {
            return write(&mut []);
        }
        // SAFETY: as in `Contiguous::as_slice`; `of` checked that the memory may be written to. `write` alone holds a
        // reference to it: it runs no Python code, and under the GIL no other thread does meanwhile.
        write(unsafe { std::slice::from_raw_parts_mut(self.0.buf_ptr().cast::<u8>(), self.0.len_bytes()) })
    }
}

/// Whether an object is of the types that asyncio's transports write.
pub fn is_bytes_like(data: &Bound<'_, PyAny>) -> bool {
    data.is_instance_of::<PyBytes>() || data.is_instance_of::<PyByteArray>() || data.is_instance_of::<PyMemoryView>()
}

/// Exports an object's memory, whatever its items are: they are looked at as bytes, as the socket module does.
fn contiguous_bytes(object: &Bound<'_, PyAny>) -> PyResult<PyUntypedBuffer> {
    // The memory behind a view is exported, not the view: its owner may release it meanwhile.
    let behind_a_view = || PyUntypedBuffer::get(PyMemoryView::from(object)?.as_any());
    let buffer = if object.is_instance_of::<PyMemoryView>() {
        behind_a_view()?
    } else {
        match PyUntypedBuffer::get(object) {
            // The exporter doesn't tell its strides, as ctypes doesn't. A view knows them.
            Err(error) if error.is_instance_of::<PyBufferError>(object.py()) => behind_a_view()?,
            result => result?,
        }
    };
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("memoryview: underlying buffer is not C-contiguous"));
    }
    Ok(buffer)
}

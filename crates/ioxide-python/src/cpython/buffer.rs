//! The buffer protocol: reading from bytes-like objects and writing into them, without a copy.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A bytes-like object whose memory stays where it is for as long as this lives.
pub enum Contiguous<'py> {
    /// `bytes` itself, which never changes.
    Bytes(Bound<'py, PyBytes>),
    /// Anything else, whose exporter keeps the memory in place.
    Buffer(PyBuffer<u8>),
}

impl<'py> Contiguous<'py> {
    /// Takes hold of a bytes-like object's memory.
    ///
    /// # Errors
    /// `TypeError` if the object has no buffer, `BufferError` if it isn't contiguous.
    pub fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        contiguous_bytes(object).map(Self::Buffer)
    }

    /// Lends the memory to `read`, which doesn't call into Python.
    pub fn read<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Bytes(bytes) => read(bytes.as_bytes()),
            Self::Buffer(buffer) if buffer.len_bytes() == 0 => read(&[]),
            Self::Buffer(buffer) => {
                // SAFETY: the buffer is C-contiguous (`contiguous_bytes` saw to it) and not empty, so the pointer leads
                // to `len_bytes` bytes in one piece, which the exporter neither frees nor moves before the release.
                // This thread is attached and `read` doesn't detach it, so under the GIL nobody writes meanwhile. What
                // native code does to the same memory on another thread is a data race in `socket.send`, too.
                read(unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes()) })
            }
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(buffer) => buffer.len_bytes(),
        }
    }
}

/// A writable bytes-like object whose memory stays where it is for as long as this lives.
pub struct Writable(PyBuffer<u8>);

impl Writable {
    /// Takes hold of a bytes-like object's memory in order to write to it.
    ///
    /// # Errors
    /// `TypeError` if the object has no buffer, `BufferError` if it isn't contiguous or is read-only.
    pub fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = contiguous_bytes(object)?;
        if buffer.readonly() {
            return Err(PyBufferError::new_err("Object is not writable."));
        }
        Ok(Self(buffer))
    }

    /// Lends the memory to `write`, which doesn't call into Python.
    pub fn write<R>(&self, write: impl FnOnce(&mut [u8]) -> R) -> R {
        if self.0.len_bytes() == 0 {
            return write(&mut []);
        }
        // SAFETY: as in `Contiguous::read`; `of` checked that the memory may be written to. `write` alone holds a
        // reference to it: it runs no Python code, and under the GIL no other thread does meanwhile.
        write(unsafe { std::slice::from_raw_parts_mut(self.0.buf_ptr().cast::<u8>(), self.0.len_bytes()) })
    }
}

/// Exports an object's memory, whatever its items are: they are looked at as bytes, as the socket module does.
fn contiguous_bytes(object: &Bound<'_, PyAny>) -> PyResult<PyBuffer<u8>> {
    let buffer = match PyBuffer::<u8>::get(object) {
        Ok(buffer) => buffer,
        // Items other than bytes: `memoryview` casts what is contiguous and says what is wrong with what isn't.
        Err(error) if error.is_instance_of::<PyBufferError>(object.py()) => {
            let view = pyo3::types::PyMemoryView::from(object)?;
            PyBuffer::<u8>::get(&view.call_method1("cast", ("B",))?)?
        }
        Err(error) => return Err(error),
    };
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("memoryview: underlying buffer is not C-contiguous"));
    }
    Ok(buffer)
}

//! Free lists: the memory of objects that have gone, kept for the next ones of their class.
//!
//! A loop makes and forgets a handle per callback, and a future per wait. Of what such an object costs, a third is asking
//! the allocator and the garbage collector for its memory and giving it back; and a burst of new objects has the collector
//! go through all of them.
//!
//! `PyO3` has free lists, too; but what comes out of them isn't tracked by the collector.
//!
//! What is taken apart here goes past the interpreter's deallocation: a debug build's count of all references, and who traces
//! the ends of objects (`PyRefTracer`), don't see it.

use std::ffi::c_void;

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

use crate::cpython::attached_cell::AttachedCell;
use crate::cpython::ownership;

/// So many bytes are kept for each class.
const CAPACITY: usize = 128 << 10;

/// A class with a free list. Classes that are derived from it may inherit what is put into it, but their objects' memory
/// goes its own way.
pub trait FreeList: PyClass {
    /// Where the memory is kept.
    fn kept() -> &'static Kept;
}

/// The memory of objects that have gone.
pub struct Kept(AttachedCell<Stock>);

struct Stock {
    memories: Vec<Memory>,
    /// How far from an object's start its Rust value is. Zero as long as [`make`] hasn't seen an object.
    offset: usize,
}

/// The memory of one object, with the garbage collector's header before it, which says that it is neither tracked nor
/// finalized.
struct Memory(*mut ffi::PyObject);

// SAFETY: nothing refers to the memory but the list that it is in, whose access is ordered by the GIL.
unsafe impl Send for Memory {}

impl Kept {
    /// Nothing.
    pub const fn new() -> Self {
        Self(AttachedCell::new(Stock { memories: Vec::new(), offset: 0 }))
    }
}

/// Makes a class one that has a free list.
macro_rules! free_list {
    ($class:ty) => {
        impl $crate::cpython::free_list::FreeList for $class {
            fn kept() -> &'static $crate::cpython::free_list::Kept {
                static KEPT: $crate::cpython::free_list::Kept = $crate::cpython::free_list::Kept::new();
                &KEPT
            }
        }
    };
}
pub(crate) use free_list;

/// Gives the class its free list.
pub fn install<T: FreeList>(py: Python<'_>) {
    // SAFETY: the type object lives as long as the interpreter. The module's initialisation calls this before the class
    // can be reached by anybody else, and holds the GIL, so that there is no object yet whose memory came otherwise.
    let class = unsafe { &mut *T::type_object_raw(py) };
    class.tp_alloc = Some(allocate::<T>);
    class.tp_free = Some(free::<T>);
}

unsafe extern "C" fn allocate<T: FreeList>(
    class: *mut ffi::PyTypeObject,
    count: ffi::Py_ssize_t,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    let is_exact = std::ptr::eq(class, T::type_object_raw(py));
    let Some(Memory(object)) = is_exact.then(|| T::kept().0.with(py, |stock| stock.memories.pop())).flatten() else {
        // SAFETY: this is what the interpreter would have called, with these arguments.
        return unsafe { ffi::PyType_GenericAlloc(class, count) };
    };
    // What follows is what `PyType_GenericAlloc` does with the memory that it gets.
    // SAFETY: the class is alive, for an object of it is being made.
    let size = unsafe { size_of_objects(class) };
    // SAFETY: the memory was of an object of this very class, so it is as large; and nothing refers to it any more.
    unsafe { object.cast::<u8>().write_bytes(0, size) };
    // SAFETY: the memory is as large as the class asks for.
    unsafe { ffi::PyObject_Init(object, class) };
    // SAFETY: the object has a header, which says that it isn't tracked. Its value is written before anything can start a
    // collection.
    unsafe { ffi::PyObject_GC_Track(object.cast()) };
    object
}

unsafe extern "C" fn free<T: FreeList>(object: *mut c_void) {
    // SAFETY: the interpreter calls this on an attached thread.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: an object keeps its class until its memory is freed.
    let class = unsafe { ffi::Py_TYPE(object.cast()) };
    // SAFETY: the object's header is still there. Who is finalized once isn't finalized again: no memory for another.
    let is_finalized = unsafe { ffi::PyObject_GC_IsFinalized(object.cast()) } != 0;
    let may_be_kept = !is_finalized && std::ptr::eq(class, T::type_object_raw(py));
    // SAFETY: the object's deallocation has untracked it, dropped what was in it, and gives its memory back with this.
    if !may_be_kept || !unsafe { keep::<T>(py, object.cast()) } {
        // SAFETY: as above.
        unsafe { ffi::PyObject_GC_Del(object) };
    }
}

/// Keeps memory if there is room for it. Returns whether there was.
///
/// # Safety
/// The memory is of an object of the class itself, untracked and never finalized, and nobody uses it.
unsafe fn keep<T: FreeList>(py: Python<'_>, object: *mut ffi::PyObject) -> bool {
    // SAFETY: the class is alive.
    let size = unsafe { size_of_objects(T::type_object_raw(py)) };
    T::kept().0.with(py, |stock| {
        let has_room = (stock.memories.len() + 1) * size <= CAPACITY;
        if has_room {
            stock.memories.push(Memory(object));
        }
        has_room
    })
}

/// Makes an object, as `Bound::new` does, by a shorter way if there is memory for it.
///
/// # Errors
/// Out of memory.
#[inline]
pub fn make<T: FreeList + PyClass<Frozen = True> + Sync + Into<PyClassInitializer<T>>>(
    py: Python<'_>,
    value: T,
) -> PyResult<Bound<'_, T>> {
    make_seen(py, value, true)
}

/// As [`make`]. The garbage collector sees the new object if `is_seen`. If not, what it refers to won't be collected before
/// [`traversal::show_to_collector`](super::traversal::show_to_collector) was called for it.
///
/// # Errors
/// Out of memory.
#[inline]
pub fn make_seen<T: FreeList + PyClass<Frozen = True> + Sync + Into<PyClassInitializer<T>>>(
    py: Python<'_>,
    value: T,
    is_seen: bool,
) -> PyResult<Bound<'_, T>> {
    let Some((object, offset)) = begin::<T>(py)? else { return make_first(py, value) };
    // SAFETY: the value of every object of the class is at this place.
    let place = unsafe { object.byte_add(offset) }.cast::<T>();
    // SAFETY: as above.
    unsafe { place.write(value) };
    // SAFETY: the class is alive.
    let size = unsafe { size_of_objects(T::type_object_raw(py)) };
    for word in 0..(size - offset - size_of::<T>()) / size_of::<usize>() {
        let behind = place.wrapping_add(1).cast::<usize>().wrapping_add(word);
        // SAFETY: behind the value there are the dictionary and the weak references, if the class has them: none yet. It is
        // one word or two, and volatile so that no function is called for that.
        unsafe { behind.write_volatile(0) };
    }
    // SAFETY: the object is whole now.
    Ok(unsafe { finish(py, object, is_seen) })
}

/// As [`make_seen`], for a class that is derived from another of ours, whose part of the value is `base`. `general` makes an
/// object in the general way.
///
/// # Errors
/// Out of memory.
pub fn make_derived<'py, B, T>(
    py: Python<'py>,
    base: B,
    value: T,
    is_seen: bool,
    general: impl FnOnce(B, T) -> PyResult<Bound<'py, T>>,
) -> PyResult<Bound<'py, T>>
where
    B: PyClass<Frozen = True> + Sync,
    T: FreeList + PyClass<Frozen = True, BaseType = B> + Sync,
{
    let Some((object, offset)) = begin::<T>(py)? else {
        let made = general(base, value)?;
        note_layout_of_derived(&made);
        return Ok(made);
    };
    // SAFETY: the class is alive.
    let size = unsafe { size_of_objects(T::type_object_raw(py)) };
    // SAFETY: the object's header takes so many bytes.
    let behind_header = unsafe { object.byte_add(HEADER) };
    // SAFETY: the rest is the object's, too. Among the values are the weak references: none yet.
    unsafe { behind_header.cast::<u8>().write_bytes(0, size - HEADER) };
    // SAFETY: the base's value is at this place, as `note_layout_of_derived` has seen.
    unsafe { behind_header.cast::<B>().write(base) };
    // SAFETY: and so is the class's own.
    let place = unsafe { object.byte_add(offset) }.cast::<T>();
    // SAFETY: as above.
    unsafe { place.write(value) };
    // SAFETY: the object is whole now.
    Ok(unsafe { finish(py, object, is_seen) })
}

/// How long an object's header is, the collector's part apart.
const HEADER: usize = size_of::<ffi::PyObject>();

/// Makes an object whose value isn't there yet, in memory that was kept or else in new one. Returns also where the value
/// belongs. `None` as long as that isn't known.
#[inline]
fn begin<T: FreeList>(py: Python<'_>) -> PyResult<Option<(*mut ffi::PyObject, usize)>> {
    let class = T::type_object_raw(py);
    let (memory, offset) = T::kept().0.with(py, |stock| {
        let memory = if stock.offset == 0 { None } else { stock.memories.pop() };
        (memory, stock.offset)
    });
    if let Some(Memory(object)) = memory {
        // SAFETY: the memory was of an object of this very class, and nothing refers to it any more.
        unsafe { ffi::PyObject_Init(object, class) };
        return Ok(Some((object, offset)));
    }
    if offset == 0 {
        return Ok(None);
    }
    // SAFETY: the class is alive, and its objects are the collector's. The collector may run here: it doesn't know the new
    // object yet.
    let object = unsafe { ffi::PyObject_GC_New::<ffi::PyObject>(class) };
    if object.is_null() { Err(PyErr::fetch(py)) } else { Ok(Some((object, offset))) }
}

/// Hands out an object.
///
/// # Safety
/// It comes from [`begin`], and everything in it has been written.
#[inline]
unsafe fn finish<T: FreeList>(py: Python<'_>, object: *mut ffi::PyObject, is_seen: bool) -> Bound<'_, T> {
    if is_seen {
        // SAFETY: the object has a header, which says that it isn't tracked; it is whole, as the caller promises.
        unsafe { ffi::PyObject_GC_Track(object.cast()) };
    }
    // SAFETY: this is the only reference to a new object.
    let object = unsafe { Bound::from_owned_ptr(py, object) };
    // SAFETY: whose class is this, as the caller promises.
    unsafe { object.cast_into_unchecked() }
}

#[cold]
fn make_first<T: FreeList + PyClass<Frozen = True> + Sync + Into<PyClassInitializer<T>>>(
    py: Python<'_>,
    value: T,
) -> PyResult<Bound<'_, T>> {
    let made = Bound::new(py, value)?;
    let offset = std::ptr::from_ref(made.get()).addr() - made.as_ptr().addr();
    // SAFETY: the class is alive.
    let behind = unsafe { size_of_objects(T::type_object_raw(py)) } - offset - size_of::<T>();
    // What `make` leaves out would have to be written, too, in an object that has more than this.
    assert!(offset == HEADER && behind <= 2 * size_of::<usize>(), "an object of an unknown layout");
    T::kept().0.with(py, |stock| stock.offset = offset);
    Ok(made)
}

fn note_layout_of_derived<B, T>(made: &Bound<'_, T>)
where
    B: PyClass<Frozen = True> + Sync,
    T: FreeList + PyClass<Frozen = True, BaseType = B> + Sync,
{
    let start = made.as_ptr().addr();
    let offset = std::ptr::from_ref(made.get()).addr() - start;
    let offset_of_base = std::ptr::from_ref(made.as_super().get()).addr() - start;
    assert!(offset_of_base == HEADER && offset >= HEADER + size_of::<B>(), "an object of an unknown layout");
    T::kept().0.with(made.py(), |stock| stock.offset = offset);
}

/// Takes the value out of an object that nobody but the caller has, and frees the object: by a shorter way than to drop it.
/// Gives the object back if that can't be done.
///
/// The class has neither a `__dict__` nor a finalizer, and isn't derived from another of ours.
pub fn take_apart<T: FreeList + PyClass<Frozen = True> + Sync>(object: Bound<'_, T>) -> Result<T, Bound<'_, T>> {
    if !is_simple_and_sole(&object) {
        return Err(object);
    }
    // SAFETY: nobody else reads the value, for the object is freed below without its deallocation.
    let value = unsafe { std::ptr::from_ref(object.get()).read() };
    // SAFETY: the reference was the only one, the object is simple, and its value was taken out.
    unsafe { free_simple::<T>(object.py(), object.into_ptr()) };
    Ok(value)
}

/// As [`take_apart`], for a class that is derived from another of ours: also returns the base class's part of the value.
pub fn take_apart_derived<B, T>(object: Bound<'_, T>) -> Result<(B, T), Bound<'_, T>>
where
    B: PyClass<Frozen = True> + Sync,
    T: FreeList + PyClass<Frozen = True, BaseType = B> + Sync,
{
    if !is_simple_and_sole(&object) {
        return Err(object);
    }
    // SAFETY: as in `take_apart`.
    let base = unsafe { std::ptr::from_ref(object.as_super().get()).read() };
    // SAFETY: as in `take_apart`.
    let value = unsafe { std::ptr::from_ref(object.get()).read() };
    // SAFETY: as in `take_apart`.
    unsafe { free_simple::<T>(object.py(), object.into_ptr()) };
    Ok((base, value))
}

fn is_simple_and_sole<T: FreeList>(object: &Bound<'_, T>) -> bool {
    // SAFETY: the class is alive.
    let class = unsafe { &*T::type_object_raw(object.py()) };
    // A program may have given the class a finalizer.
    let has_only_a_value = class.tp_dictoffset == 0 && class.tp_finalize.is_none();
    // SAFETY: the object is alive.
    has_only_a_value && ownership::is_sole_reference(object) && unsafe { is_simple::<T>(object.py(), object.as_ptr()) }
}

/// Whether an object is of the class itself, and nothing but its value would have to be looked after when it is freed: it
/// has no weak references, and wasn't finalized, so that its memory can serve another, which is to be finalized once.
///
/// # Safety
/// The object is of the class or of one derived from it, and its memory is whole.
pub(super) unsafe fn is_simple<T: FreeList>(py: Python<'_>, object: *mut ffi::PyObject) -> bool {
    let class = T::type_object_raw(py);
    // SAFETY: an object keeps its class until its memory is freed.
    if !std::ptr::eq(unsafe { ffi::Py_TYPE(object) }, class) {
        return false;
    }
    // SAFETY: the class is alive.
    let weak_references = unsafe { (*class).tp_weaklistoffset };
    // SAFETY: as many bytes from the start there is a pointer, if the class has it at all.
    let place = unsafe { object.byte_offset(weak_references).cast::<*mut ffi::PyObject>() };
    // SAFETY: as above. Without it this is the object's count of references.
    let has_weak_references = weak_references != 0 && !unsafe { place.read() }.is_null();
    // SAFETY: the object has the collector's header.
    !has_weak_references && unsafe { ffi::PyObject_GC_IsFinalized(object) } == 0
}

/// Frees an object, or keeps its memory if there is room for it.
///
/// # Safety
/// The object [`is_simple`], its last reference has gone or is the caller's, who gives it up, and its value holds nothing or
/// was taken out.
pub(super) unsafe fn free_simple<T: FreeList>(py: Python<'_>, object: *mut ffi::PyObject) {
    let class = T::type_object_raw(py);
    // SAFETY: the object is tracked, or this does nothing.
    unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    // SAFETY: the object is untracked, nothing refers to it, and there is nothing in it.
    if !unsafe { keep::<T>(py, object) } {
        // SAFETY: as above.
        unsafe { ffi::PyObject_GC_Del(object.cast()) };
    }
    // SAFETY: the object had a reference to its class, which has others.
    unsafe { ffi::Py_DECREF(class.cast()) };
}

/// How many bytes an object takes.
///
/// # Safety
/// The class is alive.
unsafe fn size_of_objects(class: *const ffi::PyTypeObject) -> usize {
    // SAFETY: the caller's promise.
    let size = unsafe { (*class).tp_basicsize };
    usize::try_from(size).expect("a size isn't negative")
}

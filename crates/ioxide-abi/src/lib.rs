//! The door between ioxide's extension module and other extensions: a C table in a capsule.
//!
//! An extension that runs Rust futures on Python's running ioxide loop links a copy of the `ioxide` crate of its own. It
//! is compiled apart from ioxide's extension module, maybe by another compiler, and shares neither types nor statics with
//! it. What they share is this crate's source: types of C's layout, and what each function promises.
//!
//! # The parts
//!
//! - The *host* is ioxide's extension module. Its loops run Python's callbacks. It gives a [`LoopApi`].
//! - A *guest* is a loop of Rust futures in another extension, with a reactor of its own. It gives a [`GuestApi`]. A loop
//!   of the host's has at most one guest for each extension and thread.
//!
//! # Rules
//!
//! - Every function, of either table, is called by a thread that is attached to the interpreter, also while that ends: loops
//!   and coroutines go then. None unwinds.
//! - What a guest asks of the host is about the loop that is running on the thread that calls. There is one if
//!   [`LoopApi::running_loop`] says so.
//! - The host calls [`GuestApi::turn`] on the thread that attached the guest, and on no other. It may call
//!   [`GuestApi::detach`] on any thread: a loop that doesn't run is closed by whoever likes.
//! - What a guest has asked for may be lost while another thread runs the loop. When the loop is back on the guest's thread,
//!   a guest that may have missed something gets a turn, without `is_readable`, after which it asks anew.
//! - The reference that [`LoopApi::attach`] gives is borrowed. It holds until [`GuestApi::detach`] is called.
//!
//! # Versions
//!
//! [`VERSION`] changes when what stands here changes its meaning; then the two don't fit together, and the guest says so.
//! A table may grow at its end without that: [`LoopApi::size`] and [`GuestApi::size`] tell how long it is.

#![no_std]

use core::ffi::{CStr, c_int, c_void};

/// The name of the capsule, as `PyCapsule_Import` takes it.
pub const CAPSULE: &CStr = c"ioxide._ioxide._loop_api";

/// What the tables mean.
pub const VERSION: u32 = 1;

/// The time of [`LoopApi::request_turn`] that never comes.
pub const NEVER: i64 = i64::MAX;

/// A Python object. Only pointers to it are used.
#[repr(C)]
#[derive(Debug)]
pub struct PyObject {
    _opaque: [u8; 0],
}

/// A guest, as its host knows it. Only pointers to it are used.
#[repr(C)]
#[derive(Debug)]
pub struct GuestHandle {
    _opaque: [u8; 0],
}

/// What the host does for guests: what the capsule points to. It lives as long as the process.
#[repr(C)]
#[derive(Debug)]
pub struct LoopApi {
    /// [`VERSION`] of the host.
    pub version: u32,
    /// The size of this table in bytes.
    pub size: u32,
    /// The number of the ioxide loop that is running on this thread, zero if none is. No two loops of a process have the
    /// same.
    pub running_loop: unsafe extern "C" fn() -> u64,
    /// Makes a guest of the running loop. The host watches `descriptor`, of which it keeps a duplicate; `api` lives as long
    /// as the process, and `data` until `detach` is called with it. Null, with a Python exception set, if it can't; then
    /// `data` is the caller's.
    pub attach: unsafe extern "C" fn(api: *const GuestApi, data: *mut c_void, descriptor: c_int) -> *const GuestHandle,
    /// Asks for a turn of the guest: in the loop's next turn if `soon`, and at the time `at` by the loop's clock, in
    /// nanoseconds. One request for a time is remembered, the last.
    pub request_turn: unsafe extern "C" fn(guest: *const GuestHandle, soon: bool, at: i64),
    /// Says whether anything waits for the descriptor, which isn't so at first. While nothing does, a loop that has enough to
    /// run needn't poll for the guest's sake.
    pub set_waiting: unsafe extern "C" fn(guest: *const GuestHandle, is_waiting: bool),
    /// The loop's time in nanoseconds: the monotonic clock's, unless the program has given the loop another.
    pub time: unsafe extern "C" fn(guest: *const GuestHandle) -> i64,
    /// Makes a pending future of the running loop, marked as one that a coroutine may yield to its task. A new reference,
    /// or null with a Python exception set.
    pub create_waiter: unsafe extern "C" fn() -> *mut PyObject,
    /// Finishes such a future with `None`, unless it is done already. Zero, or -1 with a Python exception set.
    pub finish_waiter: unsafe extern "C" fn(waiter: *mut PyObject) -> c_int,
    /// Lets a guest go whose thread ends while the loop doesn't: the host forgets it, and calls `detach` from within.
    pub release: unsafe extern "C" fn(guest: *const GuestHandle),
}

/// What a guest does for its host.
#[repr(C)]
#[derive(Debug)]
pub struct GuestApi {
    /// [`VERSION`] of the guest.
    pub version: u32,
    /// The size of this table in bytes.
    pub size: u32,
    /// Runs what is ready, without waiting. `is_readable` says that the descriptor is: there is something to poll for.
    pub turn: unsafe extern "C" fn(data: *mut c_void, is_readable: bool),
    /// The loop is closed, or gone. Nothing is called with `data` any more.
    pub detach: unsafe extern "C" fn(data: *mut c_void),
}

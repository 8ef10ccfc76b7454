//! What leans on CPython itself: its C API beyond `PyO3`'s safe one, its rules about threads and buffers, and the private
//! names of the standard library's asyncio. Every `unsafe` of this crate stands here, behind functions that are safe.

pub mod asyncio;
pub mod attached_cell;
pub mod attributes;
pub mod buffer;
pub mod bytearray;
pub mod class_name;
pub mod class_version;
pub mod context;
pub mod context_layout;
pub mod coroutine;
pub mod current_task;
pub mod descriptor;
pub mod exception;
pub mod finalizer;
pub mod free_list;
mod interpreter_structure;
pub mod light_deallocation;
pub mod live_tasks;
pub mod loop_api;
pub mod ownership;
pub mod pending_exception;
pub mod recursion;
pub mod shared_context;
pub mod shortcut;
pub mod socket;
pub mod thread;
pub mod traversal;
pub mod vectorcall;

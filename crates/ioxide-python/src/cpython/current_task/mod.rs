//! Which task runs on a loop, where `asyncio.current_task` looks for it: a dictionary by loop up to Python 3.13, a place
//! in the thread's state from 3.14 on.

#[cfg(not(Py_3_14))]
mod in_dictionary;
#[cfg(Py_3_14)]
mod in_thread_state;

#[cfg(not(Py_3_14))]
pub use in_dictionary::{clear, find, get, is_found, set};
#[cfg(Py_3_14)]
pub use in_thread_state::{clear, find, get, is_found, set};

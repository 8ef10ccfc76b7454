//! What a queue refuses.

use std::error::Error;
use std::fmt;

/// The queue was shut down. From a `put` it has the item that wasn't put; from a `get` it says that nothing is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShutDown<T = ()>(pub T);

/// Why an item couldn't be put at once. It is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutNowaitError<T> {
    /// There is no place that isn't taken or promised to one who waits.
    Full(T),
    /// The queue was shut down.
    ShutDown(T),
}

/// Why no item could be had at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetNowaitError {
    /// There is no item that isn't promised to one who waits.
    Empty,
    /// The queue was shut down, and nothing is left.
    ShutDown,
}

const SHUT_DOWN: &str = "the queue was shut down";
const FULL: &str = "the queue is full";
const EMPTY: &str = "the queue is empty";

impl<T> PutNowaitError<T> {
    /// The item that wasn't put.
    ///
    /// # Examples
    /// ```
    /// use ioxide::sync::Queue;
    ///
    /// let queue = Queue::bounded(1);
    /// queue.put_nowait('a').unwrap();
    /// assert_eq!(queue.put_nowait('b').unwrap_err().into_item(), 'b');
    /// ```
    pub fn into_item(self) -> T {
        match self {
            Self::Full(item) | Self::ShutDown(item) => item,
        }
    }
}

impl<T> fmt::Debug for ShutDown<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ShutDown(..)")
    }
}

impl<T> fmt::Display for ShutDown<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(SHUT_DOWN)
    }
}

impl<T> Error for ShutDown<T> {}

impl<T> fmt::Debug for PutNowaitError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl<T> fmt::Display for PutNowaitError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full(_) => FULL,
            Self::ShutDown(_) => SHUT_DOWN,
        })
    }
}

impl<T> Error for PutNowaitError<T> {}

impl fmt::Display for GetNowaitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => EMPTY,
            Self::ShutDown => SHUT_DOWN,
        })
    }
}

impl Error for GetNowaitError {}

//! One turn of a loop: poll, take in what is ready and what other threads sent, fire timers, run.
//!
//! The order is asyncio's. What became ready is only queued while it is collected; it runs afterwards, behind what was
//! queued before. What is queued by what runs belongs to the next turn.
//!
//! A turn is the same for a loop that runs Rust futures and for one that runs Python's callbacks. What differs is the
//! [`Driver`].

use std::io;

use crate::clock::Nanoseconds;
use crate::reactor::{Events, Reactor};
use crate::schedule::{Poll, Schedule, Skip};

/// What a loop is made of, and what it runs.
///
/// What runs may do anything to the loop, this turn's included: schedule, cancel, stop watching, stop the loop, start
/// another. So a turn borrows the schedule only within [`Driver::with_schedule`], and holds nothing while it runs items.
pub trait Driver {
    /// What is scheduled.
    type Item;
    /// What ends the run of a loop.
    type Error;

    /// Lends the schedule for as long as `access` takes. `access` runs nothing and drops no item.
    fn with_schedule<R>(&self, access: impl FnOnce(&mut Schedule<Self::Item>) -> R) -> R;

    /// Whether a turn has to poll though it has something to run: a descriptor is watched, or the poll is what lets
    /// other threads in.
    fn needs_poll(&self) -> bool;

    /// A turn is about to poll: does what signals ask for that came meanwhile. Called before it is settled how long the
    /// poll waits.
    ///
    /// # Errors
    /// What the handling of a signal raises.
    fn before_poll(&self) -> Result<(), Self::Error>;

    /// Whether the loop was told to stop, so that this turn mustn't wait.
    fn is_stopping(&self) -> bool;

    /// The loop's time: the clock by which its timers' deadlines are meant. It may be a test's.
    ///
    /// # Errors
    /// What a clock of the program's own raises.
    fn time(&self) -> Result<Nanoseconds, Self::Error>;

    /// The loop's reactor.
    fn reactor(&self) -> &Reactor;

    /// Whether another thread sent something that [`Driver::receive`] will take in.
    fn has_mail(&self) -> bool;

    /// Queues what other threads sent.
    ///
    /// # Errors
    /// Only what is to end the run of the loop.
    fn receive(&self) -> Result<(), Self::Error>;

    /// Polls the reactor. Called with a timeout of zero when the turn mustn't wait; a driver that waits lets other
    /// threads in meanwhile.
    ///
    /// # Errors
    /// What the poll gives. A poll that a signal interrupts finds nothing and isn't an error, unless what handles the
    /// signal makes it one.
    fn poll(&self, events: &mut Events, timeout: Option<Nanoseconds>) -> Result<(), Self::Error>;

    /// Queues whatever waits for `events`.
    fn dispatch(&self, events: &Events);

    /// Runs one item.
    ///
    /// # Errors
    /// Only what is to end the run of the loop: an item's ordinary failure is the driver's to report.
    fn run(&self, item: Self::Item) -> Result<(), Self::Error>;
}

/// Takes one turn. `events` is the caller's only so that its memory is kept from turn to turn.
///
/// # Errors
/// The driver's; what is queued stays queued.
pub fn turn<D: Driver>(driver: &D, events: &mut Events) -> Result<(), D::Error> {
    let known_time = poll(driver, events)?;
    driver.receive()?;
    let has_timers = driver.with_schedule(|schedule| !schedule.timers.is_empty());
    let time = match known_time {
        None if has_timers => Some(driver.time()?),
        known_time => known_time,
    };
    let batch = driver.with_schedule(|schedule| schedule.begin_batch(time));
    for _ in 0..batch {
        // Closing the loop from within empties the queue.
        let Some(item) = driver.with_schedule(|schedule| schedule.ready.pop()) else { break };
        driver.run(item)?;
    }
    Ok(())
}

/// Polls, unless the turn does without. Returns the time if that had to be asked for and has hardly passed since.
fn poll<D: Driver>(driver: &D, events: &mut Events) -> Result<Option<Nanoseconds>, D::Error> {
    let needs_poll = driver.needs_poll();
    match driver.with_schedule(|schedule| schedule.skips_poll(needs_poll)) {
        Skip::Yes => return Ok(None),
        Skip::IfDue => {
            let time = driver.time()?;
            if driver.with_schedule(|schedule| schedule.skips_poll_at(time)) {
                return Ok(Some(time));
            }
        }
        Skip::No => {}
    }
    driver.before_poll()?;
    match driver.with_schedule(Schedule::next_poll) {
        Poll::Now => driver.poll(events, Some(0))?,
        Poll::Wait(_) if driver.is_stopping() => driver.poll(events, Some(0))?,
        Poll::Wait(deadline) => {
            let timeout = match deadline {
                Some(deadline) => Some(deadline.saturating_sub(driver.time()?).max(0)),
                None => None,
            };
            wait(driver, events, timeout)?;
        }
    }
    driver.dispatch(events);
    events.clear();
    driver.with_schedule(Schedule::polled);
    Ok(None)
}

/// Waits, unless something is there to do by the time that the loop has announced its sleep: another thread sent it or,
/// where a driver's clock runs code, queued it meanwhile.
fn wait<D: Driver>(driver: &D, events: &mut Events, timeout: Option<Nanoseconds>) -> Result<(), D::Error> {
    let asleep = driver.reactor().waker().fall_asleep();
    let is_ready = driver.with_schedule(|schedule| !schedule.ready.is_empty());
    let timeout = if is_ready || driver.has_mail() { Some(0) } else { timeout };
    let result = driver.poll(events, timeout);
    drop(asleep);
    result
}

/// Whether a poll that failed was merely interrupted by a signal.
#[must_use]
pub fn is_interruption(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

//! The loop's clock: nanoseconds on the kernel's monotonic clock.
//!
//! A loop counts in `Nanoseconds` and not in `std::time::Instant`, for two reasons: asyncio's `loop.time()` is a number
//! that programs compare with `time.monotonic()`, and a test clock has to be able to stand still or to jump.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A point on the loop's clock, or a distance between two: nanoseconds. Signed, for a deadline may lie in the past.
pub type Nanoseconds = i64;

/// Nanoseconds in one second.
pub const SECOND: Nanoseconds = 1_000_000_000;

const MILLISECOND: Nanoseconds = SECOND / 1000;

/// The clock that a loop's timers go by.
pub(crate) struct Clock(Option<Box<dyn Fn() -> Nanoseconds>>);

impl Clock {
    /// The one that [`monotonic`] reads.
    pub(crate) fn monotonic() -> Self {
        Self(None)
    }

    pub(crate) fn new(time: impl Fn() -> Nanoseconds + 'static) -> Self {
        Self(Some(Box::new(time)))
    }

    pub(crate) fn time(&self) -> Nanoseconds {
        self.0.as_ref().map_or_else(monotonic, |time| time())
    }

    /// Converts the standard library's time to this clock's, as far as it goes as fast.
    pub(crate) fn at(&self, instant: Instant) -> Nanoseconds {
        let at = from_instant(instant);
        let ahead = self.0.as_ref().map_or(0, |time| time().saturating_sub(monotonic()));
        // Less is what lies between two readings of the same clock: equal times stay equal.
        if ahead.abs() < MILLISECOND { at } else { at.saturating_add(ahead) }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

/// Reads the monotonic clock (`CLOCK_MONOTONIC`, see `clock_gettime(2)`).
#[must_use]
pub fn monotonic() -> Nanoseconds {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * SECOND + Nanoseconds::from(time.tv_nsec)
}

/// One point in time, on both clocks. An `Instant` doesn't tell its number, though it goes by the same clock.
static EPOCH: LazyLock<(Instant, Nanoseconds)> = LazyLock::new(|| {
    // The closest of some pairs: a thread may lose the processor between the two readings.
    let pair = || {
        let before = Instant::now();
        let time = monotonic();
        (before.elapsed(), (before, time))
    };
    let (_, closest) = std::array::from_fn::<_, 8, _>(|_| pair()).into_iter().min().unwrap_or_else(pair);
    closest
});

/// Converts the standard library's time to the loop's. Equal times stay equal.
#[must_use]
pub fn from_instant(instant: Instant) -> Nanoseconds {
    let (epoch, time) = *EPOCH;
    match instant.checked_duration_since(epoch) {
        Some(after) => time.saturating_add(from_duration(after)),
        None => time.saturating_sub(from_duration(epoch.duration_since(instant))),
    }
}

/// Converts a duration to the clock's unit. What doesn't fit becomes the largest value.
#[must_use]
pub fn from_duration(duration: Duration) -> Nanoseconds {
    Nanoseconds::try_from(duration.as_nanos()).unwrap_or(Nanoseconds::MAX)
}

/// Converts seconds to the clock's unit. What doesn't fit becomes the nearest value that does; NaN becomes zero.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what the doc comment promises")]
pub fn from_seconds(seconds: f64) -> Nanoseconds {
    (seconds * 1e9).round() as Nanoseconds
}

/// Converts to seconds, as asyncio counts.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a double holds nanoseconds exactly for the first 104 days of uptime")]
pub fn to_seconds(time: Nanoseconds) -> f64 {
    // Split first: dividing the whole count would round the nanoseconds away on a machine with a long uptime.
    (time / SECOND) as f64 + (time % SECOND) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_does_not_go_back() {
        let first = monotonic();
        assert!(monotonic() >= first);
    }

    #[test]
    fn instants_lie_between_readings_of_the_clock() {
        let _ = *EPOCH;
        for _ in 0..100 {
            let (before, instant, after) = (monotonic(), Instant::now(), monotonic());
            let error = SECOND / 1000;
            assert!((before - error..=after + error).contains(&from_instant(instant)));
            assert_eq!(from_instant(instant + Duration::from_nanos(7)) - from_instant(instant), 7);
        }
    }

    #[test]
    fn seconds_survive_the_round_trip() {
        for time in [0, 1, SECOND - 1, SECOND, 86_400 * SECOND + 123_456_789, -SECOND] {
            assert_eq!(from_seconds(to_seconds(time)), time);
        }
    }

    #[test]
    fn seconds_out_of_range_saturate() {
        assert_eq!(from_seconds(f64::INFINITY), Nanoseconds::MAX);
        assert_eq!(from_seconds(f64::NEG_INFINITY), Nanoseconds::MIN);
        assert_eq!(from_seconds(f64::NAN), 0);
    }
}

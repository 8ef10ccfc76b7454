//! Timers: arming, cancelling and firing, beside few others and beside many.

use ioxide::Timers;
use ioxide::clock::{Nanoseconds, SECOND};

use super::{Repetition, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("timers: arm and cancel beside 10", arm_and_cancel::<10>),
    Scenario::new("timers: arm and cancel beside 10000", arm_and_cancel::<10_000>),
    Scenario::new("timers: arm and fire beside 10", arm_and_fire::<10>),
    Scenario::new("timers: arm and fire beside 10000", arm_and_fire::<10_000>),
    Scenario::new("timers: arm a thousand in no order and fire them", fire_a_thousand),
];

/// What the others wait for.
const LATER: Nanoseconds = 1_000_000 * SECOND;

/// As timeouts are used: each is later than those before it, and is cancelled before it fires.
fn arm_and_cancel<const OTHERS: i64>() -> Repetition {
    let mut timers = with_others(OTHERS);
    let mut now = 0;
    Box::new(move || {
        now += 1;
        let key = timers.insert(now + SECOND, now);
        assert_eq!(timers.cancel(key), Some(now));
    })
}

fn arm_and_fire<const OTHERS: i64>() -> Repetition {
    let mut timers = with_others(OTHERS);
    let mut now = 0;
    Box::new(move || {
        now += 1;
        timers.insert(now, now);
        assert_eq!(timers.pop_due(now), Some(now));
        assert_eq!(timers.pop_due(now), None);
    })
}

fn fire_a_thousand() -> Repetition {
    const COUNT: i64 = 1000;
    // Coprime to the count: the steps visit every number once.
    const STRIDE: i64 = 617;
    let mut timers = Timers::new();
    Box::new(move || {
        for number in 0..COUNT {
            let at = number * STRIDE % COUNT;
            timers.insert(at, at);
        }
        for at in 0..COUNT {
            assert_eq!(timers.pop_due(COUNT), Some(at));
        }
    })
}

fn with_others(count: i64) -> Timers<Nanoseconds> {
    let mut timers = Timers::new();
    for number in 0..count {
        timers.insert(LATER + number, number);
    }
    timers
}

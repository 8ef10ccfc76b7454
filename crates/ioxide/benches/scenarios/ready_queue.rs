//! The ready queue.

use std::hint::black_box;

use ioxide::ReadyQueue;

use super::{Repetition, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("ready queue: push and pop", push_and_pop::<1>),
    Scenario::new("ready queue: push a thousand and pop them", push_and_pop::<1000>),
];

fn push_and_pop<const COUNT: u64>() -> Repetition {
    let mut queue = ReadyQueue::new();
    Box::new(move || {
        for item in 0..COUNT {
            queue.push(black_box(item));
        }
        for item in 0..COUNT {
            assert_eq!(queue.pop(), Some(item));
        }
    })
}

//! What is measured of the core crate: each scenario is set up once and then repeated. Each checks its own result.

mod ready_queue;
mod timers;
mod turn;
mod wake_up;

use std::fmt;

/// Something to repeat.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is called; `cargo bench -- NAME` selects by it.
    pub name: &'static str,
    /// Whether each repetition runs the same instructions, so that counting them means something.
    #[allow(dead_code, reason = "only what counts instructions asks")]
    pub is_exact: bool,
    set_up: fn() -> Repetition,
}

/// One repetition, with what it works on.
pub type Repetition = Box<dyn FnMut()>;

impl Scenario {
    const fn new(name: &'static str, set_up: fn() -> Repetition) -> Self {
        Self { name, is_exact: true, set_up }
    }

    const fn inexact(name: &'static str, set_up: fn() -> Repetition) -> Self {
        Self { name, is_exact: false, set_up }
    }

    /// Sets the scenario up.
    pub fn prepare(&self) -> Repetition {
        (self.set_up)()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// All scenarios.
pub fn all() -> Vec<Scenario> {
    [ready_queue::SCENARIOS, timers::SCENARIOS, turn::SCENARIOS, wake_up::SCENARIOS].concat()
}

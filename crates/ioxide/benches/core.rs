//! How long the parts of a loop take: `cargo bench --package ioxide`, and `… -- timers` for those with "timers" in their
//! names. `instructions.rs` counts the same scenarios' instructions, which no other program on the machine can change.

mod scenarios;

use divan::Bencher;

use scenarios::Scenario;

fn main() {
    divan::main();
}

#[divan::bench(args = scenarios::all())]
fn core(bencher: Bencher, scenario: &Scenario) {
    bencher.bench_local(scenario.prepare());
}

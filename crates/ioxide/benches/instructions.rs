//! Runs one scenario a given number of times, to be counted: `benches/instructions.py` runs this in valgrind.
//!
//! Called with a scenario's name and a number. Without arguments it lists the scenarios that can be counted.

mod scenarios;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => list(),
        [name, repetitions] => match repetitions.parse() {
            Ok(repetitions) => run(name, repetitions),
            Err(_) => ExitCode::FAILURE,
        },
        _ => ExitCode::FAILURE,
    }
}

fn list() -> ExitCode {
    for scenario in scenarios::all().iter().filter(|scenario| scenario.is_exact) {
        println!("{}", scenario.name);
    }
    ExitCode::SUCCESS
}

fn run(name: &str, repetitions: u64) -> ExitCode {
    let Some(scenario) = scenarios::all().into_iter().find(|scenario| scenario.name == name) else {
        return ExitCode::FAILURE;
    };
    let mut repetition = scenario.prepare();
    for _ in 0..repetitions {
        repetition();
    }
    ExitCode::SUCCESS
}

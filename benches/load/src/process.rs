//! What a process has cost so far: its own processor time and another's, another's memory.

use std::fs::read_to_string;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// How many ticks of `/proc` make a second: what Linux tells every program on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of the process with all its threads, in seconds, to the tick.
#[derive(Clone, Copy, Debug)]
pub struct ProcessorTime {
    /// Spent in the program.
    pub user: f64,
    /// Spent in the kernel for it.
    pub system: f64,
}

/// Reads the processor time of another process.
///
/// # Errors
/// If there is no such process.
pub fn processor_time(process: u32) -> Result<ProcessorTime> {
    let status = read_to_string(format!("/proc/{process}/stat")).context("the server is gone")?;
    // The name of the program, in parentheses, may itself have spaces and parentheses.
    let (_, fields) = status.rsplit_once(") ").context("unexpected form of /proc/PID/stat")?;
    let ticks = |place: usize| -> Result<f64> {
        let field = fields.split(' ').nth(place).context("unexpected form of /proc/PID/stat")?;
        Ok(field.parse::<f64>()? / TICKS_PER_SECOND)
    };
    Ok(ProcessorTime { user: ticks(11)?, system: ticks(12)? })
}

/// Reads how many bytes of memory another process has had in use at most.
///
/// # Errors
/// If there is no such process.
pub fn peak_memory(process: u32) -> Result<usize> {
    let status = read_to_string(format!("/proc/{process}/status")).context("the server is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the server has no memory")?;
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}

/// How many seconds of processor time this process has used.
#[must_use]
pub fn own_processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    std::time::Duration::try_from(time).map_or(0.0, |time| time.as_secs_f64())
}

/// Allows this process as many descriptors as it may have.
///
/// # Errors
/// What `setrlimit(2)` gives.
pub fn allow_many_descriptors() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let before = own_processor_time();
        while own_processor_time() < before + 0.03 {}
        let seen = processor_time(std::process::id()).unwrap();
        assert!(seen.user + seen.system > 0.0);
        assert!(peak_memory(std::process::id()).unwrap() > 100_000);
    }
}

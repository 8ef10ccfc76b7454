//! What was seen: the messages of the measured time, how long each took, and what the server paid for them.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::process::{self, ProcessorTime};

/// Latencies are told apart to three digits, and longer ones than a minute count as a minute.
const LONGEST: u64 = 60_000_000_000;

/// Counts messages. Those outside of the measured time count in `messages` alone.
pub struct Tally {
    server: Option<u32>,
    messages: usize,
    window: Option<Window>,
    requests: usize,
    bytes: usize,
    latencies: Histogram<u32>,
}

/// The measured time, from its beginning on.
struct Window {
    begin: Instant,
    processor: Option<ProcessorTime>,
    own: f64,
    seconds: f64,
    is_open: bool,
}

/// What is printed.
pub struct Report(Vec<(&'static str, f64)>);

impl Tally {
    /// Begins to count; `server` is the process whose cost is told.
    ///
    /// # Panics
    /// Never: the bounds of the histogram are valid.
    #[must_use]
    pub fn new(server: Option<u32>) -> Self {
        let latencies = Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are in order");
        Self { server, messages: 0, window: None, requests: 0, bytes: 0, latencies }
    }

    /// How many messages have been answered in all.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// The measured time begins.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn begin(&mut self) -> Result<()> {
        let processor = self.server.map(process::processor_time).transpose()?;
        let own = process::own_processor_time();
        self.window = Some(Window { begin: Instant::now(), processor, own, seconds: 0.0, is_open: true });
        Ok(())
    }

    /// A message of that many bytes has been answered.
    pub fn answered(&mut self, bytes: usize, latency: Duration) {
        if self.transferred(bytes) {
            self.latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(LONGEST).clamp(1, LONGEST));
        }
    }

    /// So many bytes have come through, of which no latency is known. Says whether they fall into the measured time.
    pub fn transferred(&mut self, bytes: usize) -> bool {
        self.messages += 1;
        let counts = self.window.as_ref().is_some_and(|window| window.is_open);
        if counts {
            self.requests += 1;
            self.bytes += bytes;
        }
        counts
    }

    /// The measured time ends. What is still under way is awaited, but not counted.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn end(&mut self) -> Result<()> {
        let Some(window) = &mut self.window else { return Ok(()) };
        window.seconds = window.begin.elapsed().as_secs_f64();
        window.own = process::own_processor_time() - window.own;
        if let (Some(server), Some(before)) = (self.server, &mut window.processor) {
            let now = process::processor_time(server)?;
            *before = ProcessorTime { user: now.user - before.user, system: now.system - before.system };
        }
        window.is_open = false;
        Ok(())
    }

    /// Says what was seen.
    ///
    /// # Errors
    /// If the server is gone.
    pub fn report(&self) -> Result<Report> {
        let Some(window) = &self.window else { return Ok(Report(Vec::new())) };
        let requests = precise(self.requests);
        let mut figures = vec![
            ("requests", requests),
            ("seconds", window.seconds),
            ("requests_per_second", requests / window.seconds),
            ("mebibytes_per_second", precise(self.bytes) / window.seconds / f64::from(1 << 20)),
            ("messages_in_all", precise(self.messages)),
            ("load_cpu", window.own / window.seconds),
        ];
        if !self.latencies.is_empty() {
            for (name, quantile) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)] {
                figures.push((name, microseconds(self.latencies.value_at_quantile(quantile))));
            }
        }
        if let (Some(server), Some(used)) = (self.server, window.processor) {
            figures.push(("server_user_seconds", used.user));
            figures.push(("server_system_seconds", used.system));
            figures.push(("server_peak_memory", precise(process::peak_memory(server)?)));
        }
        Ok(Report(figures))
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let figures: Vec<_> = self.0.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        write!(formatter, "{{{}}}", figures.join(", "))
    }
}

#[expect(clippy::cast_precision_loss, reason = "no run counts to 2**53")]
fn precise(count: usize) -> f64 {
    count as f64
}

fn microseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(report: &Report, name: &str) -> f64 {
        report.0.iter().find(|(other, _)| *other == name).unwrap().1
    }

    #[test]
    fn only_the_measured_time_counts() {
        let mut tally = Tally::new(Some(std::process::id()));
        tally.answered(10, Duration::from_secs(50));
        tally.begin().unwrap();
        for milliseconds in 1..=100 {
            tally.answered(10, Duration::from_millis(milliseconds));
        }
        tally.end().unwrap();
        tally.answered(10, Duration::from_secs(50));
        let report = tally.report().unwrap();
        assert!((figure(&report, "requests") - 100.0).abs() < 0.1);
        assert!((figure(&report, "messages_in_all") - 102.0).abs() < 0.1);
        for (name, expected) in [("p50_us", 50_000.0), ("p99_us", 99_000.0), ("max_us", 100_000.0)] {
            assert!((figure(&report, name) / expected - 1.0).abs() < 0.002, "{name}");
        }
        let rate = figure(&report, "requests") / figure(&report, "seconds");
        assert!((figure(&report, "requests_per_second") / rate - 1.0).abs() < 1e-9);
        assert!(figure(&report, "server_peak_memory") > 0.0);
    }
}

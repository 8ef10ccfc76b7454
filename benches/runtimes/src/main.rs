//! What tasks, queues, locks and sockets cost: ioxide beside other runtimes that run on one thread.
//!
//! `cargo run --release [-- FILTER]` from this directory. Each runtime does the same work with what its own users would
//! take for it, and all in one run, for figures of different runs don't compare. Where they promise different things, the
//! runtime's file says so.

mod on_ioxide;
mod on_monoio;
mod on_smol;
mod on_tokio;

use std::hint::black_box;

use criterion::{Criterion, Throughput};

use on_ioxide::Ioxide;
use on_monoio::Monoio;
use on_smol::Smol;
use on_tokio::Tokio;

/// How often each scenario does what it is for, in one iteration.
const COUNT: usize = 1000;

/// How many tasks share that where several do.
const TASKS: usize = 10;

/// How long an echoed message is, in bytes.
const MESSAGE: usize = 64;

/// A runtime, and the work that it is measured by. The comments give what is done [`COUNT`] times.
trait Runtime {
    const NAME: &str;

    fn new() -> Self;
    /// A task is made, runs and is awaited.
    fn spawn(&mut self) -> usize;
    /// An item is put and got by the same task, and nobody waits.
    fn queue_alone(&mut self) -> usize;
    /// An item goes from one task to another, through a queue of sixteen places.
    fn queue_stream(&mut self) -> usize;
    /// An item goes to another task, which waits for it, and back.
    fn queue_ping_pong(&mut self) -> usize;
    /// A lock is taken and released, and nobody waits.
    fn lock_alone(&mut self) -> usize;
    /// A message goes to another task by TCP and comes back. Ten pairs of tasks do that at once, each on its connection.
    fn echo(&mut self) -> usize;
}

/// One in which a task can let the others run, and goes on behind them.
trait TakesTurns: Runtime {
    /// One of ten tasks lets the others run.
    fn yield_now(&mut self);
    /// A lock for which nine others wait is taken, held while they run, and released.
    fn lock_contended(&mut self) -> usize;
}

type Scenario<R, T> = fn(&mut R) -> T;

fn measure<R: Runtime, T>(criterion: &mut Criterion, path: &str, scenario: Scenario<R, T>) {
    let (_, name) = path.rsplit_once("::").unwrap_or_default();
    let mut group = criterion.benchmark_group(name.trim());
    group.throughput(Throughput::Elements(COUNT as u64));
    let mut runtime = R::new();
    group.bench_function(R::NAME, |bencher| bencher.iter(|| black_box(scenario(&mut runtime))));
    group.finish();
}

/// The runtimes take turns, so that what changes on the machine meanwhile meets all of them.
macro_rules! scenarios {
    ($criterion:ident: $runtimes:tt $($scenario:path),*) => {
        $(scenarios!(@ $criterion $scenario, $runtimes);)*
    };
    (@ $criterion:ident $scenario:path, [$($runtime:ty),*]) => {
        $(measure::<$runtime, _>($criterion, stringify!($scenario), $scenario);)*
    };
}

fn main() {
    let criterion = &mut Criterion::default().configure_from_args();
    scenarios!(criterion: [Ioxide, Tokio, Smol, Monoio]
        Runtime::spawn, Runtime::queue_alone, Runtime::queue_stream, Runtime::queue_ping_pong, Runtime::lock_alone,
        Runtime::echo);
    scenarios!(criterion: [Ioxide, Tokio, Smol]
        TakesTurns::yield_now, TakesTurns::lock_contended);
    criterion.final_summary();
}

//! The crawl: as many visits at a time as were asked for, until there is nothing left to visit.

use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;
use ioxide::signal::{Listener, Signal};
use ioxide::{Task, spawn};
use url::Url;

use super::Options;
use super::client::{Client, Patience};
use super::frontier::{Frontier, Onward};
use super::robots::Robots;
use super::spelling::site_of;
use super::store::{Outcome, Record, Store};
use super::summary::Summary;
use super::visit::{Found, visit};

/// How a crawl ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Done,
    PartlyFailed,
    Interrupted,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        Self::from(match end {
            End::Done => 0,
            End::PartlyFailed => 1,
            // What a shell shows for a program that SIGINT ended.
            End::Interrupted => 130,
        })
    }
}

/// Crawls, stores, and tells what was done.
///
/// # Errors
/// When the directory can't be written to.
pub async fn crawl(options: Options) -> io::Result<End> {
    let begun = Instant::now();
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", options.directory.display()));
    let store = Store::create(&options.directory).await.map_err(told)?;
    let mut crawl = Crawl::new(options.clone(), store);
    let is_interrupted = crawl.run().await.map_err(told)?;
    crawl.settle().await.map_err(told)?;
    let summary = Summary::new(&crawl.records, begun.elapsed());
    println!("{summary}");
    Ok(match (is_interrupted, summary.has_failures()) {
        (true, _) => End::Interrupted,
        (false, true) => End::PartlyFailed,
        (false, false) => End::Done,
    })
}

/// What the visits share.
struct Means {
    client: Rc<Client>,
    robots: Robots,
    store: Store,
    progress: ProgressBar,
    most_bytes: usize,
}

type Visited = io::Result<(Record, Onward)>;

struct Crawl {
    means: Rc<Means>,
    concurrency: usize,
    frontier: Frontier,
    under_way: FuturesUnordered<Task<Visited>>,
    records: Vec<Record>,
}

impl Crawl {
    fn new(options: Options, store: Store) -> Self {
        let Options { timeout, retries, back_off, .. } = options;
        let site = (!options.any_site).then(|| site_of(&options.start));
        let means = Means {
            client: Rc::new(Client::new(Patience { timeout, retries, back_off })),
            robots: Robots::default(),
            store,
            progress: ProgressBar::new(1),
            most_bytes: options.most_bytes,
        };
        Self {
            means: Rc::new(means),
            concurrency: options.concurrency,
            frontier: Frontier::new(options.start, options.depth, site),
            under_way: FuturesUnordered::new(),
            records: Vec::new(),
        }
    }

    /// Visits whatever is to be reached, and tells whether it was interrupted: then what was under way is done, and the
    /// rest isn't begun.
    async fn run(&mut self) -> io::Result<bool> {
        let interrupts = Listener::new(Signal::INTERRUPT)?;
        let mut is_interrupted = false;
        loop {
            while !is_interrupted && self.under_way.len() < self.concurrency && self.begin_visit() {}
            match select(self.under_way.next(), pin!(interrupts.recv())).await {
                Either::Left((None, _)) => return Ok(is_interrupted),
                // A visit is only cancelled as the loop ends.
                Either::Left((Some(Err(_)), _)) => {}
                Either::Left((Some(Ok(visited)), _)) => self.end_visit(visited?),
                // The loop cancels what is left as the program ends.
                Either::Right(_) if is_interrupted => return Ok(true),
                Either::Right(_) => {
                    is_interrupted = true;
                    self.means.tell(&format!("interrupted; pages under way: {}", self.under_way.len()));
                }
            }
        }
    }

    fn begin_visit(&mut self) -> bool {
        let Some(url) = self.frontier.next() else { return false };
        let depth = self.frontier.depth(&url).unwrap_or_default();
        self.under_way.push(spawn(Rc::clone(&self.means).visit(url, depth)));
        true
    }

    fn end_visit(&mut self, (record, onward): (Record, Onward)) {
        self.frontier.visited(&record.url, onward);
        self.records.push(record);
        let found = self.records.len() + self.under_way.len() + self.frontier.number_waiting();
        self.means.progress.set_length(found as u64);
        self.means.progress.inc(1);
    }

    /// Corrects what only the end of the crawl shows: depths, and redirects that lead nowhere.
    async fn settle(&mut self) -> io::Result<()> {
        self.means.progress.finish_and_clear();
        let endless = self.frontier.endless_redirects();
        for record in self.records.iter_mut().filter(|record| endless.contains(&record.url)) {
            record.fail_endless();
            if let Outcome::Failed { cause, .. } = &record.outcome {
                self.means.tell(&format!("{}: {cause}", record.url));
            }
        }
        self.means.store.settle(&mut self.records, |url| self.frontier.depth(url)).await
    }
}

impl Means {
    async fn visit(self: Rc<Self>, url: Url, depth: u32) -> Visited {
        let begun = Instant::now();
        let visit = visit(&self.client, &self.robots, &url, self.most_bytes).await;
        if let Found::Failed(error) = &visit.found {
            self.tell(&format!("{url}: {error}"));
        }
        let onward = visit.onward();
        let record = self.store.add(url, depth, visit, rounded_seconds(begun.elapsed())).await?;
        Ok((record, onward))
    }

    /// Prints a line on stderr, above the progress bar.
    fn tell(&self, line: &str) {
        self.progress.suspend(|| eprintln!("{line}"));
    }
}

/// To the microsecond.
fn rounded_seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

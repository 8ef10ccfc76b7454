//! Crawls a website to a depth: fetches each page once, stores it, and follows its links.
//!
//!     cargo run --release --example crawler -- http://localhost:8080/ pages 3
//!
//! The start page has depth 0, what it links to depth 1, and so on; a page's depth is that of the shortest way to it. A
//! redirect is no step: where it leads has the same depth. A page is fetched once, however many pages link to it and
//! however they spell its URL. Links to other sites aren't followed unless that is asked for, and robots.txt is obeyed.
//! What fails in a way that may pass is tried again, after a while. `store.rs` tells what is stored where.
//!
//! All of it is one thread: a task per page under way, hyper for HTTP, rustls for TLS, both on ioxide's loop.
//!
//! Exit code: 0; 1 when a page failed, which is told on stderr with its cause, or when the directory can't be written
//! to; 2 when the command line is wrong; 130 after Ctrl-C, which ends the crawl when what is under way is done. A second
//! Ctrl-C doesn't wait for that.

mod client;
mod crawl;
mod frontier;
mod page;
mod page_error;
mod pattern;
mod robots;
mod spelling;
mod store;
mod summary;
mod visit;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use url::Url;

/// Crawl a website: fetch each page once and store it.
#[derive(Clone, Debug, Parser)]
#[command(name = "crawler")]
struct Options {
    /// The page to start from
    #[arg(value_name = "URL", value_parser = start)]
    start: Url,
    /// The directory for what is fetched, which may not have an earlier crawl
    #[arg(value_name = "DEST")]
    directory: PathBuf,
    /// How many links to go from the start page
    #[arg(value_name = "DEPTH")]
    depth: u32,
    /// Pages at a time
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one())]
    concurrency: usize,
    /// Time for one page, each time that it is tried
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    timeout: Duration,
    /// How often a page is tried again that failed in a way that may pass
    #[arg(long, value_name = "N", default_value_t = 2)]
    retries: u32,
    /// Time before the first of these, doubled for each further one
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    back_off: Duration,
    /// How many bytes a page may have
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = at_least_one())]
    most_bytes: usize,
    /// Follow links to other sites, too
    #[arg(long)]
    any_site: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match ioxide::run(crawl::crawl(options)) {
        Ok(Ok(end)) => end.into(),
        Ok(Err(error)) | Err(error) => {
            eprintln!("crawler: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(text: &str) -> Result<Url, &'static str> {
    spelling::spell(text).ok_or("not an http or https URL")
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match Duration::try_from_secs_f64(number) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("not a time above zero".to_owned()),
    }
}

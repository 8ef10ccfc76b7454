//! What a crawl did, in words.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::store::{Outcome, Record};

/// Counts what became of URLs.
#[derive(Debug, Default)]
pub struct Summary {
    pages: usize,
    redirects: usize,
    refused: usize,
    failed: usize,
    causes: HashMap<String, usize>,
    duration: Duration,
}

impl Summary {
    pub fn new(records: &[Record], duration: Duration) -> Self {
        let mut summary = Self { duration, ..Self::default() };
        for record in records {
            match &record.outcome {
                Outcome::Page { .. } => summary.pages += 1,
                Outcome::Redirect { .. } => summary.redirects += 1,
                Outcome::Refused => summary.refused += 1,
                Outcome::Failed { cause, .. } => {
                    summary.failed += 1;
                    *summary.causes.entry(cause.clone()).or_default() += 1;
                }
            }
        }
        summary
    }

    pub fn has_failures(&self) -> bool {
        self.failed > 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pages, redirects, refused, failed, .. } = self;
        let seconds = self.duration.as_secs_f64();
        write!(
            formatter,
            "{pages} pages, {redirects} redirects, {refused} refused by robots.txt, {failed} failed in {seconds:.3} seconds"
        )?;
        let mut causes: Vec<_> = self.causes.iter().collect();
        causes.sort_by_key(|&(cause, number)| (std::cmp::Reverse(*number), cause));
        causes.iter().try_for_each(|(cause, number)| write!(formatter, "\n{number:6}  {cause}"))
    }
}

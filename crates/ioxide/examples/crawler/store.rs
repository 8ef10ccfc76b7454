//! Where a crawl is kept: a file for each page, and a manifest with a line for every URL.
//!
//!     DEST/manifest.jsonl      a JSON object on each line; of two lines for one URL the later counts
//!     DEST/pages/NUMBER.page   `URL: …` and `Depth: …`, an empty line, and the page's text in UTF-8
//!
//! A page's file gets its name when it is whole, and its line in the manifest after that: whenever the crawler is
//! killed, what the manifest lists is there. At the end the manifest is written anew, by depth and URL.

use std::cell::Cell;
use std::fmt::Write;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use ioxide::fs::{self, File};
use serde_json::json;
use url::Url;

use super::visit::{Found, Visit};

const MANIFEST: &str = "manifest.jsonl";
const PAGES: &str = "pages";

/// A line of the manifest: what became of a URL.
#[derive(Debug)]
pub struct Record {
    pub url: Url,
    pub depth: u32,
    pub outcome: Outcome,
    status: Option<u16>,
    seconds: f64,
}

/// What it was, and what is known of it by that.
#[derive(Debug)]
pub enum Outcome {
    Page { file: String, links: Vec<Url> },
    Redirect { location: Url },
    Refused,
    Failed { cause: String, location: Option<Url> },
}

impl Record {
    /// Makes a failure of a redirect that never ends.
    pub fn fail_endless(&mut self) {
        if let Outcome::Redirect { location } = &self.outcome {
            self.outcome = Outcome::Failed { cause: "too many redirects".to_owned(), location: Some(location.clone()) };
        }
    }

    fn line(&self) -> String {
        let (name, file, links, location, cause): (_, _, &[Url], _, _) = match &self.outcome {
            Outcome::Page { file, links } => ("page", Some(file), links, None, None),
            Outcome::Redirect { location } => ("redirect", None, &[], Some(location), None),
            Outcome::Refused => ("refused", None, &[], None, None),
            Outcome::Failed { cause, location } => ("failed", None, &[], location.as_ref(), Some(cause)),
        };
        let links: Vec<&str> = links.iter().map(Url::as_str).collect();
        let line = json!({
            "url": self.url.as_str(), "depth": self.depth, "outcome": name, "status": self.status, "links": links,
            "file": file, "location": location.map(Url::as_str), "cause": cause, "seconds": self.seconds,
        });
        format!("{line}\n")
    }
}

/// The directory of a crawl.
pub struct Store {
    directory: PathBuf,
    manifest: File,
    number: Cell<u64>,
}

impl Store {
    /// Makes the directory, in which there may be no crawl yet.
    pub async fn create(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory.join(PAGES)).await?;
        let options = OpenOptions::new().append(true).create_new(true).clone();
        let manifest = File::open_with(&options, directory.join(MANIFEST)).await.map_err(|error| {
            let is_taken = error.kind() == io::ErrorKind::AlreadyExists;
            if is_taken { io::Error::new(error.kind(), "there is a crawl already") } else { error }
        })?;
        Ok(Self { directory: directory.to_owned(), manifest, number: Cell::new(0) })
    }

    /// Stores what became of a URL.
    pub async fn add(&self, url: Url, depth: u32, visit: Visit, seconds: f64) -> io::Result<Record> {
        let outcome = match visit.found {
            Found::Page { text, links } => Outcome::Page { file: self.write_page(&url, depth, &text).await?, links },
            Found::Redirect(location) => Outcome::Redirect { location },
            Found::Refused => Outcome::Refused,
            Found::Failed(error) => Outcome::Failed { cause: error.cause, location: None },
        };
        let record = Record { url, depth, outcome, status: visit.status, seconds };
        self.manifest.write_all(record.line()).await?;
        Ok(record)
    }

    /// Writes the manifest anew, and corrects in the pages the depths that `depth` tells otherwise.
    pub async fn settle(&self, records: &mut [Record], depth: impl Fn(&Url) -> Option<u32>) -> io::Result<()> {
        for record in &mut *records {
            let Some(depth) = depth(&record.url).filter(|depth| *depth != record.depth) else { continue };
            record.depth = depth;
            if let Outcome::Page { file, .. } = &record.outcome {
                let content = fs::read_to_string(self.directory.join(PAGES).join(file)).await?;
                let text = content.split_once("\n\n").map_or("", |(_, text)| text);
                self.write_file(file, page_file(&record.url, depth, text)).await?;
            }
        }
        records.sort_by(|one, other| (one.depth, one.url.as_str()).cmp(&(other.depth, other.url.as_str())));
        let lines: String = records.iter().map(Record::line).collect();
        let unfinished = self.directory.join("manifest.part");
        fs::write(&unfinished, lines).await?;
        fs::rename(unfinished, self.directory.join(MANIFEST)).await
    }

    async fn write_page(&self, url: &Url, depth: u32, text: &str) -> io::Result<String> {
        self.number.set(self.number.get() + 1);
        let name = format!("{:06}.page", self.number.get());
        self.write_file(&name, page_file(url, depth, text)).await?;
        Ok(name)
    }

    async fn write_file(&self, name: &str, content: String) -> io::Result<()> {
        let pages = self.directory.join(PAGES);
        let unfinished = pages.join(format!("{name}.part"));
        fs::write(&unfinished, content).await?;
        fs::rename(unfinished, pages.join(name)).await
    }
}

fn page_file(url: &Url, depth: u32, text: &str) -> String {
    let mut content = String::with_capacity(text.len() + 256);
    // A string takes everything.
    let _ = write!(content, "URL: {url}\nDepth: {depth}\n\n{text}");
    content
}

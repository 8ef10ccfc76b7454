//! What becomes of one URL.

use std::rc::Rc;

use url::Url;

use super::client::{Client, Exchange};
use super::frontier::Onward;
use super::page::{self, ContentType};
use super::page_error::PageError;
use super::robots::Robots;
use super::spelling::spell_link;

/// What was found at a URL.
pub enum Found {
    Page { text: String, links: Vec<Url> },
    Redirect(Url),
    Refused,
    Failed(PageError),
}

/// A URL that was visited.
pub struct Visit {
    pub found: Found,
    pub status: Option<u16>,
}

impl Visit {
    /// Where it leads.
    pub fn onward(&self) -> Onward {
        match &self.found {
            Found::Page { links, .. } => Onward::Links(links.clone()),
            Found::Redirect(target) => Onward::Redirect(target.clone()),
            Found::Refused | Found::Failed(_) => Onward::Nowhere,
        }
    }
}

/// Visits a URL, if robots.txt lets it.
pub async fn visit(client: &Rc<Client>, robots: &Robots, url: &Url, most_bytes: usize) -> Visit {
    match robots.allows(client, url).await {
        Ok(false) => return Visit { found: Found::Refused, status: None },
        Err(error) => return Visit { found: Found::Failed(error), status: None },
        Ok(true) => {}
    }
    let status = std::cell::Cell::new(None);
    let fetched = client.try_again(async || {
        status.set(None);
        let exchange = client.get(url).await?;
        status.set(Some(exchange.status()));
        read(exchange, url, most_bytes).await
    });
    let found = fetched.await.unwrap_or_else(Found::Failed);
    Visit { found, status: status.get() }
}

async fn read(exchange: Exchange<'_>, url: &Url, most_bytes: usize) -> Result<Found, PageError> {
    match exchange.status() {
        301..=303 | 307 | 308 => {
            let location = exchange.header("location").unwrap_or_default().to_owned();
            exchange.discard().await;
            let target = spell_link(url, &location).ok_or_else(|| PageError::new("bad redirect", location))?;
            Ok(Found::Redirect(target))
        }
        200..=299 => read_page(exchange, url, most_bytes).await,
        status => {
            exchange.discard().await;
            Err(PageError::status(status))
        }
    }
}

async fn read_page(exchange: Exchange<'_>, url: &Url, most_bytes: usize) -> Result<Found, PageError> {
    let header = exchange.header("content-type").unwrap_or_default().to_owned();
    let content_type = ContentType::parse(&header);
    if !content_type.is_html {
        return Err(PageError::new("not HTML", header));
    }
    let body = exchange.body(most_bytes).await?;
    let text = page::decode(&body, content_type.charset)?;
    let links = page::links(url, &text);
    Ok(Found::Page { text, links })
}

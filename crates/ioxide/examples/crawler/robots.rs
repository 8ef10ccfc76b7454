//! What a site's robots.txt lets a crawler fetch, as RFC 9309 has it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared};
use url::Url;

use super::client::Client;
use super::page_error::PageError;
use super::pattern::Pattern;
use super::spelling::spell_link;

/// How the crawler is called, in requests and in a robots.txt.
pub const NAME: &str = "ioxide-crawler";

/// What RFC 9309 has a crawler read and follow, at least.
const MOST_BYTES: usize = 500 * 1024;
const MOST_REDIRECTS: usize = 5;

type Answer = Result<Rc<Rules>, PageError>;

/// Asks each site once for its robots.txt, and answers from it.
#[derive(Default)]
pub struct Robots {
    answers: RefCell<HashMap<String, Shared<LocalBoxFuture<'static, Answer>>>>,
}

impl Robots {
    /// Tells whether a URL may be fetched. Those who come while the site is being asked wait for the same answer.
    pub async fn allows(&self, client: &Rc<Client>, url: &Url) -> Result<bool, PageError> {
        let origin = url.origin().ascii_serialization();
        let known = self.answers.borrow().get(&origin).cloned();
        let answer = known.unwrap_or_else(|| {
            let asking = ask(Rc::clone(client), url.clone()).boxed_local().shared();
            self.answers.borrow_mut().insert(origin, asking.clone());
            asking
        });
        match answer.await {
            Ok(rules) => Ok(rules.allow(path_and_query(url))),
            Err(error) => Err(error.on_account_of("asked for robots.txt")),
        }
    }
}

fn path_and_query(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

async fn ask(client: Rc<Client>, url: Url) -> Answer {
    let bad_url = || PageError::new("bad URL", "");
    let mut url = url.join("/robots.txt").map_err(|_| bad_url())?;
    for _ in 0..=MOST_REDIRECTS {
        let answer = client.try_again(async || {
            let exchange = client.get(&url).await?;
            let status = exchange.status();
            if status >= 500 {
                return Err(PageError::status(status));
            }
            let location = exchange.header("location").map(str::to_owned);
            Ok((status, location, exchange.beginning_of_body(MOST_BYTES).await?))
        });
        let (status, location, body) = answer.await?;
        match (status, location) {
            (200..300, _) => return Ok(Rc::new(Rules::parse(&String::from_utf8_lossy(&body), NAME))),
            (300..400, Some(location)) => url = spell_link(&url, &location).ok_or_else(bad_url)?,
            // It is the site's word that there are no rules.
            _ => break,
        }
    }
    Ok(Rc::default())
}

/// The rules that are for this crawler.
#[derive(Debug, Default)]
struct Rules {
    rules: Vec<(Pattern, bool)>,
}

impl Rules {
    /// Those that name the crawler count; if none does, those for everybody.
    fn parse(text: &str, crawler: &str) -> Self {
        let (mut own, mut everybodys) = (None, Vec::new());
        let (mut is_own, mut is_everybodys, mut is_naming) = (false, false, false);
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match &key.trim().to_ascii_lowercase()[..] {
                "user-agent" => {
                    if !is_naming {
                        (is_own, is_everybodys, is_naming) = (false, false, true);
                    }
                    is_own |= value.eq_ignore_ascii_case(crawler);
                    is_everybodys |= value == "*";
                    if is_own {
                        own.get_or_insert_default();
                    }
                }
                key @ ("allow" | "disallow") => {
                    is_naming = false;
                    // An empty rule fits nothing.
                    if is_own && !value.is_empty() {
                        own.get_or_insert_with(Vec::new).push((Pattern::new(value), key == "allow"));
                    } else if is_everybodys && !value.is_empty() {
                        everybodys.push((Pattern::new(value), key == "allow"));
                    }
                }
                _ => {}
            }
        }
        Self { rules: own.unwrap_or(everybodys) }
    }

    /// The longest pattern that fits decides; of two that are as long, the one that allows.
    fn allow(&self, path: &str) -> bool {
        self.rules
            .iter()
            .filter(|(pattern, _)| pattern.fits(path))
            .max_by_key(|(pattern, allows)| (pattern.length(), *allows))
            .is_none_or(|(_, allows)| *allows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let rules = Rules::parse(text, NAME);
        paths.iter().copied().filter(|path| rules.allow(path)).collect()
    }

    #[test]
    fn rules_for_everybody_hold_unless_there_are_own_ones() {
        let everybodys = "User-agent: *\nDisallow: /a";
        assert_eq!(allowed(everybodys, &["/a", "/b"]), ["/b"]);
        let own = "User-agent: other\nUser-Agent: IOXIDE-crawler\nDisallow: /b\n\nUser-agent: *\nDisallow: /";
        assert_eq!(allowed(own, &["/a", "/b"]), ["/a"]);
        assert_eq!(allowed("User-agent: other\nDisallow: /", &["/a"]), ["/a"]);
        assert_eq!(allowed("User-agent: ioxide-crawler\nDisallow:\n\nUser-agent: *\nDisallow: /", &["/a"]), ["/a"]);
    }

    #[test]
    fn groups_for_the_same_crawler_are_one() {
        let text = "User-agent: *\nDisallow: /a\n\nUser-agent: x\nDisallow: /c\n\nUser-agent: *\nDisallow: /b";
        assert_eq!(allowed(text, &["/a", "/b", "/c"]), ["/c"]);
    }

    #[test]
    fn the_longest_rule_decides_and_of_equals_the_one_that_allows() {
        let text = "User-agent: *\nDisallow: /private/\nAllow: /private/open\nDisallow: /x\nAllow: /x";
        assert_eq!(allowed(text, &["/private/", "/private/open", "/x"]), ["/private/open", "/x"]);
    }

    #[test]
    fn what_is_no_rule_is_passed_over() {
        let text = "\u{feff}User-agent: * # everybody\r\nSitemap: /x\r\nnonsense\r\nDisallow: /b # not this\r\n";
        assert_eq!(allowed(text, &["/a", "/b"]), ["/a"]);
        assert_eq!(allowed("<html>not rules at all", &["/a"]), ["/a"]);
    }
}

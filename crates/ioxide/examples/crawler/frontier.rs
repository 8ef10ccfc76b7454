//! What is known of each URL, and which are to be visited yet.
//!
//! Pages arrive in any order, so that a page may first be found by a long way. When a shorter one is found the page's
//! own links are reached by shorter ways, too, and may come within the depth. The page itself isn't fetched again.
//!
//! Nothing in here waits or fetches.

use std::collections::{HashMap, VecDeque};

use url::Url;

/// How many redirects in a row are followed.
const MOST_REDIRECTS: u32 = 10;

/// Where a visited URL leads.
#[derive(Debug)]
pub enum Onward {
    Links(Vec<Url>),
    Redirect(Url),
    Nowhere,
}

/// A way to a URL: how many links it has, and how many redirects in a row it ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    depth: u32,
    redirects: u32,
}

#[derive(Debug)]
struct Known {
    /// The least of each, over all ways.
    way: Way,
    /// Once it was visited.
    onward: Option<Onward>,
}

/// The crawl's map.
#[derive(Debug)]
pub struct Frontier {
    most_depth: u32,
    /// Links to other sites than this aren't followed.
    site: Option<String>,
    known: HashMap<Url, Known>,
    waiting: VecDeque<Url>,
}

impl Frontier {
    pub fn new(start: Url, most_depth: u32, site: Option<String>) -> Self {
        let mut frontier = Self { most_depth, site, known: HashMap::new(), waiting: VecDeque::new() };
        frontier.reach(vec![(start, Way { depth: 0, redirects: 0 })]);
        frontier
    }

    /// The URL to visit next.
    pub fn next(&mut self) -> Option<Url> {
        self.waiting.pop_front()
    }

    pub fn number_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Notes where a URL leads that was visited.
    pub fn visited(&mut self, url: &Url, onward: Onward) {
        let Some(known) = self.known.get_mut(url) else { return };
        let ways = ways_on(known.way, &onward);
        known.onward = Some(onward);
        self.reach(ways);
    }

    /// The depth of a URL that was reached.
    pub fn depth(&self, url: &Url) -> Option<u32> {
        Some(self.known.get(url)?.way.depth)
    }

    /// The redirects that lead round in circles, or further than redirects are followed.
    pub fn endless_redirects(&self) -> Vec<Url> {
        let is_endless = |url: &&Url| {
            let mut last = *url;
            for _ in 0..=MOST_REDIRECTS {
                match self.known.get(last).map(|known| &known.onward) {
                    Some(Some(Onward::Redirect(target))) => last = target,
                    _ => return false,
                }
            }
            true
        };
        self.known.keys().filter(is_endless).cloned().collect()
    }

    /// Notes ways to URLs. A new one waits to be visited; from a known one the way goes on, if it is shorter.
    fn reach(&mut self, mut ways: Vec<(Url, Way)>) {
        while let Some((url, way)) = ways.pop() {
            if way.depth > self.most_depth || way.redirects > MOST_REDIRECTS || !self.is_wanted(&url) {
                continue;
            }
            let Some(known) = self.known.get_mut(&url) else {
                self.waiting.push_back(url.clone());
                self.known.insert(url, Known { way, onward: None });
                continue;
            };
            let best = Way { depth: way.depth.min(known.way.depth), redirects: way.redirects.min(known.way.redirects) };
            if best != known.way {
                known.way = best;
                ways.extend(known.onward.iter().flat_map(|onward| ways_on(best, onward)));
            }
        }
    }

    fn is_wanted(&self, url: &Url) -> bool {
        self.site.as_ref().is_none_or(|site| *site == crate::spelling::site_of(url))
    }
}

/// The ways on from a URL, the last first: they are taken from the end.
fn ways_on(way: Way, onward: &Onward) -> Vec<(Url, Way)> {
    match onward {
        Onward::Links(links) => {
            let way = Way { depth: way.depth + 1, redirects: 0 };
            links.iter().rev().map(|link| (link.clone(), way)).collect()
        }
        Onward::Redirect(target) => vec![(target.clone(), Way { redirects: way.redirects + 1, ..way })],
        Onward::Nowhere => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(name: &str) -> Url {
        Url::parse("http://site/").unwrap().join(name).unwrap()
    }

    fn links(names: &[&str]) -> Onward {
        Onward::Links(names.iter().map(|name| url(name)).collect())
    }

    fn frontier(most_depth: u32) -> Frontier {
        Frontier::new(url("start"), most_depth, Some("site".to_owned()))
    }

    fn all_waiting(frontier: &mut Frontier) -> Vec<String> {
        std::iter::from_fn(|| frontier.next()).map(|url| url.path()[1..].to_owned()).collect()
    }

    #[test]
    fn each_url_is_visited_once_in_the_order_in_which_it_was_found() {
        let mut frontier = frontier(5);
        assert_eq!(all_waiting(&mut frontier), ["start"]);
        frontier.visited(&url("start"), links(&["b", "a", "b", "start"]));
        frontier.visited(&url("a"), links(&["c", "start", "b"]));
        assert_eq!(all_waiting(&mut frontier), ["b", "a", "c"]);
    }

    #[test]
    fn a_shorter_way_that_is_found_later_shortens_all_ways_beyond() {
        let mut frontier = frontier(3);
        frontier.visited(&url("start"), links(&["short", "long-1"]));
        frontier.visited(&url("long-1"), links(&["long-2"]));
        frontier.visited(&url("long-2"), links(&["end"]));
        frontier.visited(&url("end"), links(&["beyond"]));
        assert_eq!(frontier.depth(&url("end")), Some(3));
        assert_eq!(all_waiting(&mut frontier), ["start", "short", "long-1", "long-2", "end"]);
        frontier.visited(&url("short"), links(&["end"]));
        assert_eq!(frontier.depth(&url("end")), Some(2));
        assert_eq!(all_waiting(&mut frontier), ["beyond"]);
        assert_eq!(frontier.depth(&url("beyond")), Some(3));
    }

    #[test]
    fn neither_other_sites_nor_what_lies_too_deep_is_visited() {
        let mut frontier = frontier(1);
        frontier.visited(&url("start"), links(&["http://other/", "a", "https://site/b", "http://site:8080/"]));
        frontier.visited(&url("a"), links(&["too-deep"]));
        assert_eq!(all_waiting(&mut frontier), ["start", "a", "b"]);
        assert_eq!(frontier.depth(&url("too-deep")), None);
    }

    #[test]
    fn a_redirect_is_no_step_and_circles_of_them_are_endless() {
        let mut frontier = frontier(0);
        frontier.visited(&url("start"), Onward::Redirect(url("circle")));
        frontier.visited(&url("circle"), Onward::Redirect(url("back")));
        frontier.visited(&url("back"), Onward::Redirect(url("circle")));
        assert_eq!(all_waiting(&mut frontier), ["start", "circle", "back"]);
        assert_eq!(frontier.depth(&url("back")), Some(0));
        let mut endless = frontier.endless_redirects();
        endless.sort();
        assert_eq!(endless, [url("back"), url("circle"), url("start")]);
    }

    #[test]
    fn redirects_are_followed_ten_times_but_not_eleven() {
        let mut frontier = frontier(0);
        for number in 0..20 {
            let Some(next) = frontier.next() else { break };
            frontier.visited(&next, Onward::Redirect(url(&number.to_string())));
        }
        assert_eq!(frontier.depth(&url("9")), Some(0));
        assert_eq!(frontier.depth(&url("10")), None);
        assert!(frontier.endless_redirects().contains(&url("start")));
    }

    #[test]
    fn a_redirect_that_ends_is_not_endless() {
        let mut frontier = frontier(0);
        frontier.visited(&url("start"), Onward::Redirect(url("page")));
        frontier.visited(&url("page"), Onward::Nowhere);
        assert_eq!(frontier.endless_redirects(), []);
    }
}

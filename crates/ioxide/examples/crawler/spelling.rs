//! One spelling for each URL, so that a page is known again however a link to it is written.
//!
//! The URL standard, which `url` implements, does most of it: scheme and host in small letters, international host names
//! in ASCII, no default port, no dot segments. It leaves percent-encoded what needn't be; that is done here.

use url::Url;

/// Spells an http or https URL in the one way. `None` for everything else, and for what can't be a URL.
pub fn spell(text: &str) -> Option<Url> {
    respell(Url::parse(text).ok()?)
}

/// Spells where a link on a page leads.
pub fn spell_link(base: &Url, link: &str) -> Option<Url> {
    // The URL of a page without a fragment is what an empty link means; nobody needs to be told.
    if link.trim().is_empty() { None } else { respell(base.join(link).ok()?) }
}

fn respell(mut url: Url) -> Option<Url> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return None;
    }
    // A fragment names a part of the page, and what stands before an `@` is for whoever follows the link: neither tells
    // pages apart.
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    let path = respell_escapes(url.path());
    if path != url.path() {
        url.set_path(&path);
    }
    let query = url.query().map(respell_escapes);
    if query.as_deref() != url.query() {
        url.set_query(query.as_deref());
    }
    Some(url)
}

/// Decodes each `%XX` that stands for a character that means the same without (RFC 3986, 2.3), and writes the others in
/// capitals.
pub fn respell_escapes(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('%') {
        let (before, from) = rest.split_at(start);
        spelled.push_str(before);
        let escape = from.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape.map(char::from) {
            Some(character) if character.is_ascii_alphanumeric() || "-._~".contains(character) => {
                spelled.push(character);
                rest = &from[3..];
            }
            Some(_) => {
                spelled.push_str(&from[..3].to_ascii_uppercase());
                rest = &from[3..];
            }
            None => {
                spelled.push('%');
                rest = &from[1..];
            }
        }
    }
    spelled + rest
}

/// The site that a URL is of: host and port, the same for http and https on their own ports.
pub fn site_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_page_becomes_the_same() {
        let base = Url::parse("http://localhost:8080/directory/").unwrap();
        for link in [
            "page.html",
            "page.html#part",
            "./page.html",
            "/directory/elsewhere/../page.html",
            "/../directory/page.html",
            "%70age.html",
            "/directory/page%2Ehtml",
            "HTTP://LocalHost:8080/directory/page.html",
            "//somebody:secret@localhost:8080/directory/page.html",
        ] {
            let spelled = spell_link(&base, link).unwrap();
            assert_eq!(spelled.as_str(), "http://localhost:8080/directory/page.html", "{link}");
        }
    }

    #[test]
    fn what_only_looks_like_the_same_is_not() {
        for url in
            ["http://a/b%2Fc", "http://a/b/c", "http://a/B/c", "http://a/b/c?", "http://a/b/c?d=%26", "http://b/"]
        {
            assert_eq!(spell(url).unwrap().as_str(), url);
        }
    }

    #[test]
    fn characters_that_have_to_be_are_percent_encoded_in_capitals() {
        for url in ["http://a/caf%c3%a9", "http://a/café", "http://a/caf%C3%A9"] {
            assert_eq!(spell(url).unwrap().as_str(), "http://a/caf%C3%A9");
        }
    }

    #[test]
    fn what_cannot_be_fetched_has_no_spelling() {
        for text in ["mailto:we@example.org", "http://[nonsense/", "no url", "ftp://a/", ""] {
            assert_eq!(spell(text), None, "{text}");
        }
    }

    #[test]
    fn a_percent_sign_that_begins_nothing_stays() {
        assert_eq!(respell_escapes("100%"), "100%");
        assert_eq!(respell_escapes("%zz%e9%4"), "%zz%E9%4");
        assert_eq!(respell_escapes("%é"), "%é");
    }
}

//! What stands on a page: its text, and where its links lead.

use encoding_rs::{Encoding, UTF_8};
use html5gum::emitters::default::{DefaultEmitter, StartTag};
use html5gum::{Token, Tokenizer};
use url::Url;

use super::page_error::PageError;
use super::spelling::spell_link;

/// How far into a page HTML lets its `<meta charset>` stand.
const META_CHARSET_BYTES: usize = 1024;

/// Whether this is the type of a page that can have links. `charset` is the one that it names.
#[derive(Debug, PartialEq, Eq)]
pub struct ContentType<'a> {
    pub is_html: bool,
    pub charset: Option<&'a str>,
}

impl<'a> ContentType<'a> {
    pub fn parse(header: &'a str) -> Self {
        let mut parts = header.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let is_html = ["text/html", "application/xhtml+xml"].iter().any(|html| kind.eq_ignore_ascii_case(html));
        let charset = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .map(|(_, value)| value.trim().trim_matches('"'));
        Self { is_html, charset }
    }
}

/// Decodes a page: by its byte order mark, else by its header, else by what it declares itself, else as UTF-8.
pub fn decode(body: &[u8], header_charset: Option<&str>) -> Result<String, PageError> {
    let declared = header_charset.map(str::to_owned).or_else(|| declared_charset(body));
    let encoding = match (Encoding::for_bom(body), &declared) {
        (Some((encoding, _)), _) => encoding,
        (None, Some(label)) => Encoding::for_label(label.as_bytes())
            .ok_or_else(|| PageError::new("bad encoding", format!("unknown charset {label:?}")))?,
        (None, None) => UTF_8,
    };
    let body = Encoding::for_bom(body).map_or(body, |(_, length)| &body[length..]);
    encoding
        .decode_without_bom_handling_and_without_replacement(body)
        .map(String::from)
        .ok_or_else(|| PageError::new("bad encoding", format!("not {}", encoding.name())))
}

/// Lists the links of a page once each, in the order in which they stand there. They are relative to the page's
/// `<base>`, wherever in the page it stands.
pub fn links(page: &Url, html: &str) -> Vec<Url> {
    let mut base = None;
    let mut written = Vec::new();
    for tag in start_tags(html) {
        let Some(link) = attribute(&tag, "href") else { continue };
        match &tag.name[..] {
            b"a" | b"area" => written.push(link),
            b"base" if base.is_none() => base = spell_link(page, &link),
            _ => {}
        }
    }
    let base = base.as_ref().unwrap_or(page);
    let mut links: Vec<Url> = Vec::new();
    let mut known = std::collections::HashSet::new();
    links.extend(written.iter().filter_map(|link| spell_link(base, link)).filter(|link| known.insert(link.clone())));
    links
}

fn start_tags(html: &str) -> impl Iterator<Item = StartTag<()>> {
    let mut emitter = DefaultEmitter::default();
    // What looks like a tag within a script is none.
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, emitter).filter_map(|token| match token {
        Ok(Token::StartTag(tag)) => Some(tag),
        _ => None,
    })
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The charset that a page's beginning declares.
fn declared_charset(body: &[u8]) -> Option<String> {
    let beginning = String::from_utf8_lossy(&body[..body.len().min(META_CHARSET_BYTES)]);
    let charset = start_tags(&beginning).filter(|tag| tag.name == b"meta").find_map(|tag| {
        attribute(&tag, "charset").or_else(|| {
            let content = attribute(&tag, "content")?;
            ContentType::parse(&content).charset.map(str::to_owned)
        })
    })?;
    // It could be read as ASCII, so it can't be UTF-16: HTML has it mean UTF-8.
    let is_wide = charset.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("utf-16"));
    Some(if is_wide { "utf-8".to_owned() } else { charset })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links_of(html: &str) -> Vec<String> {
        links(&Url::parse("http://site/directory/page").unwrap(), html).into_iter().map(String::from).collect()
    }

    #[test]
    fn links_are_found_however_the_tag_is_written() {
        assert_eq!(
            links_of("<A HREF=one>..<a class=x\nhref = 'two'><area href=\"three&amp;3\"><a href><a name=x>"),
            ["http://site/directory/one", "http://site/directory/two", "http://site/directory/three&3"]
        );
    }

    #[test]
    fn what_only_looks_like_a_link_is_none() {
        assert_eq!(
            links_of("<!-- <a href=x> --><script>'<a href=x>'</script><link href=x><title><a href=x></title>"),
            [""; 0]
        );
    }

    #[test]
    fn links_are_relative_to_the_base_wherever_it_stands() {
        assert_eq!(links_of("<a href=x><base href=/other/><base href=/third/>"), ["http://site/other/x"]);
    }

    #[test]
    fn a_link_that_stands_twice_is_listed_once() {
        assert_eq!(links_of("<a href=y><a href=x><a href='./y#part'>").len(), 2);
    }

    #[test]
    fn a_page_is_decoded_as_header_or_page_say() {
        assert_eq!(decode("é".as_bytes(), None).unwrap(), "é");
        assert_eq!(decode(b"\xe9", Some("ISO-8859-1")).unwrap(), "é");
        assert!(decode(b"<meta charset=latin1>\xe9", None).unwrap().ends_with('é'));
        let by_content = b"<meta http-equiv=content-type content='text/html; charset=latin1'>\xe9";
        assert!(decode(by_content, None).unwrap().ends_with('é'));
        assert_eq!(decode(b"\xef\xbb\xbfx", Some("latin1")).unwrap(), "x");
        assert_eq!(decode("<meta charset=UTF-16>é".as_bytes(), None).unwrap(), "<meta charset=UTF-16>é");
    }

    #[test]
    fn what_cannot_be_decoded_is_an_error() {
        assert_eq!(decode(b"\xe9", None).unwrap_err().to_string(), "bad encoding (not UTF-8)");
        let error = decode(b"", Some("no-such")).unwrap_err();
        assert_eq!(error.to_string(), "bad encoding (unknown charset \"no-such\")");
    }

    #[test]
    fn content_types_are_read() {
        let parse = ContentType::parse;
        assert_eq!(parse("Text/HTML; Charset=\"utf-8\""), ContentType { is_html: true, charset: Some("utf-8") });
        assert_eq!(parse("image/png"), ContentType { is_html: false, charset: None });
        assert_eq!(parse(""), ContentType { is_html: false, charset: None });
    }
}

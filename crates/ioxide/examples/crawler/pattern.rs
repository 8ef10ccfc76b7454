//! The patterns of a robots.txt: a path's beginning, in which `*` stands for anything and a `$` at the end for the end.

use super::spelling::respell_escapes;

/// A pattern, with the escapes of its path in the one spelling.
#[derive(Debug)]
pub struct Pattern {
    /// What stands between the `*`.
    parts: Vec<String>,
    is_whole: bool,
    length: usize,
}

impl Pattern {
    pub fn new(text: &str) -> Self {
        let (path, is_whole) = text.strip_suffix('$').map_or((text, false), |path| (path, true));
        let path =
            respell_escapes(&percent_encoding::utf8_percent_encode(path, percent_encoding::CONTROLS).to_string());
        Self { parts: path.split('*').map(str::to_owned).collect(), is_whole, length: text.len() }
    }

    /// The longer of two patterns that fit is the one that counts.
    pub fn length(&self) -> usize {
        self.length
    }

    pub fn fits(&self, path: &str) -> bool {
        let (first, others) = self.parts.split_first().expect("splitting gives at least one part");
        let Some(mut rest) = path.strip_prefix(first.as_str()) else { return false };
        let Some((last, between)) = others.split_last() else { return !self.is_whole || rest.is_empty() };
        // Each part is taken where it comes first: that leaves the most for those behind it.
        for part in between {
            match rest.find(part.as_str()) {
                Some(start) => rest = &rest[start + part.len()..],
                None => return false,
            }
        }
        if self.is_whole { rest.ends_with(last.as_str()) } else { rest.contains(last.as_str()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_the_standard_has_it() {
        for (pattern, path, fits) in [
            ("/", "/anything", true),
            ("/fish", "/fish.html", true),
            ("/fish", "/Fish", false),
            ("/fish/", "/fish", false),
            ("/*.php", "/folder/file.php?x=1", true),
            ("/*.php$", "/folder/file.php?x=1", false),
            ("/*.php$", "/a.php.php", true),
            ("/fish*.php", "/fishheads/catfish.php", true),
            ("/fish$", "/fish", true),
            ("/a*b*c", "/a-c-b", false),
            ("/a*b*c", "/a-b-b-c", true),
            ("*", "/", true),
            ("/%7euser", "/~user", true),
            ("/café", "/caf%C3%A9", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(path), fits, "{pattern} on {path}");
        }
    }
}

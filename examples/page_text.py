"""The words of a page, as a reader sees them."""

from __future__ import annotations

from html.parser import HTMLParser

# What stands within these is no text of the page.
UNSEEN = frozenset({"script", "style", "template", "noscript", "title"})
# The text goes on within a line on both sides of these; every other tag parts words.
# fmt: off
INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp", "small",
    "span", "strong", "sub", "sup", "u", "var", "wbr",
})
# fmt: on


def title_and_text(html: str) -> tuple[str, str]:
    """Tell a page's title and its text, each with single blanks between the words."""
    parser = TextCollector()
    parser.feed(html)
    parser.close()
    return " ".join("".join(parser.title).split()), " ".join("".join(parser.text).split())


class TextCollector(HTMLParser):
    """Collects the text of a page, and apart from it that of its first `<title>`."""

    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.text: list[str] = []
        self._within: list[str] = []
        self._titled = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what hides its text; part words."""
        if tag in UNSEEN:
            self._within.append(tag)
        if tag not in INLINE:
            self.text.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Part words: a tag that ends at once holds nothing."""
        if tag not in INLINE:
            self.text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of what hides its text, and of what was left open within it; part words."""
        if tag in self._within:
            while self._within.pop() != tag:
                pass
            self._titled = self._titled or tag == "title"
        if tag not in INLINE:
            self.text.append(" ")

    def handle_data(self, data: str) -> None:
        """Keep a piece of text where it belongs."""
        if not self._within:
            self.text.append(data)
        elif self._within == ["title"] and not self._titled:
            self.title.append(data)

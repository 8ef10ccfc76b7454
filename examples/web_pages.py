"""What the programs that fetch web pages share: why a page can't be used, how it is decoded, which links it holds.

All of it is plain functions: nothing in here waits for anything.
"""

from __future__ import annotations

from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import aiohttp

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})

# How far into a page HTML lets its <meta> charset stand.
META_CHARSET_BYTES = 1024

WITHOUT_BREAKS = str.maketrans("", "", "\t\n\r")

# The first entry that fits an exception names it, so subclasses stand before their bases.
CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.TooManyRedirects, "too many redirects"),
    (aiohttp.RedirectClientError, "bad redirect"),
    (aiohttp.NonHttpUrlClientError, "bad URL"),
    (aiohttp.InvalidURL, "bad URL"),
    (TimeoutError, "timed out"),
    (aiohttp.ClientSSLError, "TLS failed"),
    (aiohttp.ClientConnectorDNSError, "host not found"),
    (aiohttp.ClientConnectorError, "cannot connect"),
    (aiohttp.ServerDisconnectedError, "connection closed early"),
    (aiohttp.ClientPayloadError, "connection closed early"),
    (OSError, "connection closed early"),
    (aiohttp.ClientError, "bad response"),
    # aiohttp lets the idna codec's UnicodeError through for host names that can't be encoded.
    (ValueError, "bad URL"),
)


class PageError(Exception):
    """A page that can't be used: the cause, which failures are counted by, and what else is known."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(f"{cause} ({detail})" if detail else cause)
        self.cause = cause


def is_fetchable(url: str) -> bool:
    """Tell whether this is an http or https URL with a host, and nothing in it that would break an output line."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url


def page_error_of(error: Exception) -> PageError:
    """Name the cause of what went wrong between asking for a page and having all of it."""
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return PageError("connection refused")
    # aiohttp reports a body that can't be decompressed as it does one that ends early; only the cause differs.
    if isinstance(error, aiohttp.ClientPayloadError) and "content-encoding" in f"{error} {error.__cause__}".lower():
        return PageError("bad response", "not compressed as its header says")
    cause = next(cause for kind, cause in CAUSES if isinstance(error, kind))
    told_by_the_cause = cause in ("too many redirects", "bad URL", "timed out")
    return PageError(cause, "" if told_by_the_cause else " ".join(str(error).split()))


def decode(body: bytes, header_charset: str | None) -> str:
    """Decode a page: by its Content-Type header, else by what it declares itself, else as UTF-8.

    Raises `PageError` for a page that isn't written in that charset, and for a charset that Python doesn't know.
    """
    charset = header_charset or declared_charset(body) or "utf-8"
    try:
        return body.decode(charset)
    except UnicodeError:
        raise PageError("bad encoding", f"not {charset}") from None
    except (LookupError, ValueError):
        raise PageError("bad encoding", f"unknown charset {charset!r}") from None


def extract_links(page_url: str, html: str) -> list[str]:
    """List the links of a page once each, absolute, in the order in which they stand there.

    They are relative to the page's `<base>`, wherever in the page it stands. A `<base>` is no link itself. Raises
    `PageError` for what Python's parser refuses.
    """
    parser = HrefCollector()
    try:
        parser.feed(html)
        parser.close()
    except AssertionError as error:  # how html.parser gives up on a marked section such as <![X[
        raise PageError("malformed HTML", str(error)) from error
    base = resolve(page_url, parser.base or "")
    if base is None or urlsplit(base).scheme not in ("http", "https"):
        base = page_url
    resolved = (resolve(base, href) for href in parser.hrefs)
    return list(dict.fromkeys(link for link in resolved if link is not None))


def resolve(base: str, href: str) -> str | None:
    """Make a link absolute. None for an empty one and for what isn't a URL at all."""
    # HTML strips a URL and drops the line breaks and tabs inside it; one of those would also break an output line.
    href = href.strip(" \t\n\r\f").translate(WITHOUT_BREAKS)
    if not href:
        return None
    try:
        return urljoin(base, href)
    except ValueError:
        return None


def declared_charset(body: bytes) -> str | None:
    """Tell the charset that a page's beginning declares, if any."""
    parser = MetaCharset()
    # What makes the parser give up ends the search; what it had found by then still counts.
    with suppress(AssertionError):
        parser.feed(body[:META_CHARSET_BYTES].decode("latin-1"))
    charset = parser.charset
    # The declaration could be read as ASCII, so it can't stand in UTF-16: HTML has it mean UTF-8.
    return "utf-8" if charset and charset.lower().startswith("utf-16") else charset


class HrefCollector(HTMLParser):
    """Collects the `href` of every tag of a page, and apart from them that of its `<base>`."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag's `href`: the first, where a tag has two."""
        href = next((value for name, value in attrs if name == "href"), None)
        if href is None:
            return
        if tag != "base":
            self.hrefs.append(href)
        elif self.base is None:
            self.base = href


class MetaCharset(HTMLParser):
    """Finds the charset that a page declares in a `<meta>` tag."""

    def __init__(self) -> None:
        super().__init__()
        self.charset: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take `<meta charset="…">`, or the older `<meta http-equiv="Content-Type" content="…; charset=…">`."""
        if tag != "meta" or self.charset is not None:
            return
        values = {name: (value or "").strip() for name, value in attrs}
        if values.get("charset"):
            self.charset = values["charset"]
        elif values.get("http-equiv", "").lower() == "content-type":
            _, _, rest = values.get("content", "").lower().partition("charset")
            self.charset = rest.partition(";")[0].strip(" ='\"") or None

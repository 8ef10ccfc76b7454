"""One spelling for each URL, so that a page is known again however a link to it is written.

yarl, which aiohttp makes its requests with, does most of it: scheme and host in small letters, international host names
in ASCII, no default port, no dot segments, the same characters percent-encoded everywhere.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from web_pages import is_fetchable
from yarl import URL


def one_spelling(url: str) -> str | None:
    """Spell an http or https URL in the one way. None for everything else, and for what can't be a URL.

    A fragment names a part of the page, and what stands before an `@` is for whoever follows the link: neither tells
    pages apart.
    """
    try:
        spelled = URL(url)
    except ValueError:
        return None
    if not spelled.host:
        return None
    spelling = f"{spelled.scheme}://{spelled.host_port_subcomponent}{spelled.raw_path_qs}"
    return spelling if is_fetchable(spelling) else None


def site_of(url: str) -> str:
    """Tell the site of a URL in the one spelling: host and port, the same for http and https on their own ports."""
    return urlsplit(url).netloc


def origin_of(url: str) -> str:
    """Tell the scheme, host and port of a URL in the one spelling, with no slash at the end."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

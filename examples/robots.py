"""What a site's robots.txt lets a crawler fetch, as RFC 9309 has it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from urllib.robotparser import RobotFileParser

import aiohttp
from url_spelling import origin_of
from web_pages import PageError, page_error_of

# What RFC 9309 has a crawler read and follow, at least.
MOST_BYTES = 500 * 1024
MOST_REDIRECTS = 5


class Robots:
    """Asks each site once for its robots.txt, and answers from it.

    The rules are read by Python's own parser: of several that fit a URL the first one counts, and `*` in a path is no
    wildcard. A `Crawl-delay`, which the RFC doesn't have, is not kept to.
    """

    def __init__(self, session: aiohttp.ClientSession, crawler: str) -> None:
        self._session = session
        self._crawler = crawler
        self._rules: dict[str, RobotFileParser | PageError] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def allows(self, url: str) -> bool:
        """Tell whether the crawler may fetch this URL. Raises `PageError` when the site doesn't say."""
        origin = origin_of(url)
        if origin not in self._rules:
            # One of those who wait asks. If it is cancelled meanwhile, the next one asks again.
            async with self._asking[origin]:
                if origin not in self._rules:
                    self._rules[origin] = await self._ask(origin)
        rules = self._rules[origin]
        if isinstance(rules, PageError):
            raise PageError(rules.cause, "asked for robots.txt")
        return rules.can_fetch(self._crawler, url)

    async def _ask(self, origin: str) -> RobotFileParser | PageError:
        try:
            async with self._session.get(f"{origin}/robots.txt", max_redirects=MOST_REDIRECTS) as response:
                if response.status >= 500:
                    return PageError(f"status {response.status}")
                # Below 500 it is the site's word that there are no rules.
                text = await self._beginning(response) if response.status < 300 else ""
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return page_error_of(error)
        rules = RobotFileParser()
        rules.parse(text.splitlines())
        return rules

    async def _beginning(self, response: aiohttp.ClientResponse) -> str:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) >= MOST_BYTES:
                break
        return body[:MOST_BYTES].decode("utf-8-sig", errors="replace")

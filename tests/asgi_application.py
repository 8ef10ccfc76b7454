"""An ASGI application for the tests of web servers, and what it is asked with.

The servers differ in how they are started and stopped, and in their transports. What they serve is the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MEBIBYTE = bytes(range(256)) * 4096
PIECE = 10_000


def digest_of(data: bytes) -> str:
    """Tell what the application answers to `data` at `/digest`."""
    return hashlib.sha256(data).hexdigest()


async def mebibyte_in_pieces() -> AsyncIterator[bytes]:
    """Give the body of a request whose length isn't known beforehand."""
    for start in range(0, len(MEBIBYTE), PIECE):
        yield MEBIBYTE[start : start + PIECE]


class Application:
    """Notes its life, answers, digests what it is sent, streams, and talks; the path of a request names the method."""

    def __init__(self) -> None:
        self.life: list[str] = []
        self.entered = asyncio.Event()
        self.may_leave = asyncio.Event()
        self.disconnected = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        path = scope["path"].strip("/")
        assert scope["type"] == ("websocket" if path == "talk" else "http")
        await getattr(self, path)(scope, receive, send)

    async def live(self, receive: Receive, send: Send) -> None:
        for event in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{event}"
            self.life.append(event)
            await send({"type": f"lifespan.{event}.complete"})

    async def answer(self, scope: Message, _: Receive, send: Send, body: bytes | None = None) -> None:
        """Answer with `body`, or with the scheme and the version of HTTP by which the request came."""
        if body is None:
            body = f"{scope['scheme']} {scope['http_version']}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": body})

    async def digest(self, scope: Message, receive: Receive, send: Send) -> None:
        state = hashlib.sha256()
        more = True
        while more:
            message = await receive()
            state.update(message.get("body", b""))
            more = message.get("more_body", False)
        await self.answer(scope, receive, send, state.hexdigest().encode())

    async def stream(self, _: Message, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for piece in mebibyte_in_pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def slow(self, scope: Message, receive: Receive, send: Send) -> None:
        self.entered.set()
        await self.may_leave.wait()
        await self.answer(scope, receive, send, b"at last")

    async def forever(self, _: Message, receive: Receive, __: Send) -> None:
        self.entered.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected.set()

    async def fail(self, _: Message, __: Receive, ___: Send) -> None:
        raise LookupError("nothing there")

    async def talk(self, _: Message, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "enough":
                await send({"type": "websocket.close", "code": 1000})
                return
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})

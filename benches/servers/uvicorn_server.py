"""uvicorn with httptools and three pages: `python -m benches.servers.uvicorn_server LOOP tcp http DIRECTORY`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from benches.servers.serving import BACKLOG, HOST, Request, Started, name_of, serve
from benches.servers.web_answers import LONG, OBJECT, PLAINTEXT

PAGES: dict[str, tuple[bytes, Callable[[], bytes]]] = {
    "/plaintext": (b"text/plain", lambda: PLAINTEXT),
    "/json": (b"application/json", lambda: json.dumps(OBJECT).encode()),
    "/long": (b"text/plain", lambda: LONG),
}


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Answer a request."""
    kind, make = PAGES[scope["path"]]
    body = make()
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def start(request: Request) -> Started:
    """Listen."""
    config = uvicorn.Config(
        application,
        host=HOST,
        port=0,
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
        backlog=BACKLOG,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
        if task.done():
            await task
    return Started(name_of(server.servers[0]), (server, task))


if __name__ == "__main__":
    serve(start)

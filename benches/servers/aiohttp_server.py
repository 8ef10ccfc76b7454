"""aiohttp with three pages: `python -m benches.servers.aiohttp_server LOOP tcp http DIRECTORY`."""

from __future__ import annotations

from aiohttp import web

from benches.servers.serving import BACKLOG, HOST, Request, Started, serve
from benches.servers.web_answers import LONG, OBJECT, PLAINTEXT


async def plaintext(request: web.Request) -> web.Response:
    """Answer with a few words."""
    return web.Response(body=PLAINTEXT, content_type="text/plain")


async def json(request: web.Request) -> web.Response:
    """Answer with an object."""
    return web.json_response(OBJECT)


async def long(request: web.Request) -> web.Response:
    """Answer with 10 KiB."""
    return web.Response(body=LONG, content_type="text/plain")


async def start(request: Request) -> Started:
    """Listen."""
    application = web.Application()
    application.add_routes([web.get("/plaintext", plaintext), web.get("/json", json), web.get("/long", long)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, backlog=BACKLOG).start()
    host, port = runner.addresses[0][:2]
    return Started(f"{host}:{port}", runner)


if __name__ == "__main__":
    serve(start)

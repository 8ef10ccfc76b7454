"""A proxy that forwards TCP connections: whoever connects to it talks with the target, and neither notices.

Plain asyncio; nothing in here names an event loop, so the same file runs on any of them:

    python examples/tcp_proxy.py 8080 example.org 80
    python -m ioxide examples/tcp_proxy.py 8080 example.org 80

Each connection is two streams of bytes, one each way, that go on independently: when one side says that it will send no
more, the other side is told, and may go on sending. When one side resets the connection, the other side is reset, too.

A side that reads slowly makes the other side send slowly: no more than a known amount is held for any connection,
however fast it comes.

On SIGTERM, and after Ctrl-C, no new connection is accepted, and those that are open have `--patience` seconds to come
to their end. Then they are cut: nothing more is taken from either side, but what was taken is delivered.

Exit code: 0; 1 when connections were cut, with their addresses; 2 when the proxy can't listen or the command line is
wrong; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

import command_line
from listening import listen, part, port_number, reason_of, reset

# How much is read at once. Besides it, a direction holds at most what the reader's limit and the transport's high-water
# mark allow: some 200 KiB.
CHUNK = 65536


class TcpProxy:
    """Forwards connections to one target."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.connections = 0
        self.forwarded = 0
        self.failed = 0
        self.cut = 0
        self._host: str = arguments.target_host
        self._port: int = arguments.target_port
        self._time_to_connect: float = arguments.connect_timeout
        self._patience: float = arguments.patience
        self._room: int = arguments.connections
        self._open: dict[asyncio.Task[None], str] = {}
        self._closing = False

    async def serve(self, host: str, port: int, stop: asyncio.Event) -> None:
        """Listen until `stop` is set or this is cancelled, then close in order."""
        server = await listen(self._connected, host, port)
        try:
            await stop.wait()
        finally:
            server.close()
            await self._close()
            await server.wait_closed()

    async def _close(self) -> None:
        """Let the connections come to their end, and cut those that don't."""
        self._closing = True
        print(f"closing, with {len(self._open)} connections open", flush=True)
        if self._open:
            await asyncio.wait(self._open, timeout=self._patience)
        for connection, address in self._open.items():
            self.cut += 1
            complain(f"cut the connection from {address}")
            connection.cancel()
        while self._open:
            await asyncio.wait(self._open)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Attend to one connection from its beginning to its end."""
        connection = asyncio.current_task()
        assert connection is not None
        address = address_of(writer)
        self.connections += 1
        self._open[connection] = address
        try:
            if self._closing:  # it came before the proxy was closed, and is attended to only now
                return
            if len(self._open) > self._room:
                self._fail(address, "no room for more connections")
                return
            try:
                async with asyncio.timeout(self._time_to_connect):
                    target_reader, target_writer = await asyncio.open_connection(self._host, self._port)
            except TimeoutError:
                self._fail(address, f"{self._host} port {self._port} takes too long to connect")
            except OSError as error:
                self._fail(address, f"cannot connect to {self._host} port {self._port}: {reason_of(error)}")
            else:
                await self._forward((reader, writer), (target_reader, target_writer))
        except asyncio.CancelledError:
            # By `_close`. It isn't raised, for before Python 3.13 asyncio reports connections that end cancelled.
            if not self._closing:
                raise
        finally:
            # Where all went well it is closed by now, and this does nothing.
            reset(writer)
            del self._open[connection]

    def _fail(self, address: str, problem: str) -> None:
        self.failed += 1
        complain(f"connection from {address}: {problem}")

    async def _forward(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        target: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Forward both ways at once, until both sides have said that they send no more, or one of them fails."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward_one_way(client[0], target[1]))
                group.create_task(self._forward_one_way(target[0], client[1]))
        except* OSError:
            # One side is gone. What was under way to the other isn't the whole, and a reset tells it so.
            reset(client[1])
            reset(target[1])
        finally:
            # Also when this is cancelled, which is how a connection is cut. What was taken is still delivered.
            await asyncio.gather(*(part(reader, writer, self._patience) for reader, writer in (client, target)))

    async def _forward_one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward what one side sends; that it sends no more, too.

        `drain` waits while the other side doesn't read. Nothing is read meanwhile, so that in the end, when the buffers
        on the way are full, the one who sends has to wait.
        """
        while data := await reader.read(CHUNK):
            writer.write(data)
            self.forwarded += len(data)
            await writer.drain()
        # Without a buffer that it may leave to the transport, `drain` waits until everything has been sent.
        writer.transport.set_write_buffer_limits(0)
        await writer.drain()
        writer.write_eof()


def address_of(writer: asyncio.StreamWriter) -> str:
    """Tell who is on the other side; a connection may be gone before anybody can ask."""
    host, port, *_ = writer.get_extra_info("peername") or ("somebody", 0)
    return f"{host} port {port}"


def complain(message: str) -> None:
    """Say in one line what went wrong."""
    print(f"tcp_proxy: {message}", file=sys.stderr)


async def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C, and tell what was done."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    proxy = TcpProxy(arguments)
    try:
        await proxy.serve(arguments.host, arguments.port, stop)
    finally:
        counts = f"{proxy.connections} connections, {proxy.forwarded} bytes, {proxy.failed} failed, {proxy.cut} cut"
        print(counts, flush=True)
    return command_line.PARTLY_FAILED if proxy.cut else command_line.DONE


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Forward TCP connections to a target.")
    parser.add_argument("port", metavar="PORT", type=port_number, help="port to listen on; 0 for any that is free")
    parser.add_argument("target_host", metavar="TARGET_HOST", help="where connections are forwarded to")
    parser.add_argument("target_port", metavar="TARGET_PORT", type=port_number, help="and to which port there")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--connections", metavar="N", type=command_line.count, default=1000, help="how many at once (default: 1000)"
    )
    parser.add_argument(
        "--connect-timeout",
        metavar="SECONDS",
        type=command_line.seconds,
        default=10.0,
        help="time for connecting to the target (default: 10)",
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=command_line.seconds,
        default=10.0,
        help="time for open connections to end after SIGTERM (default: 10)",
    )
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit code."""
    return command_line.run("tcp_proxy", run(parse_arguments()))


if __name__ == "__main__":
    sys.exit(main())

"""A chat server for many people at once, on TCP: one line is one message, and everybody gets it.

Plain asyncio; nothing in here names an event loop, so the same file runs on any of them:

    python examples/chat_server.py --port 8888
    python -m ioxide examples/chat_server.py --port 8888

Who connects (`nc 127.0.0.1 8888` will do) sends a name as the first line, and messages after it. Each message is sent
to all members in the same order, as `name: message`, and to its author, too: a message that comes back to its author
has been accepted. Lines that begin with `* ` are the server's own.

A member that reads slowly costs no more than a known amount of memory: what waits for it is bounded, and when there is
no room for a message, the server takes no more of them, so that the authors, in the end, can't send. A member that
makes the others wait longer than `--patience` is dropped.

On SIGTERM, and after Ctrl-C, no connection and no message is accepted any more, and the server ends when everything
that was accepted has been delivered. Exit code: 0; 1 when members were dropped who didn't read, with their names; 2
when the server can't listen or the command line is wrong; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import command_line
from listening import listen, part, port_number, reset

# The most that a line may have, in bytes; the same bounds what a connection's reader holds, to twice as much.
LONGEST_LINE = 8192
LONGEST_NAME = 20

# How many messages may wait for one member, besides the bytes that its transport holds.
OUTBOX_ROOM = 100

# How many messages may wait to be distributed.
INBOX_ROOM = 100

# How many seconds there are for saying a name.
TIME_FOR_NAME = 60


class RefusedError(Exception):
    """Someone who can't stay. The message is what they are told."""


@dataclass(eq=False)
class Member:
    """Someone who has said their name."""

    name: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    # What is to be sent, and None after the last of it.
    outbox: asyncio.Queue[bytes | None] = field(default_factory=lambda: asyncio.Queue(OUTBOX_ROOM))
    dropped: bool = False

    def __post_init__(self) -> None:
        self.sending = asyncio.create_task(self.send_all())

    async def send_all(self) -> None:
        """Send what is put into the outbox, as fast as the other side reads, until None."""
        line: bytes | None = b""
        with suppress(ConnectionError):
            while (line := await self.outbox.get()) is not None:
                self.writer.write(line)
                await self.writer.drain()
            # Without a buffer that it may leave to the transport, `drain` waits until everything has been sent.
            self.writer.transport.set_write_buffer_limits(0)
            await self.writer.drain()
        # If nobody reads this any more, whoever waits for room in the outbox must not wait in vain.
        while line is not None:
            line = await self.outbox.get()

    def drop(self) -> None:
        """Reset the connection, and forget what waits to be sent."""
        self.dropped = True
        reset(self.writer)
        while not self.outbox.empty():
            self.outbox.get_nowait()
        self.outbox.put_nowait(None)


@dataclass(frozen=True)
class Joined:
    """A member came. Like all that happens in the room, this takes its turn in the inbox."""

    member: Member


@dataclass(frozen=True)
class Said:
    """A member sent a message."""

    member: Member
    text: str


@dataclass(frozen=True)
class Left:
    """A member sent its last message."""

    member: Member


Event = Joined | Said | Left


class ChatServer:
    """The room in which all members are.

    Whatever happens in it goes through one inbox, and one task distributes it. So all members see the same order, and
    nobody comes or goes while a message is on its way.
    """

    def __init__(self, patience: float, most_members: int) -> None:
        self.messages = 0
        self.visitors = 0
        self.dropped: list[str] = []
        self._patience = patience
        self._most_members = most_members
        self._inbox: asyncio.Queue[Event] = asyncio.Queue(INBOX_ROOM)
        self._connections: dict[asyncio.Task[None], Member | None] = {}
        self._reading: set[asyncio.Task[None]] = set()  # those that wait for a line to come
        self._present: set[Member] = set()  # those whose `Left` hasn't been distributed
        self._members: list[Member] = []  # those whose `Joined` has been; changed by the distributing task alone
        self._closing = False

    async def serve(self, host: str, port: int, stop: asyncio.Event) -> None:
        """Listen until `stop` is set or this is cancelled, then close in order."""
        server = await listen(self._connected, host, port, limit=LONGEST_LINE)
        distributing = asyncio.create_task(self._distribute())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([distributing, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            server.close()
            await self._close(distributing)
            await server.wait_closed()

    async def _close(self, distributing: asyncio.Task[None]) -> None:
        """Accept nothing more, deliver what was accepted, and close the connections."""
        self._closing = True
        for reading in self._reading:
            reading.cancel()
        # The distributing task ends after the last who is present. With nobody there, it waits for nothing.
        if not self._present:
            distributing.cancel()
        await asyncio.wait([distributing])
        if not distributing.cancelled():
            distributing.result()  # raises what ended it, if it was an error
        sending = {member.sending: member for member in self._connections.values() if member}
        if sending:
            _, late = await asyncio.wait(sending, timeout=self._patience)
            for task in late:
                self._drop(sending[task])
        while self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Attend to one connection, from the first line to the last."""
        connection = asyncio.current_task()
        assert connection is not None
        self._connections[connection] = None
        try:
            try:
                self._reading.add(connection)
                name = await self._ask_for_name(reader, writer)
            finally:
                self._reading.discard(connection)
            if not self._closing:
                member = self._connections[connection] = Member(name, reader, writer)
                await self._attend(member)
        except RefusedError as error:
            writer.write(f"* {error}\n".encode())
        except ConnectionError:
            pass  # gone before it was anybody
        except asyncio.CancelledError:
            # By `_close`. It isn't raised, for before Python 3.13 asyncio reports connections that end cancelled.
            if not self._closing:
                raise
        finally:
            await part(reader, writer, self._patience)
            del self._connections[connection]

    async def _ask_for_name(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        if self._closing:  # it came before the server was closed, and is attended to only now
            raise RefusedError("the chat is over")
        if len(self._connections) > self._most_members:
            raise RefusedError("there is no room for more")
        writer.write(b"* what is your name?\n")
        try:
            async with asyncio.timeout(TIME_FOR_NAME):
                name = await read_line(reader)
        except TimeoutError:
            raise RefusedError("that took too long") from None
        if not name or len(name) > LONGEST_NAME or not name.isalnum():
            raise RefusedError(f"a name has 1 to {LONGEST_NAME} letters and digits")
        if any(member and member.name == name for member in self._connections.values()):
            raise RefusedError(f"the name {name} is taken")
        return name

    async def _attend(self, member: Member) -> None:
        """Take a member's messages while it sends some, and send it all messages up to the last."""
        self.visitors += 1
        self._present.add(member)
        listening = asyncio.create_task(self._listen(member))
        self._reading.add(listening)
        await asyncio.wait([listening])
        self._reading.discard(listening)
        await self._inbox.put(Left(member))
        await member.sending
        if not listening.cancelled():
            listening.result()  # raises what ended it, if it was an error

    async def _listen(self, member: Member) -> None:
        """Put what a member sends into the inbox. While that has no room, nothing is read from this connection."""
        await self._inbox.put(Joined(member))
        while (text := await read_line(member.reader)) is not None:
            if text:
                await self._inbox.put(Said(member, text))

    async def _distribute(self) -> None:
        """Do what the inbox says, one thing after another, until everybody has left a server that closes."""
        while self._present or not self._closing:
            match await self._inbox.get():
                case Joined(member):
                    self._members.append(member)
                    await self._send_to_all(f"* {member.name} came")
                case Said(member, text):
                    self.messages += 1
                    await self._send_to_all(f"{member.name}: {text}")
                case Left(member):
                    if member in self._members:
                        self._members.remove(member)
                        if not self._closing:
                            await self._send_to_all(f"* {member.name} left")
                    await self._send([member], None)
                    self._present.discard(member)

    async def _send_to_all(self, line: str) -> None:
        await self._send(self._members, f"{line}\n".encode())

    async def _send(self, members: list[Member], line: bytes | None) -> None:
        """Put a line into each outbox, and drop those that have no room for it until patience ends."""
        deadline = asyncio.get_running_loop().time() + self._patience
        for member in members:
            if member.dropped:
                continue
            try:
                if member.outbox.full():
                    async with asyncio.timeout_at(deadline):
                        await member.outbox.put(line)
                else:
                    member.outbox.put_nowait(line)
            except TimeoutError:
                self._drop(member)

    def _drop(self, member: Member) -> None:
        """Give a member up that doesn't read: what waits for it is lost, and its connection is reset."""
        if member.dropped:
            return
        member.drop()
        self.dropped.append(member.name)
        print(f"chat_server: dropped {member.name}, who doesn't read", file=sys.stderr)


async def read_line(reader: asyncio.StreamReader) -> str | None:
    """Read a line as text, without its end; None after the last. A last line without an end doesn't count."""
    try:
        line = await reader.readline()
    except ValueError:
        raise RefusedError(f"a line has at most {LONGEST_LINE} bytes") from None
    except ConnectionError:
        return None
    if not line.endswith(b"\n"):
        return None
    text = line.decode(errors="replace").strip()
    # What isn't printable could make the readers' terminals do things.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


async def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C, and tell what was done."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = ChatServer(arguments.patience, arguments.members)
    try:
        await server.serve(arguments.host, arguments.port, stop)
    finally:
        print(f"{server.messages} messages, {server.visitors} visitors, {len(server.dropped)} dropped", flush=True)
    return command_line.PARTLY_FAILED if server.dropped else command_line.DONE


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Serve a chat: everybody gets each line that anybody sends.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=port_number, default=8888, help="0 for any that is free (default: 8888)")
    parser.add_argument(
        "--members", metavar="N", type=command_line.count, default=1000, help="how many have room (default: 1000)"
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=command_line.seconds,
        default=5.0,
        help="how long the others wait for a member that doesn't read (default: 5)",
    )
    return parser.parse_args()


def main() -> int:
    """Run the command and return its exit code."""
    return command_line.run("chat_server", run(parse_arguments()))


if __name__ == "__main__":
    sys.exit(main())

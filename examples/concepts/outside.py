"""What lies around the loop: context, threads, subprocesses, signals, and the network."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import sys
import threading

from concepts import Concept

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


async def context_variables() -> None:
    """Each task has a copy of the context that it was made in: what it sets there nobody else sees."""

    async def serve(name: str) -> str:
        user.set(name)
        await asyncio.sleep(0)  # the other task sets the variable, too
        in_thread = await asyncio.to_thread(user.get)
        return f"{user.get()}, in a thread {in_thread}"

    print(await asyncio.gather(serve("Ada"), serve("Bob")))
    print(f"outside it is still {user.get()}")


async def threads() -> None:
    """What would block the loop runs in a thread; from there, the loop is talked to by thread-safe calls only."""
    loop = asyncio.get_running_loop()
    loops_thread = threading.current_thread()
    may_go_on = threading.Event()

    def block() -> str:
        may_go_on.wait()
        return f"blocked in the loop's thread: {threading.current_thread() is loops_thread}"

    async def ask() -> str:
        return f"ran in the loop's thread: {threading.current_thread() is loops_thread}"

    blocking = asyncio.create_task(asyncio.to_thread(block))
    await asyncio.sleep(0)
    print("the loop goes on while a thread is blocked")
    may_go_on.set()
    print(await blocking)
    # The other way round: a thread has a coroutine run by the loop, and waits for the result.
    print(await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(ask(), loop).result()))


async def subprocesses() -> None:
    """A subprocess is written to, read from and waited for without blocking anything."""
    shout = "print(input().upper()); raise SystemExit(3)"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", shout, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(b"hello\n")
    print(f"it said {output.decode().strip()!r} and exited with {process.returncode}")


async def signals() -> None:
    """A signal's handler is called by the loop, between two callbacks, so that it may do what any callback may."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, arrived.set)
    signal.raise_signal(signal.SIGUSR1)
    await arrived.wait()
    print("SIGUSR1 arrived")
    print(f"the handler is removed: {loop.remove_signal_handler(signal.SIGUSR1)}")


async def streams() -> None:
    """A stream is read and written like a file, but by `await`; a server gets one for each connection."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            writer.write(line.upper())
            await writer.drain()  # waits while the other side reads too slowly
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\nhow are you?\n")
        writer.write_eof()
        print("the server said", [line.decode().strip() async for line in reader])
        writer.close()
        await writer.wait_closed()


CONCEPTS: list[Concept] = [context_variables, threads, subprocesses, signals, streams]

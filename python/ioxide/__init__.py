"""asyncio in Rust: the event loop, and what is built on it.

`ioxide.run(main())` runs a coroutine as `asyncio.run` does; `new_event_loop` is what `loop_factory` arguments take;
`python -m ioxide app.py` runs a program that knows nothing of ioxide.
"""

from __future__ import annotations

from ioxide._install import install, native, uninstall
from ioxide._ioxide import Future, Handle, SocketTransport, Task, TimerHandle, __version__
from ioxide._loop import Loop, new_event_loop
from ioxide._policy import EventLoopPolicy
from ioxide._runners import run
from ioxide._streams import StreamReader, StreamReaderProtocol, StreamWriter
from ioxide._transports import DatagramTransport, ReadPipeTransport, WritePipeTransport

__all__ = [
    "DatagramTransport",
    "EventLoopPolicy",
    "Future",
    "Handle",
    "Loop",
    "ReadPipeTransport",
    "SocketTransport",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "Task",
    "TimerHandle",
    "WritePipeTransport",
    "__version__",
    "install",
    "native",
    "new_event_loop",
    "run",
    "uninstall",
]

"""asyncio in Rust: the event loop, and what is built on it.

`ioxide.run(main())` runs a coroutine as `asyncio.run` does; `new_event_loop` is what `loop_factory` arguments take;
`python -m ioxide app.py` runs a program that knows nothing of ioxide; and `import ioxide as asyncio` gives every name
of asyncio's, native where there is a native one.
"""

from __future__ import annotations

import asyncio as _asyncio
from typing import Any as _Any

from ioxide._install import install, native, uninstall
from ioxide._ioxide import SocketTransport, __version__
from ioxide._loop import Loop
from ioxide._namespace import public_names as _public_names
from ioxide._policy import EventLoopPolicy
from ioxide._transports import ReadPipeTransport, WritePipeTransport

__all__ = [
    "EventLoopPolicy",
    "Loop",
    "ReadPipeTransport",
    "SocketTransport",
    "WritePipeTransport",
    "__version__",
    "install",
    "native",
    "uninstall",
]
__all__ += _asyncio.__all__
globals().update(_public_names())


def __getattr__(name: str) -> _Any:
    """Find what asyncio has without making it public: its submodules, and names that it deprecates."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(_asyncio, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None

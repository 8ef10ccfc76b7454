"""What the tests of native queues have in common: asyncio's classes and ours, and what goes on around them."""

from __future__ import annotations

import asyncio
import sys
from asyncio import queues as stock
from types import SimpleNamespace
from typing import Any

import pytest
from ioxide import _ioxide

NAMES = ("Queue", "LifoQueue", "PriorityQueue")
MODULES: dict[str, Any] = {
    "asyncio": SimpleNamespace(**{name: getattr(stock, name) for name in NAMES}),
    "ioxide": SimpleNamespace(**{name: getattr(_ioxide, name) for name in NAMES}),
}

both = pytest.mark.parametrize("queues", MODULES.values(), ids=MODULES)
needs_shutdown = pytest.mark.skipif(sys.version_info < (3, 13), reason="queues can be shut down from 3.13 on")


async def outcome(awaitable: Any) -> str:
    """Describe what becomes of something that is awaited."""
    try:
        return f"returned {await awaitable!r}"
    except (Exception, asyncio.CancelledError) as error:
        return f"raised {error!r}"


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and expect it to be cancelled."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

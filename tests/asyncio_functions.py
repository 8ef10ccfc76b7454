"""asyncio's functions and classes beside ioxide's native ones, for tests that both have to pass."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from ioxide import _ioxide

STOCK: Any = SimpleNamespace(**{name: value for name, value in vars(asyncio).items() if not name.startswith("_")})
NAMESPACES: dict[str, Any] = {"stock": STOCK, "native": _ioxide}

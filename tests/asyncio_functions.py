"""asyncio's functions and classes beside ioxide's native ones, for tests that both have to pass."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from ioxide import _ioxide

needs_native_functions = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="from 3.14 on asyncio's own functions are used, for they keep call graphs"
)
STOCK: Any = SimpleNamespace(**{name: value for name, value in vars(asyncio).items() if not name.startswith("_")})
NAMESPACES: dict[str, Any] = {"stock": STOCK, "native": _ioxide}

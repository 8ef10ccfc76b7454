"""ioxide's classes and functions in the place of asyncio's, for the variant of the suite that tests them.

The suite runs its tests of futures and tasks on asyncio's C classes and on its Python ones, by the names `_CFuture` and
`_CTask` and the public ones. Here these stand for ioxide's, and all that `ioxide.install` replaces is replaced. From
Python 3.14 on ioxide's loop makes the standard library's futures and tasks, and these names stay.
"""

from __future__ import annotations

import sys
from typing import Any

import ioxide


def put_natives_in_place() -> None:
    """Replace what asyncio's modules have. To be called before a module of the suite is imported."""
    ioxide.install()
    if sys.version_info >= (3, 14):
        return
    asyncio: Any = sys.modules["asyncio"]
    classes = {asyncio.Future: ioxide.Future, asyncio.Task: ioxide.Task}
    for name in ("future_add_to_awaited_by", "future_discard_from_awaited_by"):
        if hasattr(asyncio.futures, f"_c_{name}"):
            setattr(asyncio.futures, f"_c_{name}", getattr(asyncio.futures, name))
    for module_name in [name for name in sys.modules if name.partition(".")[0] == "asyncio"]:
        module = sys.modules[module_name]
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and value in classes:
                setattr(module, name, classes[value])

"""The loops that CPython's tests can be run on, and what stands in the place of asyncio's names meanwhile.

A loop is named by its project (see `KNOWN`) or as "module:attribute"; the attribute is a class, or a function that
makes a loop. A failure should be the loop's own, so this is what each of them is given:

- `asyncio.SelectorEventLoop` and `asyncio.EventLoop` are a stand-in. What it makes is of exactly the class that the
  project ships: nothing is replaced in it, nothing is derived from it, and one that allows no subclasses will do.
  `isinstance`, `issubclass` and a `class` statement see that class. A selector that a test hands over is closed, for
  only asyncio's own loop takes one.
- The policy is asyncio's, apart from which loops it makes. ioxide has its own policy, derived from asyncio's.
- So asyncio's child watchers, which the suite of CPython up to 3.13 attaches before hundreds of tests of other things,
  are there for each. A loop that isn't derived from asyncio's runs subprocesses by means of its own, and isn't asked to
  call a watcher at a signal.
- The suite's way of closing a loop asks for `_default_executor`, which a loop needn't have. One that hasn't is closed
  through its public methods.

asyncio's own loop is run behind the same stand-in: what passes there can't fail elsewhere for the stand-in alone.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

STOCK = "asyncio"
# ioxide's loop, and what else of ioxide's there is: see `natives.py`.
NATIVES = "ioxide-natives"
KNOWN = {
    STOCK: "asyncio:SelectorEventLoop",
    "ioxide": "ioxide:Loop",
    NATIVES: "ioxide:Loop",
    "uvloop": "uvloop:Loop",
    "rloop": "rloop:RLoop",
    "rsloop": "rsloop:Loop",
}


def module_of(name: str) -> str:
    """Name the module that a loop comes from."""
    return KNOWN.get(name, name).partition(":")[0]


class StandIn:
    """What is called in the place of a loop class. It makes loops, and tells of each."""

    def __init__(self, name: str, made: Callable[[], None]) -> None:
        module, _, attribute = KNOWN.get(name, name).partition(":")
        make = getattr(importlib.import_module(module), attribute)
        # Past this class's own `__setattr__`.
        self.__dict__.update(make=make, made=made, loop_class=make if isinstance(make, type) else class_made_by(make))

    def __call__(self, selector: Any = None) -> Any:
        """Make a loop."""
        takes_selector = self.loop_class.__module__.startswith("asyncio.")
        if selector is not None and not takes_selector:
            selector.close()
        loop = self.make(selector) if takes_selector else self.make()
        self.made()
        return loop

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.loop_class)

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self.loop_class)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (self.loop_class,)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loop_class, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.loop_class, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.loop_class, name)


def class_made_by(make: Callable[[], asyncio.AbstractEventLoop]) -> type:
    """Find out which class a function's loops are of."""
    loop = make()
    loop.close()
    return type(loop)


def spare_of_child_watchers(loop_class: type) -> None:
    """Let asyncio's child watchers, where there are any, have no effect on a loop that doesn't need them."""
    watcher_class: Any = getattr(asyncio.unix_events, "BaseChildWatcher", None)
    if watcher_class is None or issubclass(loop_class, asyncio.selector_events.BaseSelectorEventLoop):
        return
    attach_as_asyncio_does = watcher_class.attach_loop

    def attach_loop(watcher: Any, loop: Any) -> None:
        if isinstance(loop, loop_class) or isinstance(watcher._loop, loop_class):
            watcher._loop = loop
        else:
            attach_as_asyncio_does(watcher, loop)

    watcher_class.attach_loop = attach_loop


def close_without_private_names(test_case: Any) -> None:
    """Let the suite's base class close loops that don't have asyncio's private attributes."""
    close_as_the_suite_does = test_case.close_loop

    def close_loop(loop: Any) -> None:
        if not hasattr(loop, "_default_executor"):
            if not loop.is_closed():
                loop.run_until_complete(loop.shutdown_default_executor())
            loop = SimpleNamespace(_default_executor=None, close=loop.close)
        close_as_the_suite_does(loop)

    test_case.close_loop = staticmethod(close_loop)

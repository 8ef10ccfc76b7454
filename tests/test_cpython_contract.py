"""The seam between `ioxide.Loop` and the standard library's loop, which it inherits from.

What is inherited works with private attributes of `self`. This reads the source of every inherited method, and fails on
a version of Python in which one of them uses an attribute that `ioxide.Loop` doesn't have. And it reads every call of a
method of the loop in asyncio's modules, and fails if it passes a keyword that the native method doesn't take.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import textwrap
from asyncio import base_events, base_subprocess, selector_events, sslproto, streams, unix_events
from collections.abc import Iterator
from types import FunctionType

import ioxide
import pytest

# Inherited, and never called: what calls them is replaced by native code, which keeps its state elsewhere.
REPLACED_BY_NATIVE_CODE = {
    "_accept_connection": "accepting is native",
    "_call_soon": "call_soon and call_soon_threadsafe are native",
    "_process_events": "the turn is native",
    "_run_forever_cleanup": "run_forever is our own",
    "_run_forever_setup": "run_forever is our own",
    "_timer_handle_cancelled": "timer handles are native",
}


def inherited_methods() -> Iterator[tuple[str, FunctionType]]:
    for name in dir(ioxide.Loop):
        method = inspect.getattr_static(ioxide.Loop, name)
        if isinstance(method, FunctionType) and method.__module__.startswith("asyncio."):
            yield name, method


def attributes_of_self(method: FunctionType) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "self"}


METHODS = dict(inherited_methods())


def is_a_loop(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id in ("self", "loop")) or (
        isinstance(node, ast.Attribute) and node.attr == "_loop"
    )


def keywords_of_native_methods() -> Iterator[tuple[str, str]]:
    for module in (base_events, base_subprocess, selector_events, sslproto, streams, unix_events):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_a_loop(node.func.value):
                name = node.func.attr
                native = inspect.getattr_static(ioxide.Loop, name, None)
                if callable(native) and not isinstance(native, FunctionType):
                    yield from ((name, keyword.arg) for keyword in node.keywords if keyword.arg is not None)


@pytest.mark.parametrize("name", sorted(METHODS.keys() - REPLACED_BY_NATIVE_CODE))
def test_an_inherited_method_finds_every_attribute_that_it_uses(name: str) -> None:
    loop = ioxide.new_event_loop()
    try:
        missing = {attribute for attribute in attributes_of_self(METHODS[name]) if not hasattr(loop, attribute)}
    finally:
        loop.close()
    assert missing == set()


@pytest.mark.parametrize(("name", "keyword"), sorted(set(keywords_of_native_methods())))
def test_a_native_method_takes_the_keywords_that_asyncio_passes(name: str, keyword: str) -> None:
    parameters = inspect.signature(getattr(ioxide.Loop, name)).parameters.values()
    assert any(parameter.name == keyword or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)


def test_the_loop_has_every_method_of_an_abstract_event_loop() -> None:
    for name, method in vars(asyncio.AbstractEventLoop).items():
        if isinstance(method, FunctionType):
            assert getattr(ioxide.Loop, name) is not method, f"{name} raises NotImplementedError"


def test_the_loop_is_a_selector_loop_of_asyncio() -> None:
    assert issubclass(ioxide.Loop, asyncio.SelectorEventLoop)


@pytest.mark.parametrize("name", ["call_soon", "call_later", "call_at", "add_reader", "sock_recv", "_start_serving"])
def test_what_is_native_is_not_shadowed_by_what_is_inherited(name: str) -> None:
    assert not isinstance(inspect.getattr_static(ioxide.Loop, name), FunctionType)

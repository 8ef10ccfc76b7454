"""`install` and `uninstall`: asyncio's names stand for ioxide's objects, and afterwards for what they stood for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import ioxide
import pytest


def names_and_values() -> dict[tuple[str, str], Any]:
    modules = [(name, module) for name, module in sys.modules.items() if name.partition(".")[0] == "asyncio"]
    return {
        (name, attribute): value
        for name, module in modules
        for attribute, value in vars(module).items()
        if not attribute.startswith("_")
    }


@pytest.fixture
def before() -> Iterator[dict[tuple[str, str], Any]]:
    """What asyncio's names stand for, which they have to stand for again at the end."""
    found = names_and_values()
    yield found
    ioxide.uninstall()
    assert all(value is found[name] for name, value in names_and_values().items() if name in found)


def test_every_listed_name_is_replaced_in_every_module_that_has_it(before: dict[tuple[str, str], Any]) -> None:
    ioxide.install()
    for name in ioxide.native():
        original = before["asyncio", name]
        holders = [module for (module, attribute), value in before.items() if attribute == name and value is original]
        assert len(holders) >= 2
        for holder in holders:
            assert getattr(sys.modules[holder], name) is not original


def test_a_program_runs_on_the_native_loop(before: dict[tuple[str, str], Any]) -> None:
    ioxide.install()

    async def main() -> Any:
        results = await asyncio.gather(asyncio.sleep(0, 1), asyncio.create_task(asyncio.sleep(0, 2)))
        return results, type(asyncio.get_running_loop())

    assert asyncio.run(main()) == ([1, 2], ioxide.Loop)


def test_names_that_were_imported_before_work_beside_it(before: dict[tuple[str, str], Any]) -> None:
    from asyncio import gather, sleep

    ioxide.install()

    async def main() -> Any:
        return await gather(sleep(0, 1), asyncio.gather(sleep(0, 2), asyncio.sleep(0, 3)))

    assert asyncio.run(main()) == [1, [2, 3]]


def test_to_install_twice_is_to_install_once(before: dict[tuple[str, str], Any]) -> None:
    ioxide.install()
    ioxide.install()
    ioxide.uninstall()
    ioxide.uninstall()
    assert names_and_values()["asyncio", "sleep"] is before["asyncio", "sleep"]


def test_what_somebody_else_has_put_in_place_since_stays(
    before: dict[tuple[str, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not ioxide.native():
        pytest.skip("nothing is replaced on this version of Python")
    ioxide.install()
    theirs = object()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", theirs)
        ioxide.uninstall()
        assert asyncio.sleep is theirs
    asyncio.sleep = before["asyncio", "sleep"]


def test_the_default_loop_is_asyncios_again_after_uninstall(before: dict[tuple[str, str], Any]) -> None:
    ioxide.install()
    ioxide.uninstall()

    async def main() -> type:
        return type(asyncio.get_running_loop())

    assert not issubclass(asyncio.run(main()), ioxide.Loop)

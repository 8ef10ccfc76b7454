"""Random programs leave the same trace with asyncio's locks and their kin as with ours."""

from __future__ import annotations

import asyncio
import sys

import pytest
from conftest import LoopFactory
from lock_programs import run_program

SEEDS = range(60)


def trace(loop_factory: LoopFactory, kind: str, seed: int, looks: bool, eager: bool) -> list[object]:
    loop = loop_factory()
    try:
        if eager and sys.version_info >= (3, 12):
            loop.set_task_factory(asyncio.eager_task_factory)
        return run_program(loop, kind, seed, looks)
    finally:
        loop.close()


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("eager", [False, True])
def test_random_programs_leave_the_same_trace(loop_factory: LoopFactory, looks: bool, eager: bool) -> None:
    for seed in SEEDS:
        expected = trace(asyncio.SelectorEventLoop, "stock", seed, looks, eager)
        found = trace(loop_factory, "ioxide", seed, looks, eager)
        for number, (one, other) in enumerate(zip(expected, found, strict=False)):
            assert one == other, f"seed {seed}, step {number}"
        assert len(expected) == len(found), f"seed {seed}"

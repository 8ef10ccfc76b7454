"""Clients and other programs under test: a module of `benches.clients` in a fresh process, which times itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from benches.in_process import PATIENCE, run_worker
from benches.rows import Sample, Unsupported


def client_measurement(
    module: str, *arguments: str, at_once: int = 1, per_operation: bool = False
) -> Callable[[str, float], Sample]:
    """Return what measures a client with so many operations under way, in operations a second.

    `per_operation` gives microseconds for each instead.
    """

    def measure(loop: str, seconds: float) -> Sample:
        words = [f"benches.clients.{module}", loop, str(seconds), str(at_once), *arguments]
        sample = run_worker(*words, patience=seconds + PATIENCE)
        return Sample(1e6 / sample.value, sample.details) if per_operation else sample

    return measure


def require(*modules: str) -> None:
    """Name what isn't installed, if anything isn't."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise Unsupported(f"not installed: {' '.join(missing)}")

"""The extension in `tests/extension`: built by cargo, loaded from where cargo leaves it."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent


@functools.cache
def build(package: str, *options: str) -> Path:
    """Build the extension in a folder, unless it is up to date, and return the path of the library."""
    manifest = ROOT / package / "Cargo.toml"
    command = ["cargo", "build", "--quiet", "--manifest-path", str(manifest), "--target-dir", target_directory()]
    built = subprocess.run(
        [*command, "--message-format", "json", *options],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        # An extension finds Python's functions in the interpreter that loads it, and links no library that has them.
        env={"PYO3_PYTHON": sys.executable, "PYO3_BUILD_EXTENSION_MODULE": "1", **os.environ},
    )
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    [library] = [
        name
        for message in messages
        if message["reason"] == "compiler-artifact" and "cdylib" in message["target"]["kind"]
        for name in message["filenames"]
        if name.endswith(".so")
    ]
    return Path(library)


def target_directory() -> str:
    """Return where extensions are built: a folder that they share, for most of what they are made of is the same."""
    return os.environ.get("IOXIDE_EXTENSIONS_TARGET", str(ROOT / "target" / "extensions"))


def load(name: str, library: Path | str) -> ModuleType:
    """Import an extension module from a file of any name."""
    loader = importlib.machinery.ExtensionFileLoader(name, str(library))
    spec = importlib.util.spec_from_file_location(name, str(library), loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module

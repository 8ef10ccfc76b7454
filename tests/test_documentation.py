"""What the documents list is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import ioxide

DOCS = Path(__file__).parent.parent / "docs"


def test_each_object_that_install_replaces_is_in_its_table() -> None:
    rows = [line for line in (DOCS / "install.md").read_text().splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(ioxide.native()) <= listed


def test_every_link_within_the_documents_leads_somewhere() -> None:
    for document in [DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"

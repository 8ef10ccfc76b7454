"""What the web servers answer: path, type and body."""

from __future__ import annotations

import json

PLAINTEXT = b"Hello, World!"
LONG = b"x" * 10 * 1024
OBJECT = {"message": PLAINTEXT.decode(), "numbers": list(range(10)), "nested": {"a": None, "b": True, "c": 0.5}}
"""What is made into JSON for each request."""

LENGTHS = {"plaintext": len(PLAINTEXT), "json": len(json.dumps(OBJECT)), "long": len(LONG)}
"""How long each page is."""

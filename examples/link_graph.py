"""Draw what a crawl found, pages and links, as SVG.

igraph lays the graph out, in C, and writes SVG by itself, without a plotting library or a program beside it.
"""

from __future__ import annotations

import html
import math
import random
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from page_store import FAILED, PAGE, REDIRECT, REFUSED, Record

COLOURS = {PAGE: "#4c78a8", REDIRECT: "#f2b134", REFUSED: "#9d9d9d", FAILED: "#d64545"}
LINK_COLOUR = "#c8c8c8"

# With more nodes than this their names would cover each other.
MOST_NAMES = 200
# Sizes are in pixels. The picture grows with the root of the number of nodes, which keeps their distance.
DISTANCE = 110
LEAST_SIZE = 400


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw each URL as a node in the colour of its outcome, and each link and redirect between them as an arrow.

    The picture depends on the records alone: it is the same for the same crawl.
    """
    import igraph  # type: ignore[import-untyped]  # here, for only who draws needs it

    records = sorted(records, key=lambda record: (record.depth, record.url))
    numbers = {record.url: number for number, record in enumerate(records)}
    edges = [
        (numbers[record.url], numbers[target])
        for record in records
        for target in (record.links if record.location is None else [record.location])
        if target in numbers and target != record.url
    ]
    graph = igraph.Graph(len(records), edges, directed=True)
    # Layouts begin at random places.
    igraph.set_random_number_generator(random.Random(len(records)))
    size = max(LEAST_SIZE, round(DISTANCE * math.sqrt(len(records))))
    named = len(records) <= MOST_NAMES
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as file:
        graph.write_svg(
            file,
            layout=graph.layout("auto"),
            width=size,
            height=size,
            labels=[html.escape(name_of(record.url)) if named else "" for record in records],
            colors=[COLOURS[record.outcome] for record in records],
            vertex_size=6,
            edge_colors=[LINK_COLOUR] * len(edges),
            edge_stroke_widths=[1] * len(edges),
            font_size=9,
        )
    unfinished.replace(path)


def name_of(url: str) -> str:
    """Name a URL by its path and query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path

"""Programs: what libraries and applications gain from a loop."""

from benches.programs import databases, everyday, web

ROWS = [*web.ROWS, *databases.ROWS, *everyday.ROWS]

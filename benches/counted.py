"""The process whose instructions are counted: `python -m benches.counted MODULE:FUNCTION LOOP COUNT`."""

from __future__ import annotations

import sys

from benches import loops


def main() -> None:
    """Run a workload of the tables once."""
    workload, name, count = sys.argv[1:]
    loop = loops.new_event_loop(name)
    loops.resolve(workload)(loop, int(count))
    loop.close()


if __name__ == "__main__":
    main()

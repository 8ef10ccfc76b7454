"""A tour of asyncio: every concept in turn, each in a short function, with what it prints.

Plain asyncio and nothing besides Python's standard library, so the tour runs on any event loop:

    python examples/tour.py
    python -m ioxide examples/tour.py

The functions are in `examples/concepts/`, a file for each subject; read them beside the output. `--list` names them
all, and names on the command line choose some of them. The last one runs the same coroutine on three event loops, of
which one is written there in some twenty lines.

Exit code: 0; 2 when there is no such concept or the command line is wrong; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import sys
from types import ModuleType

import command_line
from concepts import Concept, cancelling, coroutines, loops, outside, synchronizing, syntax, tasks

SUBJECTS: tuple[ModuleType, ...] = (coroutines, tasks, cancelling, syntax, synchronizing, outside, loops)


def name_of(concept: Concept) -> str:
    """Name a concept as its function is named; one is called `await_`, for it couldn't be called `await`."""
    return concept.__name__.rstrip("_").replace("_", "-")


def all_concepts() -> dict[str, Concept]:
    """Tell the concepts by their names, in the order of the tour."""
    return {name_of(concept): concept for subject in SUBJECTS for concept in subject.CONCEPTS}


def meaning_of(concept: Concept) -> str:
    """Tell a concept in one sentence, the first of its function's documentation."""
    return (inspect.getdoc(concept) or "").partition("\n")[0]


def visit(concept: Concept) -> None:
    """Print a concept's name and meaning, and then what it does."""
    name = name_of(concept)
    print(f"{name}\n{'-' * len(name)}\n{meaning_of(concept)}\n", flush=True)
    coroutine = concept()
    if coroutine is not None:
        asyncio.run(coroutine)
    print("\n", flush=True)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Show every concept of asyncio in turn.")
    parser.add_argument("concepts", metavar="CONCEPT", nargs="*", help="which to show (default: all)")
    parser.add_argument("--list", action="store_true", help="name the concepts and what they are about")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.concepts if name not in all_concepts()]
    if unknown:
        parser.error(f"no such concept: {', '.join(unknown)} (--list names them)")
    return arguments


async def nothing() -> int:
    """Do nothing but have the loop named."""
    return command_line.DONE


def main() -> int:
    """Run the command and return its exit code."""
    arguments = parse_arguments()
    concepts = all_concepts()
    if arguments.list:
        for name, concept in concepts.items():
            print(f"{name}: {meaning_of(concept)}")
        return command_line.DONE
    try:
        command_line.run("tour", nothing())
        for name in arguments.concepts or concepts:
            visit(concepts[name])
    except KeyboardInterrupt:
        print("tour: interrupted", file=sys.stderr)
        return command_line.INTERRUPTED
    return command_line.DONE


if __name__ == "__main__":
    sys.exit(main())

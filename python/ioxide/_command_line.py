"""The command line `python -m ioxide`: runs a program as `python` runs it, with ioxide under asyncio's names.

The program is not changed and need not know: what it sees of its command line, its path and its `__main__`, what it
prints when it fails and the status it exits with are those of `python app.py`. A few things do show through:

- The call stack has frames below the program's first one. They are in what `traceback.print_stack()` or asyncio's debug
  mode prints, count towards the recursion limit, and are what a `warnings.warn` whose `stacklevel` goes beyond the
  program's first frame is attributed to.
- A script's `__main__` keeps its `__file__` while exit handlers run; python takes it away when the script has ended.
- What `ioxide.install` replaces is native: it has no frames in tracebacks, and no source code.
- A source file that can't be decoded is reported in the words of `compile()`.
- asyncio and what it imports are imported before the program starts, and with the current directory first on the path.
- A process that the program starts runs ioxide if it is forked. One that starts a new interpreter (multiprocessing's
  `spawn` and `forkserver`, or `sys.executable` with arguments of the program's own) runs asyncio's own loop.
"""

from __future__ import annotations

import builtins
import contextlib
import linecache
import os
import pkgutil
import runpy
import sys
import types
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from typing import Any, NoReturn

import ioxide

_USAGE = "usage: python -m ioxide [-c code | -m module | file | -] [argument] ..."

_HELP = f"""{_USAGE}

Run an asyncio program on ioxide's event loop, without changing the program.

  file          a script, or a directory or zip file that has a __main__.py
  -m module     a module, or the __main__ of a package
  -c code       the program itself
  -             a program read from standard input
  (nothing)     the interactive console of python -m asyncio, where await works at top level

  -h, --help    print this text
  --version     print the versions of ioxide and Python

What follows the program belongs to the program. Options of Python itself stand before -m ioxide:
python -X dev -m ioxide app.py"""

# What a `__main__` that came out of a file has besides `__file__`.
_OF_A_FILE: dict[str, None] = {"__cached__": None} if sys.version_info < (3, 15) else {}


def main() -> None:
    """Do what `sys.argv` asks for. Returns when the program has ended; raises what it raised."""
    arguments = sys.argv[1:]
    if arguments and arguments[0][:2] in ("-c", "-m") and len(arguments[0]) > 2:
        arguments[:1] = [arguments[0][:2], arguments[0][2:]]  # -mmodule is -m module, as for python
    match arguments:
        case ["-h" | "--help", *_]:
            print(_HELP)
        case ["--version", *_]:
            print(f"ioxide {ioxide.__version__} (CPython {sys.version.split()[0]})")
        case ["-c" | "-m" as option]:
            _refuse(f"argument expected for the {option} option")
        case ["-c", code, *rest]:
            _run(_run_command, code, rest)
        case ["-m", name, *rest]:
            _run(_run_module, name, rest)
        case ["-", *rest] if not os.isatty(0):
            _run(_run_standard_input, rest)
        case [] | ["-", *_]:
            _run(_run_module, "asyncio", [])
        case [option, *_] if option.startswith("-"):
            _refuse(f"unknown option {option}")
        case [path, *rest]:
            _run(_run_path, path, rest)


def _refuse(problem: str) -> NoReturn:
    print(f"python -m ioxide: {problem}\n{_USAGE}\nTry `python -m ioxide -h' for more information.", file=sys.stderr)
    sys.exit(2)


def _run(run_program: Callable[..., None], *arguments: Any) -> None:
    """Run the program with asyncio on ioxide, and let the interpreter end the process as it does without us."""
    ioxide.install()
    try:
        run_program(*arguments)
    except BaseException as error:
        # The interpreter reports a SystemExit only under -i, where it doesn't end the process.
        if not isinstance(error, SystemExit) or sys.flags.inspect:
            _hide_our_frames(error)
        raise


def _hide_our_frames(error: BaseException) -> None:
    """Have the report of `error`, which is about to leave this module, begin at the program's first frame.

    Only the interpreter can end the process as it does for `python app.py` (by SIGINT after KeyboardInterrupt, say), so
    the error has to travel on to it, and gathers frames on its way. They can be cut off no sooner than when the
    interpreter calls `sys.excepthook`, so for that one call the hook is ours.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_globals is globals():
        traceback = traceback.tb_next
    program_hook = getattr(sys, "excepthook", sys.__excepthook__)

    def report(kind: type[BaseException], value: BaseException, _: types.TracebackType | None) -> None:
        sys.excepthook = program_hook
        value.__traceback__ = sys.last_traceback = traceback
        try:
            program_hook(kind, value, traceback)
        except BaseException as failure:
            failure.__traceback__ = failure.__traceback__ and failure.__traceback__.tb_next
            raise  # which, without an argument, doesn't enter this frame again

    sys.excepthook = report


def _run_command(code: str, rest: list[str]) -> None:
    sys.argv = ["-c", *rest]
    _set_first_path_entry("")
    namespace = _new_main_module()
    source = code + "\n"
    program = compile(source, "<string>", "exec", dont_inherit=True)
    if sys.version_info >= (3, 13):  # since when the traceback of a -c program shows its lines
        linecache.cache["<string>"] = (len(source), None, source.splitlines(keepends=True), "<string>")
    exec(program, namespace)


def _run_module(name: str, rest: list[str]) -> None:
    sys.argv = ["-m", *rest]
    _new_main_module()
    _run_as_the_interpreter_does(name, True)


def _run_standard_input(rest: list[str]) -> None:
    sys.argv = ["-", *rest]
    _set_first_path_entry("")
    namespace = _new_main_module(__file__="<stdin>", **_OF_A_FILE)
    _execute_file(lambda: compile(sys.stdin.buffer.read(), "<stdin>", "exec", dont_inherit=True), namespace)


def _run_path(path: str, rest: list[str]) -> None:
    sys.argv = [path, *rest]
    full_path = os.path.join(os.getcwd(), path)  # python doesn't normalize it either
    if pkgutil.get_importer(full_path) is None:
        _run_script(full_path)
    else:
        _set_first_path_entry(full_path, even_if_safe=True)
        _new_main_module()
        _run_as_the_interpreter_does("__main__", False)


def _run_script(path: str) -> None:
    _set_first_path_entry(os.path.dirname(os.path.realpath(path)))
    is_bytecode = path.endswith(".pyc")
    loader = (SourcelessFileLoader if is_bytecode else SourceFileLoader)("__main__", path)
    try:
        content = loader.get_data(path)
    except OSError as error:
        print(f"{sys.orig_argv[0]}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        sys.exit(2)
    namespace = _new_main_module(__loader__=loader, __file__=path, **_OF_A_FILE)
    if is_bytecode:
        _execute_file(lambda: loader.get_code("__main__"), namespace)
    else:
        _execute_file(lambda: compile(content, path, "exec", dont_inherit=True), namespace)


def _new_main_module(**attributes: object) -> dict[str, Any]:
    """Make a `__main__` such as python has when it starts a program, in the place of the one that ran this command."""
    module = types.ModuleType("__main__")
    namespace = vars(module)
    namespace["__loader__"] = BuiltinImporter
    if "__annotations__" in vars(sys.modules["__main__"]):  # the interpreter made one; not every version does
        namespace["__annotations__"] = {}
    namespace["__builtins__"] = builtins
    namespace.update(attributes)
    sys.modules["__main__"] = module
    return namespace


def _set_first_path_entry(entry: str, *, even_if_safe: bool = False) -> None:
    """Put `entry` in the place of the current directory, which `-m` put first unless -P or -I forbade it."""
    if not sys.flags.safe_path:
        sys.path[0] = entry
    elif even_if_safe:
        sys.path.insert(0, entry)


def _run_as_the_interpreter_does(module_name: str, alter_argv: bool) -> None:
    """Run what the interpreter itself runs for `-m`, and for a directory or a zip file.

    It isn't public, but the interpreter calls it by this name in every version. The public `runpy.run_module` takes
    `__main__` away when the module's code has ended, which is before the program has: its threads and exit handlers
    still run.
    """
    runpy._run_module_as_main(module_name, alter_argv)  # type: ignore[attr-defined]


def _execute_file(compile_program: Callable[[], Any], namespace: dict[str, Any]) -> None:
    try:
        exec(compile_program(), namespace)
    finally:
        # As python does after a file, though not after -c or -m: what the program printed comes before the traceback.
        for name in ("stderr", "stdout"):
            with contextlib.suppress(Exception):
                getattr(sys, name).flush()

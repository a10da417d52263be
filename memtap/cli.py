"""The command line. The only place that prints errors and chooses the exit status: 0 done, 1 failed, 2 wrong usage."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

import memtap
from memtap.errors import MemtapError, UsageError

COMMANDS = ("run", "ingest", "tap", "serve", "top", "export", "init", "doctor")


# argparse makes one for each option that it is told of. It would ask how wide the terminal is, and load what can tell.
_UNSEEN = partial(argparse.HelpFormatter, width=80)


class ShowVersion(argparse.Action):
    """Looked up when it is asked for: what looks for it takes its time to load."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"memtap {memtap.__version__}")
        parser.exit()


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong in one line; argparse's own usage before it would be most of the screen."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_UNSEEN, **options)

    def format_help(self) -> str:
        self.formatter_class = argparse.HelpFormatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help lists what there is\n")


def parser(command: str = "") -> argparse.ArgumentParser:
    """Of all commands, or of this one alone: what the others need takes its time to load."""
    root = CommandParser(
        prog="memtap",
        description="Watches every process's memory calls in the kernel, keeps exact totals, shows them live.",
        epilog="A store is named by --store URL, else by MEMTAP_STORE, else it is a DuckDB file of your own: "
        "duckdb:///PATH, mysql://USER@HOST/proyecto1, or null://. Exit status: 0 done, 1 failed, 2 wrong usage.",
    )
    root.add_argument("--version", action=ShowVersion, nargs=0, help="show program's version number and exit")
    subparsers = root.add_subparsers(metavar="COMMAND", required=True)
    for name in (command,) if command in COMMANDS else COMMANDS:
        import_module(f"memtap.commands.{name}").add_parser(subparsers)
    return root


def program() -> NoReturn:
    """`main`, and then gone. A daemon thread may still wait for a database that does not answer: to take the
    interpreter down around it is neither safe nor quiet. What had to be closed is closed by then."""
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    try:
        gc.disable()  # what is loaded now stays: to look through it again and again for what could go is in vain
        try:
            args = parser(words[0] if words else "").parse_args(words)
            gc.freeze()
        finally:
            gc.enable()
        status: int = args.run(args)
        sys.stdout.flush()
    except MemtapError as error:
        print(f"memtap: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print("memtap: stopped", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status

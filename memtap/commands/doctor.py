"""What can be tapped and stored on this machine, and what to do where something cannot."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, Final

from memtap import stores
from memtap.checks.report import Group, Report, examine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from memtap.checks.check import State

_MARKS: Final[dict[State, str]] = {"ok": "ok", "note": "note", "bad": "BAD"}
_COLOURS: Final[dict[str, str]] = {"ok": "32", "note": "33", "bad": "31", "strong": "1", "weak": "2"}
_NARROWEST = 60
_WIDEST = 120


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("doctor", help=_summary(), description=_summary())
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--store", metavar="URL", help="the store to look at (default: MEMTAP_STORE, else DuckDB)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0: memtap can run here, be it with the recording; 1: it cannot."""
    report = examine(stores.store_url(args.store))
    if args.json:
        print(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        columns = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
        for line in page(report, columns=columns, colours=colours):
            print(line)
    return 0 if report.works else 1


def page(report: Report, *, columns: int, colours: bool) -> Iterator[str]:
    """The report's lines, none wider than `columns` but for what people copy: commands, paths and addresses."""
    paint = _paint if colours else _plain
    yield f"{paint('strong', 'memtap doctor')}  {report.host}: {report.system}"
    for group in report.groups:
        yield ""
        yield from _group(group, columns, paint is _paint)
    yield ""
    yield from _wrap(_conclusion(report), columns)


def _group(group: Group, columns: int, colours: bool) -> Iterator[str]:
    paint = _paint if colours else _plain
    verdict = paint("ok", "works") if group.works else paint("bad", "does not work here")
    yield f"{paint('strong', group.name)}  {paint('weak', group.purpose)}: {verdict}"
    width = max(len(check.name) for check in group.checks)
    for check in group.checks:
        mark = paint(check.state, f"{_MARKS[check.state]:<4}")
        indent = " " * (2 + 4 + 2 + width + 2)
        first, *more = _wrap(check.found, max(columns - len(indent), 30)) or [""]
        yield f"  {mark}  {check.name:<{width}}  {first}"
        for line in more:
            yield indent + line
        if check.fix and check.state != "ok":
            yield f"{indent}{paint('weak', '→')} {check.fix}"


def _conclusion(report: Report) -> str:
    if not report.works:
        return "memtap cannot run here: see what is marked BAD under memtap and store."
    if report.tap == "replay":
        return "memtap run would replay the recording: nothing can be tapped here. See what is marked BAD."
    return f"memtap run would tap this machine with {report.tap}."


def _wrap(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)


def _summary() -> str:
    return (__doc__ or "").strip()


def _paint(kind: str, text: str) -> str:
    return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m"


def _plain(kind: str, text: str) -> str:
    del kind
    return text

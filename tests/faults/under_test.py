"""memtap as a user runs it, but for what a test cannot wait for: `python under_test.py run --tap numbered:…`

SHORTER holds values, in JSON: {"memtap.loader.FIRST_PAUSE_S": 0.2}. The tap `numbered:ARGUMENTS` is the program
numbered.py with these (separated by spaces), whose processes /proc does not know.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from memtap import cli, live
from memtap.commands import run
from memtap.taps.tap import Tap

TAP = "numbered:"


def shorten(name: str, value: Any) -> None:
    module, _, attribute = name.rpartition(".")
    if not hasattr(import_module(module), attribute):
        raise SystemExit(f"{name}: there is no such value any more")
    setattr(import_module(module), attribute, value)


def choose(spec: str, **_: object) -> Tap:
    program = str(Path(__file__).with_name("numbered.py"))
    arguments = spec.removeprefix(TAP).split(" ")
    return Tap("bpftrace", argv=(sys.executable, program, *arguments), format=2, message="numbered events")


if __name__ == "__main__":
    for each, short in json.loads(os.environ.get("SHORTER", "{}")).items():
        shorten(each, short)
    run.choose = choose
    live.sees_all_pids = lambda: False
    cli.program()

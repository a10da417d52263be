"""Instructions a line, which do not depend on the neighbours: by `perf stat` where it counts, else by callgrind.

A stage is run with 1 and with 3 passes: half the difference is one pass, without Python's start and the reading of
the file. callgrind knows no AVX-512, so under it the native core looks for newlines with AVX2.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.programs import COUNTED_FLAGS, build
from benchmarks.traces import Trace

STAGE = Path(__file__).with_name("stage.py")
FEW, MANY = 1, 3  # passes
TOP = 8  # functions of a profile
Stage = tuple[str, list[str], Trace]  # what, command without its number of passes, what it reads


@dataclass(frozen=True, slots=True)
class Count:
    """`functions`: the ones that take most, instructions a line of their own."""

    what: str
    per_line: float
    functions: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def counter() -> str:
    """perf, callgrind, or "" where neither works."""
    if shutil.which("perf"):
        done = subprocess.run(
            ["perf", "stat", "-x,", "-e", "instructions:u", "true"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and re.match(r"\d+,", done.stderr):
            return "perf"
    return "callgrind" if shutil.which("valgrind") else ""


def count_all(one: Trace, two: Trace, crowd: Trace, folder: Path, with_counter: str) -> list[Count]:
    """Of the parser's stages and of its peers in C."""
    python = [sys.executable, "-P", str(STAGE)]
    stages: list[Stage] = [
        ("memtap, parse format 1", [*python, "parse", str(one.path)], one),
        ("memtap, parse format 1, 20,000 live processes", [*python, "parse", str(crowd.path)], crowd),
        ("memtap, parse format 2", [*python, "parse", str(two.path)], two),
        ("memtap, columns to LOAD DATA text", [*python, "events_text", str(one.path)], one),
        ("memtap, sums by process and second to SQL values", [*python, "sums_text", str(one.path)], one),
        ("memtap, columns to Arrow with a store's ids", [*python, "events", str(one.path)], one),
    ]
    for name in ("trusting_loop", "sscanf_reader", "memchr_newlines"):
        (folder / "counted").mkdir(exist_ok=True)
        program = build(name, folder / "counted", flags=COUNTED_FLAGS)
        stages.append((f"C, {name}", [str(program), str(one.path)], one))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(lambda stage: _count(stage, folder, with_counter), stages))


def _count(stage: Stage, folder: Path, with_counter: str) -> Count:
    what, command, trace = stage
    few, few_by = _run([*command, str(FEW)], folder, with_counter, what)
    many, many_by = _run([*command, str(MANY)], folder, with_counter, what)
    per_line = (MANY - FEW) * trace.lines
    own = {name: (count - few_by.get(name, 0)) / per_line for name, count in many_by.items()}
    most = sorted(((name, count) for name, count in own.items() if count >= 0.5), key=lambda item: -item[1])
    return Count(what, (many - few) / per_line, dict(most[:TOP]))


def _run(command: Sequence[str], folder: Path, with_counter: str, what: str) -> tuple[int, dict[str, int]]:
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    if with_counter == "perf":
        counted = ["perf", "stat", "-x,", "-e", "instructions:u", *command]
        done = subprocess.run(counted, capture_output=True, text=True, check=True, env=environment)
        return int(done.stderr.strip().rsplit("\n", 1)[-1].split(",")[0]), {}
    out = folder / f"callgrind-{re.sub('[^a-z0-9]+', '-', what.lower())}-{command[-1]}"
    counted = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *command]
    done = subprocess.run(counted, capture_output=True, text=True, check=True, env=environment)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if not found:
        raise RuntimeError(f"callgrind of {what}: {done.stderr[-500:]}")
    return int(found[1]), _functions(out)


def _functions(out: Path) -> dict[str, int]:
    """Each function's own instructions; those of the native core by their names in native/."""
    done = subprocess.run(
        ["callgrind_annotate", "--threshold=100", str(out)], capture_output=True, text=True, check=True
    )
    found: dict[str, int] = {}
    for own, name in re.findall(r"^ *([\d,]+) \([^)]*\) +\S*?:(\S+)", done.stdout, re.MULTILINE):
        short = re.sub(r"^__pyx_\w*?core_(?:\d+)?", "", name.removesuffix("'2"))
        found[short] = found.get(short, 0) + int(own.replace(",", ""))
    return found

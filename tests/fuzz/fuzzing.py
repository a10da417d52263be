"""Runs the fuzzer, and says what it found in a way that somebody can go on with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .building import HERE, ROOT, fuzzer

CORPUS = HERE / "corpus"
FOUND = HERE / "found"  # inputs that once found something, by name of what that was
ARTIFACTS = ROOT / "tests" / "artifacts" / "fuzz"
SANITIZERS = {
    # Python's own objects live until the process ends; the harness counts the core's allocations for each input
    "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=8:malloc_context_size=3:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
INPUT_MAX = 500  # bytes: a few lines
INPUT_S = 60  # longest time for one input, which takes some 100 us; what goes on for ever is a find, too


def known() -> list[Path]:
    """The inputs of the repository."""
    return sorted([*CORPUS.glob("*"), *FOUND.glob("*")])


class Found(Exception):
    """An input that broke a promise: what the sanitizer or the harness said, and the input."""


@contextmanager
def corpus(seconds: int) -> Iterator[Path]:
    """Where new inputs go; what a run of hours has found is kept for the next one."""
    folder = ROOT / "build" / "fuzz" / ("corpus" if seconds > 60 else "corpus-of-a-minute")
    if seconds <= 60:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


def fuzz(seconds: int) -> int:
    """New inputs for so long. Returns how many; raises Found."""
    with corpus(seconds) as kept:
        return _run(
            f"-max_total_time={seconds}",
            f"-max_len={INPUT_MAX}",
            "-entropic=0",  # its bookkeeping takes longer than reading an input
            "-print_final_stats=1",
            kept,
            *(folder for folder in (CORPUS, FOUND) if folder.exists()),
            timeout_s=seconds + 600,
        )


def replay(inputs: Iterable[Path], **environment: str) -> int:
    """These inputs alone. Returns how many; raises Found."""
    return _run("-runs=1", *inputs, timeout_s=600, **environment)


def _run(*arguments: str | Path, timeout_s: int, **environment: str) -> int:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    command = [str(fuzzer()), f"-artifact_prefix={ARTIFACTS}/", f"-timeout={INPUT_S}", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **SANITIZERS, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_s,
        check=False,
    )
    said = done.stdout.decode("utf-8", "backslashreplace")
    if done.returncode:
        raise Found(_explain(said, command))
    if counted := re.search(r"number_of_executed_units: (\d+)", said):
        return int(counted[1])
    return said.count("\nExecuted ")


def _explain(said: str, command: list[str]) -> str:
    saved = re.search(r"Test unit written to (\S+)", said)
    path = Path(saved[1]) if saved else next((Path(word) for word in reversed(command) if Path(word).is_file()), None)
    lines = [line for line in said.splitlines() if not line.startswith(("#", "INFO:"))]
    what = "\n".join(lines[-60:])
    if path is None:
        return f"the fuzzer failed:\n{what}"
    return (
        f"the fuzzer found an input that breaks a promise of the native core:\n{what}\n"
        f"the input: {path.read_bytes()[:4000]!r}\n"
        f"saved as {path}; again: make fuzz INPUT={path}; when mended, keep it in {FOUND.relative_to(ROOT)}/"
    )

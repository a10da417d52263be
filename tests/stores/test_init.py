"""`memtap init`, as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from counted import STREAM, Call, batches

from memtap.stores import open_store


def init(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "memtap", "init", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_makes_the_schema_once_and_says_so(url: str, version: int) -> None:
    first, second = init("--store", url), init("--store", url)
    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (0, "")
    assert first.stdout.split("\n")[0].endswith(f"made, schema version {version}")
    assert second.stdout.split("\n")[0].endswith(f"schema version {version} already, nothing to do")


def test_the_query_that_it_shows_works(url: str, open_url: Callable[..., object]) -> None:
    shown = init("--store", url).stdout.rpartition(":\n  ")[2]
    assert shown.startswith("SELECT")
    with closing(open_store(url)) as store, closing(store.writer()) as writer, closing(store.reader()) as reader:
        number = writer.open_stream(STREAM).stream_no
        calls = [Call(1, b"a", length=1 << 20), Call(2, b"b", length=3 << 20), Call(2, b"b", call="munmap")]
        for batch in batches(calls):
            writer.write(number, batch)
        rows = reader._rows(shown)  # type: ignore[attr-defined]
    assert [(pid, mb) for pid, _, mb in rows] == [(2, 3.0), (1, 1.0)]


def test_without_a_url_it_is_the_users_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("MEMTAP_STORE", raising=False)
    assert init().returncode == 0
    assert (tmp_path / "memtap" / "memtap.duckdb").is_file()


@pytest.mark.parametrize(
    ("url", "status"), [("foo://x", 2), ("mysql://me:s3cr3t@host/x", 2), ("duckdb:///no/such/folder/x", 1)]
)
def test_what_cannot_be_is_one_line_and_a_status(url: str, status: int) -> None:
    done = init("--store", url)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.count("\n") == 1
    assert "s3cr3t" not in done.stderr

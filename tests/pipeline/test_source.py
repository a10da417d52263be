"""What a trace may be, and what may happen to it while it is read."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import wait_until

import memtap
from memtap.errors import MemtapError
from memtap.source import FileSource, open_source

from .store_contents import EVENTS, query
from .test_ingest import MEMTAP, assert_holds, ingest, synthetic


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"duckdb://{tmp_path}/store.duckdb"


def test_a_pipe_with_a_name_is_read_once_and_from_its_first_byte(url: str, tmp_path: Path) -> None:
    """As a shell's <(zcat trace.gz) is one."""
    data = synthetic(5000, seed=20)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for runs in (1, 2):
        writer = threading.Thread(target=pipe.write_bytes, args=(data,))
        writer.start()
        assert ingest(pipe, url)["stored"] == 5000
        writer.join()
        assert len(query(url, EVENTS)) == 5000 * runs
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert len(memtap.read(pipe)) == 5000
    writer.join()


def test_ctrl_c_ends_an_ingest_that_waits_for_its_first_line() -> None:
    with subprocess.Popen(
        [*MEMTAP, "ingest", "-", "--store", "null://"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        reading = "0 0x0 "  # read (0 on x86-64) of standard input
        wait_until(lambda: Path(f"/proc/{run.pid}/syscall").read_text().startswith(reading))
        run.send_signal(signal.SIGINT)
        assert run.wait(60) != 0
        assert run.stderr
        assert run.stderr.read().count(b"\n") == 1


def opened(path: Path) -> FileSource:
    source = open_source(str(path))
    assert isinstance(source, FileSource)
    return source


def test_a_file_renamed_or_removed_while_it_is_read_is_still_that_file(tmp_path: Path) -> None:
    trace = tmp_path / "trace.log"
    trace.write_bytes(b"a" * 10_000)
    source = opened(trace)
    check = source.check(9000)
    trace.rename(tmp_path / "trace.log.1")
    assert source.check(9000) == check
    trace.write_bytes(b"b" * 20_000)
    assert source.check(9000) == check
    with source.open() as file:
        assert file.read() == b"a" * 10_000
    other = opened(trace)
    assert not other.is_continued_at(9000, check)
    source.close()
    other.close()


def test_a_file_cut_short_while_it_was_read_is_not_taken_for_one_that_was_read(tmp_path: Path) -> None:
    """Both have no bytes before the offset: that is no likeness."""
    trace = tmp_path / "trace.log"
    trace.write_bytes(b"x" * 100)
    source = opened(trace)
    assert source.check(5000) == b""
    assert not source.is_continued_at(5000, b"")
    source.close()


def test_a_line_that_was_being_written_is_stored_once_it_is_whole(url: str, tmp_path: Path) -> None:
    data = synthetic(300, seed=21)
    cut = data.rfind(b"time=")
    trace = tmp_path / "trace.log"
    trace.write_bytes(data[:cut])
    first = ingest(trace, url)
    assert (first["stored"], first["rejected"]) == (299, 1)
    assert ingest(trace, url)["lines"] == 0, "nothing came: nothing is read again"
    with trace.open("ab") as file:
        file.write(data[cut:])
    second = ingest(trace, url)
    assert (second["stored"], second["rejected"]) == (1, 0)
    assert len(query(url, EVENTS)) == 300


def test_a_damaged_member_of_a_gzip_file_is_one_line(tmp_path: Path) -> None:
    packed = tmp_path / "trace.gz"
    packed.write_bytes(gzip.compress(b"x" * 1000)[:20] + b"\0" * 50)
    with pytest.raises(MemtapError, match=rf"^cannot read {packed}: "):
        memtap.read(packed)


def test_a_file_is_closed_when_it_was_read(tmp_path: Path) -> None:
    (tmp_path / "trace.log").write_bytes(synthetic(10, seed=22))
    code = (
        f"import os, memtap; before = os.listdir('/proc/self/fd'); memtap.read('{tmp_path}/trace.log')\n"
        "assert os.listdir('/proc/self/fd') == before"
    )
    subprocess.run([sys.executable, "-P", "-X", "dev", "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("name", [b"tr\xffce.log", b"two\nlines.log", b"back\\slash \xe2\x80\xae.log"])
def test_any_name_of_a_file_will_do(name: bytes, url: str, tmp_path: Path) -> None:
    trace = tmp_path / os.fsdecode(name)
    trace.write_bytes(synthetic(50, seed=23))
    assert ingest(trace, url)["stored"] == 50
    assert_holds(url, trace.read_bytes())
    assert ingest(trace, url)["lines"] == 0
    assert subprocess.run([*MEMTAP, "ingest", trace, "--store", url], check=True, capture_output=True).stderr == b""
    trace.unlink()
    gone = subprocess.run([*MEMTAP, "ingest", trace, "--store", url], check=False, capture_output=True)
    assert gone.stderr.startswith(b"memtap: cannot read ")
    assert gone.stderr.count(b"\n") == 1

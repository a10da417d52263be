"""A file, mapped window by window: every byte in order, whatever happens to the file meanwhile."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memtap.native import File, Parser

from .pulling import line, pull_all

WINDOW = 64 << 10


LINES = [line(number) for number in range(20_000)]
DATA = b"".join(LINES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.log"


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    path.write_bytes(DATA)
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


@contextmanager
def mapped_ahead(file: File) -> Iterator[File]:
    """With a thread that maps each next window."""
    thread = Thread(target=file.map_ahead)
    thread.start()
    try:
        yield file
    finally:
        file.stop()
        thread.join(10)
        assert not thread.is_alive()


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 3 * WINDOW)), max_size=6),
    st.integers(1, 3 * WINDOW),
    st.integers(1, 5000),
    st.integers(0, 400_000),
    st.booleans(),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_windows_of_any_size_give_what_the_bytes_fed_give(
    path: Path, parts: list[tuple[int, int]], window: int, rows: int, offset: int, whole: bool
) -> None:
    """Lines of calls, and now and then one of any length."""
    data = b"".join(b"".join(LINES[:calls]) + b"x" * other + b"\n" for calls, other in parts)[: None if whole else -1]
    path.write_bytes(data)
    parser = Parser(rows=rows)
    with path.open("rb") as opened:
        lengths = pull_all(parser, File(opened.fileno(), offset, window=window))
        with mapped_ahead(File(opened.fileno(), offset, window=window)) as file:
            ahead = pull_all(Parser(rows=rows), file)
    fed = Parser()
    fed.feed(data[offset:])
    fed.finish()
    assert lengths == list(fed.seal().length)
    assert ahead == lengths
    assert (parser.lines, parser.consumed) == (fed.lines, fed.consumed)
    assert parser.rejected == fed.rejected  # a line may be too long for the one and cut or no call for the other


def test_a_file_may_grow_while_it_is_read(path: Path, fd: int) -> None:
    parser = Parser(rows=500)
    file = File(fd, window=WINDOW)
    assert parser.pull(file, 1000) == "full"
    with path.open("ab") as more:
        more.write(line(7)[:20])
    lengths = list(parser.seal().length)
    while parser.pull(file, 1000) != "ended":
        lengths += parser.seal().length
    with path.open("ab") as more:
        more.write(line(7)[20:] + DATA)
    lengths += pull_all(parser, file)
    assert lengths == [*range(20_000), 7, *range(20_000)]
    assert parser.rejected == 0


@pytest.mark.parametrize("left", [0, 5, 40_000, 100_000, 4096 * 30, 4096 * 30 + 1, WINDOW * 4])
def test_a_file_that_is_cut_off_while_it_is_mapped_ends_there(path: Path, fd: int, left: int) -> None:
    """No mapped byte behind its end can be read: the kernel sends SIGBUS."""
    parser = Parser(rows=104)
    file = File(fd, window=1 << 20)
    assert parser.pull(file, 1000) == "full"
    taken = parser.consumed
    os.truncate(path, left)
    lengths = list(parser.seal().length) + pull_all(parser, file)
    whole = max(DATA[:left].count(b"\n"), 104)
    assert lengths == list(range(whole))
    assert (parser.lines, parser.rejected_by) == (whole + 1, {"cut": 1}) if left > taken else (whole, {})
    assert file.error == 0
    with path.open("ab") as more:  # it goes on behind
        more.truncate(parser.consumed)
        more.seek(parser.consumed)
        more.write(line(5))
    assert pull_all(parser, file) == [5]


def test_only_its_own_bus_errors_are_kept_from_the_program(path: Path) -> None:
    """Behind it, and in another mapping while it reads, they end the program as ever."""
    code = (
        "import mmap, os, sys; from memtap.native import File, Parser\n"
        "path = sys.argv[1]; data = b'x' * 300_000; open(path, 'wb').write(data)\n"
        "fd = os.open(path, os.O_RDWR); other = mmap.mmap(fd, 0)\n"
        "parser = Parser(); file = File(fd)\n"
        "os.truncate(path, 0)\n"
        "assert parser.pull(file, 100) == 'ended'\n"
        "print(len(other), flush=True); other[299_000]\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("300000\n", -signal.SIGBUS), done.stderr


def test_a_file_that_has_no_size_is_read(fd: int) -> None:
    with Path("/proc/cpuinfo").open("rb") as opened:
        lines = opened.read().count(b"\n")
        parser = Parser()
        assert pull_all(parser, File(opened.fileno())) == []
    assert lines > 0
    assert parser.lines == lines


def test_what_cannot_be_read_says_why(path: Path) -> None:
    with path.open("wb") as opened:
        opened.write(DATA)
        opened.flush()
        file = File(opened.fileno())
        assert Parser().pull(file, 1000) == "ended"
        assert os.strerror(file.error) == "Bad file descriptor"


@pytest.mark.parametrize("left", [0, 40_000, 4096 * 30 + 1, WINDOW * 4])
def test_a_file_that_is_cut_off_while_its_next_window_is_mapped_ends_there(path: Path, fd: int, left: int) -> None:
    parser = Parser(rows=2104)  # some 1.9 windows
    with mapped_ahead(File(fd, window=WINDOW)) as file:
        assert parser.pull(file, 1000) == "full"
        os.truncate(path, left)
        lengths = list(parser.seal().length) + pull_all(parser, file)
        assert file.error == 0
    assert lengths == list(range(max(DATA[:left].count(b"\n"), 2104)))


def test_it_ends_where_it_is_stopped(fd: int) -> None:
    parser = Parser(rows=104)
    file = File(fd)
    assert parser.pull(file, 1000) == "full"
    file.stop()
    assert len(parser.seal()) == 104
    assert parser.pull(file, 1000) == "ended"
    assert parser.lines == 104


@pytest.mark.parametrize("window", [0, -1, 2**40])
def test_windows_of_no_sensible_size_are_refused(fd: int, window: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        File(fd, window=window)
    with pytest.raises(ValueError, match="-1 is no descriptor"):
        File(-1)

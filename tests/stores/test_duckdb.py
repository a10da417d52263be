"""What holds for the DuckDB store alone."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from counted import FIRST_US, STREAM, batches, one_batch, some_calls

from memtap.errors import StoreError
from memtap.stores import open_store
from memtap.stores.contract import Retention, Store
from memtap.stores.duckdb import folding
from memtap.stores.duckdb.database import Database
from memtap.stores.duckdb.schema import VERSION

TESTS = str(Path(__file__).parents[1])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.duckdb"


@pytest.fixture
def owner(file: Path) -> Iterator[int]:
    """Another process that has the file open; its pid."""
    program = (
        f"from memtap.stores import open_store; store = open_store('duckdb://{file}');"
        " print(store.migrate(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"(0, {VERSION})\n"
        yield process.pid
        process.communicate("\n")


def fill(store: Store, calls: int) -> None:
    with closing(store.writer()) as writer:
        cursor = writer.open_stream(STREAM)
        for batch in batches(some_calls(calls), start=cursor):
            assert writer.write(cursor.stream_no, batch)


def test_a_second_process_is_told_who_owns_the_file_and_what_to_do(file: Path, owner: int) -> None:
    with pytest.raises(StoreError, match=rf"in use by process {owner} .*stop that one") as caught:
        open_store(f"duckdb://{file}")
    assert "\n" not in str(caught.value)


def test_the_file_is_free_and_whole_once_its_owner_has_closed_it(file: Path, open_url: Callable[[str], Store]) -> None:
    store = open_url(f"duckdb://{file}")
    fill(store, 2000)
    store.close()
    assert [path.name for path in file.parent.iterdir()] == [file.name], "no log is left beside it"
    with closing(open_store(f"duckdb://{file}")) as again, closing(again.reader()) as reader:
        assert reader.account().stored == 2000


def test_two_stores_of_one_process_share_the_file(file: Path, open_url: Callable[[str], Store]) -> None:
    one, other = open_url(f"duckdb://{file}"), open_url(f"duckdb://{file}")
    fill(one, 1000)
    assert other.reader().account().stored == 1000


def test_a_closed_store_says_so(file: Path, open_url: Callable[[str], Store]) -> None:
    store = open_url(f"duckdb://{file}")
    reader = store.reader()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        reader.totals()


def test_a_file_of_another_kind_is_refused_and_left_alone(file: Path) -> None:
    file.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="no DuckDB database") as caught:
        open_store(f"duckdb://{file}")
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == b"not a database" * 1000


def test_it_needs_no_pyarrow(file: Path) -> None:
    run(
        "sys.modules['pyarrow'] = None",
        f"store = open_store('duckdb://{file}')",
        "store.migrate(); writer = store.writer(); number = writer.open_stream(STREAM).stream_no",
        "assert all(writer.write(number, batch) for batch in batches(some_calls(1000)))",
        "assert store.reader().account().stored == 1000",
    )


def test_it_never_fetches_an_extension(file: Path, open_url: Callable[[str], Store]) -> None:
    open_url(f"duckdb://{file}")
    with closing(open_store(f"duckdb://{file}")) as store, closing(store.reader()) as reader:
        rows = reader._rows(  # type: ignore[attr-defined]
            "SELECT current_setting('autoinstall_known_extensions'), current_setting('autoload_known_extensions')"
        )
    assert rows == [(False, False)]


def test_a_full_disk_is_waited_out(file: Path) -> None:
    """A file size limit stands for the full disk: what cannot be written is tried again once there is room."""
    run(
        "import resource, signal",
        "from memtap.errors import StoreAway",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        f"store = open_store('duckdb://{file}'); store.migrate()",
        "writer, reader = store.writer(), store.reader()",
        "number = writer.open_stream(STREAM).stream_no",
        f"limit = os.path.getsize('{file}') + (256 << 10)",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))",
        "refused = 0",
        "for batch in batches(some_calls(200_000), rows=5000):",
        "    try:",
        "        assert writer.write(number, batch)",
        "    except StoreAway as error:",
        "        refused += 1",
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))",
        "        writer.write(number, batch)",
        "assert refused == 1, refused",
        "assert reader.account().stored == 200_000",
        "assert sum(row.requests + row.releases for row in reader.processes()) == 200_000",
        "store.close(); store = open_store(store.url)",
        "assert store.reader().account().stored == 200_000",
    )


def test_many_new_processes_in_one_batch(file: Path, open_url: Callable[[str], Store]) -> None:
    store = open_url(f"duckdb://{file}")
    calls = some_calls(20_000, pids=15_000)
    with closing(store.writer()) as writer:
        number = writer.open_stream(STREAM).stream_no
        assert writer.write(number, one_batch(*calls))
    pids = list(dict.fromkeys(call.pid for call in calls))
    with closing(store.reader()) as reader:
        assert {row.id: row.pid for row in reader.processes()} == dict(enumerate(pids, 1)), "ids in order of appearance"


def run(*lines: str) -> None:
    """These lines in a Python of their own."""
    program = [
        "import os, sys",
        f"sys.path.insert(0, {TESTS!r})",
        "from counted import *",
        "from memtap.stores import open_store",
        *lines,
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-c", "\n".join(program)],
        capture_output=True,
        text=True,
        env={**os.environ},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_writer_writes_within_every_transaction_of_housekeeping_but_the_short_ones(
    file: Path, open_url: Callable[[str], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is settled, dropped or moved: a batch is committed meanwhile, and nothing is undone for it."""
    for name in ("MOST_FRESH_1M", "MOST_FRESH_1H"):
        monkeypatch.setattr(folding, name, 1)
    store = open_url(f"duckdb://{file}")
    with closing(store.writer()) as writer:
        cursor = writer.open_stream(STREAM)
        waiting = iter(batches(some_calls(6000), rows=100, start=cursor))
        for batch in itertools.islice(waiting, 20):
            writer.write(cursor.stream_no, batch)

        def write() -> None:
            assert writer.write(cursor.stream_no, next(waiting))
            written.append(1)

        written: list[int] = []
        plain, turns = Database.transaction, Database.writing

        @contextmanager
        def interrupted(database: Database) -> Iterator[object]:
            with plain(database) as connection:
                yield connection
                if threading.current_thread() is threading.main_thread() and not held:
                    thread = threading.Thread(target=write)
                    thread.start()
                    thread.join(60)
                    assert not thread.is_alive(), "the writer waits for housekeeping"

        @contextmanager
        def taken(database: Database) -> Iterator[object]:
            held.append(1)
            turn_taken.append(threading.current_thread() is threading.main_thread())
            try:
                with turns(database) as connection:
                    yield connection
            finally:
                held.pop()

        held: list[int] = []
        turn_taken: list[bool] = []  # by housekeeping
        with monkeypatch.context() as patch:
            patch.setattr(Database, "transaction", interrupted)
            patch.setattr(Database, "writing", taken)
            later_us = FIRST_US + 1000 * 24 * 3600 * 10**6
            steps = [store.maintain(Retention(3600, None, 3600), later_us) for _ in range(3)]
        assert sum(step.events_dropped for step in steps) >= 2000
        assert sum(step.rollups_dropped for step in steps) > 0
        assert len(written) >= 10
        assert turn_taken.count(True) <= len(steps), "to drop processes"
        assert writer.open_stream(STREAM).next_batch == 20 + len(written)

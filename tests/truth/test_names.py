"""Every name that the kernel allows arrives byte for byte: through the live tap, in the store, from the API."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from memtap.names import display, parse

from ..pipeline.running import running
from ..pipeline.store_contents import query
from .hostile import NAMES

HERE = Path(__file__).parent
FIRST = 1 << 33


@pytest.fixture(scope="module")
def renamer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("names") / "renamer"
    subprocess.run(["cc", "-O1", "-o", program, HERE / "renamer.c"], check=True)
    return program


@pytest.mark.parametrize("store", ["duckdb", "mysql"])
def test_hostile_names_through_the_tap_the_store_and_the_api(
    store: str, renamer: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"duckdb://{tmp_path}/s.duckdb" if store == "duckdb" else request.getfixturevalue("mysql_url")
    lines = b"".join(name.hex().encode() + b"\n" for name in NAMES)
    with running("--tap", "bpftrace", "--store", url) as run:
        run.wait_for("api/v1/status", lambda status: status["pipeline"]["stored"])
        process = subprocess.Popen([renamer], stdin=subprocess.PIPE)
        process.communicate(lines, timeout=60)
        assert process.returncode == 0
        page = run.wait_for(
            f"api/v1/calls?pid={process.pid}&min_length={FIRST}&limit=1000", lambda page: page["count"] >= len(NAMES)
        )
        columns = page["columns"]
        shown = dict(zip(columns["length"], columns["process_name"], strict=True))
        assert {length: parse(name) for length, name in shown.items()} == {
            FIRST + 4096 * i: name for i, name in enumerate(NAMES)
        }
        assert all(name.isprintable() for name in shown.values())
        for i in range(0, len(NAMES), 23):  # asked for by name, each is found
            asked = quote(display(NAMES[i]), safe="")
            found = run.get(f"api/v1/calls?pid={process.pid}&min_length={FIRST}&process_name={asked}")
            assert found["columns"]["length"] == [FIRST + 4096 * i]
        status = run.get("api/v1/status")
        assert (status["pipeline"]["rejected"], status["account"]["lost"]) == (0, {})
        run.stop()
    stored = query(
        url,
        "SELECT e.length, n.comm FROM {calls} e JOIN names n ON n.id = e.name_id "
        "JOIN processes p ON p.id = e.process_id "
        f"WHERE p.pid = {process.pid} AND e.length >= {FIRST} ORDER BY e.length",
    )
    assert stored == [(FIRST + 4096 * i, name) for i, name in enumerate(NAMES)]

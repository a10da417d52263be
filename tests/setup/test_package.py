"""What a packager makes: an sdist, from it a wheel, and that wheel alone in an empty environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOSTILE = ROOT / "tests" / "data" / "hostile-names.log"


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist of the files that git knows, and the wheel that is built from that sdist."""
    source = tmp_path_factory.mktemp("source")
    run("git", "clone", "-q", ROOT, source, cwd=ROOT)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, source, cwd=out)
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def test_the_sdist_holds_the_sources(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"native/core.pyx", "native/record.pxi", "native/scan.h", "frontend/index.html", "stap/original.bt"} <= names
    assert not [name for name in names if name.endswith((".so", ".c"))]


def test_the_wheel_holds_the_product_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"memtap"}, "only memtap is importable"
    for needed in (
        "memtap/py.typed",
        "memtap/native/core.pyi",
        "memtap/frontend/index.html",
        "memtap/stap/original.stp",
    ):
        assert needed in names
    assert not [name for name in names if name.endswith((".pyx", ".pxi", ".c", ".h"))]


def test_the_wheel_works_in_an_empty_environment(built: tuple[Path, Path], tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", built[1], cwd=tmp_path)
    memtap = tmp_path / "empty" / "bin" / "memtap"
    store = f"duckdb://{tmp_path}/store.duckdb"
    outcome = json.loads(run(memtap, "ingest", HOSTILE, "--store", store, "--json", cwd=tmp_path))
    assert (outcome["lines"], outcome["stored"], outcome["rejected"]) == (143, 136, 4)
    program = (
        "import importlib.resources as r, memtap, memtap.api\n"
        f"print(len(memtap.read({str(HOSTILE)!r})), r.files('memtap.frontend').joinpath('index.html').is_file())"
    )
    assert run(python, "-c", program, cwd=tmp_path) == "136 True\n"
    assert "doctor" in run(memtap, "--help", cwd=tmp_path)

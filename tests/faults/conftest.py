"""What the tests of faults share: a server that may be hurt, and a trace of this moment."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from mariadb import Server, private_server

from .numbered import Trace
from .shim import Shim, build

# For the READMEs' table. At the end, as ./memtap is only half of the installed package.
sys.path.append(str(Path(__file__).parents[2]))

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def hurt() -> Iterator[Server]:
    """A server for the tests of this folder alone."""
    with private_server() as server:
        yield server


@pytest.fixture
def database(hurt: Server) -> Iterator[str]:
    name = f"faults_{next(_numbers)}"
    yield name
    hurt.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def trace() -> Trace:
    return Trace(Random().randrange(1 << 32), time.time_ns() // 1000)


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def shim(shim_library: Path, tmp_path: Path) -> Shim:
    return Shim(shim_library, tmp_path / "shim.control")

"""Whether this installation of memtap is whole."""

from __future__ import annotations

import importlib
import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from memtap.checks.check import Check
from memtap.checks.packages import install

if TYPE_CHECKING:
    from collections.abc import Iterator


def checks() -> Iterator[Check]:
    yield Check("Python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield _native()
    yield _mysql_client()


def _native() -> Check:
    try:
        importlib.import_module("memtap.native")
    except ImportError as error:
        fix = "build it again: make clean && make run, or pip install --force-reinstall memtap"
        return Check("native core", "bad", f"cannot be loaded: {error}", fix)
    return Check("native core", "ok", "loaded")


def _mysql_client() -> Check:
    name = "MySQL client"
    try:
        importlib.import_module("MySQLdb")
    except ImportError:
        fix = f"{install('mariadb-headers')}, then pip install 'memtap[mysql]'"
        return Check(name, "note", "not installed; needed for mysql:// stores only", fix)
    return Check(name, "ok", f"mysqlclient {version('mysqlclient')}")

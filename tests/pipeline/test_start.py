"""A command loads what it needs, and no more."""

from __future__ import annotations

import subprocess
import sys


def test_an_ingest_starts_without_what_it_does_not_need() -> None:
    """Each of these takes as long to load as a hundred thousand lines take to parse, or longer."""
    slow = "orjson pathlib urllib.parse socket gzip ctypes duckdb MySQLdb rich starlette importlib.metadata"
    code = (
        "import sys; before = set(sys.modules); from memtap.cli import main\n"
        "status = main(['ingest', '/dev/null', '--store', 'null://'])\n"
        f"print(status, sorted(set('{slow}'.split()) & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"

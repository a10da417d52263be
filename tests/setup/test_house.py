"""The house rules, each a test: style, types, Cython, shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("step", ["ruff", "format", "mypy", "cython", "shell"])
def test_the_sources_keep_the_rules(step):
    done = subprocess.run(
        [ROOT / "scripts/lint.sh", step], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout

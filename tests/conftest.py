"""Fixtures that several folders of tests share."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one

from mariadb import mariadb, mysql_url

__all__ = ["mariadb", "mysql_url"]

# Timings never decide a test: the machine may be busy.
settings.register_profile("memtap", deadline=None)
settings.load_profile("memtap")

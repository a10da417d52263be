"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one

from mariadb import mariadb, mysql_url

__all__ = ["mariadb", "mysql_url"]

# The tests' files are theirs alone: a memtap that root has started stays root, but where that is what is tested.
os.environ["MEMTAP_USER"] = "root" if os.geteuid() == 0 else ""

# Timings never decide a test: the machine may be busy.
settings.register_profile("memtap", deadline=None)
settings.load_profile("memtap")

"""Fixtures that several folders of tests share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the modules beside this one

from mariadb import mariadb, mysql_url  # noqa: E402

__all__ = ["mariadb", "mysql_url"]

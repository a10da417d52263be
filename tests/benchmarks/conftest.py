"""The benchmarks are not installed: they are imported from the repository."""

from __future__ import annotations

import sys
from pathlib import Path

# At the end, as ./memtap is only half of the installed package.
sys.path.append(str(Path(__file__).parents[2]))

"""The dashboard: static files, ES modules, no build step. The API serves this folder as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent
"""The folder that holds `index.html`."""

"""The live table in the terminal: where its rows come from (sources.py), what is shown of them (table.py), as text
(text.py) and on the screen (screen.py)."""

from __future__ import annotations

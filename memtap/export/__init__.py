"""What a store holds as CSV, JSON lines or Parquet, streamed: memory does not grow with the rows.

selection.py says what is wanted, tables.py puts it in SQL; from a DuckDB file, DuckDB itself writes it (copying.py),
from a server it comes page by page (paging.py). output.py takes the bytes to a file or a pipe.
"""

from __future__ import annotations

"""The hot path, in Cython: bytes of a tap to columns. Knows no database and no HTTP."""

from memtap.native.core import (
    CALLS,
    KINDS,
    SCANS,
    ArrowTable,
    Batch,
    File,
    FormatError,
    LedgerRow,
    Parser,
    Reader,
    Ring,
)

__all__ = [
    "CALLS",
    "KINDS",
    "SCANS",
    "ArrowTable",
    "Batch",
    "File",
    "FormatError",
    "LedgerRow",
    "Parser",
    "Reader",
    "Ring",
]

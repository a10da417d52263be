"""The hot path, in Cython: bytes of a tap to columns. Knows no database and no HTTP."""

from memtap.native.core import CALLS, SCANS, ArrowTable, Batch, LedgerRow, Parser, Reader, Ring

__all__ = ["CALLS", "SCANS", "ArrowTable", "Batch", "LedgerRow", "Parser", "Reader", "Ring"]

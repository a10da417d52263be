"""The hot path, in Cython: bytes of a tap to columns. Knows no database and no HTTP."""

from memtap.native.core import CALLS, ArrowTable, Batch, LedgerRow, Parser, Reader, Ring

__all__ = ["CALLS", "ArrowTable", "Batch", "LedgerRow", "Parser", "Reader", "Ring"]

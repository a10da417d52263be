"""memtap: every process's memory calls, from the kernel to a table, exactly.

    >>> import memtap
    >>> calls = memtap.read("trace.log")

`read` gives a Batch that DuckDB, polars, pandas and pyarrow take as it is.
"""

from memtap.native import CALLS, Batch
from memtap.source import read

__all__ = ["CALLS", "Batch", "__version__", "read"]
__version__: str


def __getattr__(name: str) -> str:
    """The version, when it is asked for: what looks for it takes as long to load as all of a command's start."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("memtap")

"""memtap: every process's memory calls, from the kernel to a table, exactly.

    >>> import memtap
    >>> calls = memtap.read("trace.log")

`read` gives a Batch that DuckDB, polars, pandas and pyarrow take as it is.
"""

from importlib.metadata import version

from memtap.native import CALLS, Batch
from memtap.source import read

__all__ = ["CALLS", "Batch", "__version__", "read"]
__version__ = version("memtap")

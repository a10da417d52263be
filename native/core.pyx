"""The hot path: a tap's bytes to columns, without the GIL. DESIGN.md beside this file says how.

One extension made of several files: Cython does not look for a sibling's .pxd through package_dir.
"""

include "system.pxi"    # what is needed of C and Linux
include "digits.pxi"    # decimal numbers in text
include "record.pxi"    # what a line says, whatever its format
include "format1.pxi"   # format 1: one line to one record
include "format2.pxi"   # format 2: one line to one record
include "notice.pxi"    # what a tap says about itself
include "pages.pxi"     # memory that grows by whole pages
include "columns.pxi"   # calls as a structure of arrays
include "names.pxi"     # comms to ids
include "activities.pxi"  # what each process did in each second of a batch
include "ledger.pxi"    # exact totals per process
include "identity.pxi"  # which process a call is of
include "adding.pxi"    # a call to its process's activity
include "ageing.pxi"    # ended processes and unused names go
include "seconds.pxi"   # events and rejected lines by second
include "ring.pxi"      # bytes between two threads
include "reader.pxi"    # file descriptor to ring
include "parse.pxi"     # lines to columns and ledger
include "ahead.pxi"     # a file's next window, mapped meanwhile
include "file.pxi"      # a file's bytes where the kernel has them
include "arrow.pxi"     # columns to Arrow
include "text.pxi"      # columns to LOAD DATA text
include "buffers.pxi"   # memory lent to Python and borrowed from it
include "identities.pxi"  # pids and starts of processes, as Python sees them
include "sums.pxi"      # activities to sums as SQL values
include "batch.pxi"     # Batch, as Python sees it
include "pack.pxi"      # a batch to bytes and back
include "parser.pxi"    # Parser, as Python sees it

# Pids and starts of local processes, for Python: arrays that grow, with no object for each process. They grow by
# `frombytes`, which refuses with a BufferError while somebody looks at the memory of one, as cpython.array's own
# functions do not.

from array import array as new_array

cdef array NO_PIDS = new_array("I")    # empty ones, to be cloned
cdef array NO_STARTS = new_array("Q")


cdef int extend_pids(array pids, Ledger *ledger) except -1:
    """By the processes that are new since."""
    cdef uint32_t i
    cdef uint32_t known = <uint32_t> len(pids)
    cdef uint32_t count = ledger.count
    cdef bytes more
    cdef uint32_t *to
    if known >= count:
        return 0
    more = PyBytes_FromStringAndSize(NULL, (count - known) * sizeof(uint32_t))
    to = <uint32_t *> PyBytes_AS_STRING(more)
    for i in range(known, count):
        to[i - known] = ledger.processes[i].pid
    pids.frombytes(more)
    return 0


cdef int extend_starts(array starts, Ledger *ledger) except -1:
    """Those that are new since, in microseconds."""
    cdef uint32_t i
    cdef uint32_t known = <uint32_t> len(starts)
    cdef uint32_t count = ledger.count
    cdef bytes more
    cdef uint64_t *to
    if known >= count:
        return 0
    more = PyBytes_FromStringAndSize(NULL, (count - known) * sizeof(uint64_t))
    to = <uint64_t *> PyBytes_AS_STRING(more)
    for i in range(known, count):
        to[i - known] = ledger.processes[i].start_us
    starts.frombytes(more)
    return 0

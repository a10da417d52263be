# Which process a call is of. Format 1 says a pid alone; in format 2, pid and start are a process's identity.

cdef uint32_t ledger_find1(Ledger *ledger, const Record *record) noexcept nogil:
    """The local id of a format-1 record's process, maybe a new one: the first under its pid, or behind one that has
    ended. There must be room for one more."""
    cdef uint32_t before = ledger.slots[record.pid].latest
    cdef uint32_t i = before - 1
    if i < ledger.count:
        return i
    i = ledger_new(ledger, record, record.time_us if before else 0, before & ~<uint32_t> OVER)
    ledger_latest(ledger, record.pid, i)
    return i


cdef inline bint same_start(uint64_t start, bint coarse, const Record *record) noexcept nogil:
    """Whether a record is of the process of its pid that began at `start`; `coarse`: somewhere in that tick."""
    return start == record.start_ns or (
        (coarse or record.call == CALL_PROC) and start // TICK_NS == record.start_ns // TICK_NS)


cdef uint64_t ledger_start_us(const Ledger *ledger, const Record *record, uint32_t latest) noexcept nogil:
    """What stores know a new process of format 2 by: its start in whole ticks, so that it is the same one whether /proc
    or a tap told of it first. A later process with the same pid and tick gets the next microsecond."""
    cdef uint64_t tick = record.start_ns // TICK_NS
    cdef uint64_t place = 0
    cdef uint64_t other
    cdef const Past *past
    cdef uint32_t left = CHAIN_MAX
    if ledger.past != NULL:
        past = &ledger.past[record.pid]
        if past.place and past.start // TICK_NS == tick:
            place = past.place
            if same_start(past.start, past.coarse, record):
                return tick * TICK_US + place - 1
    while latest and left:
        if ledger.held[latest - 1].start // TICK_NS == tick:
            other = ledger.processes[latest - 1].start_us - tick * TICK_US + 1
            place = other if other > place else place
        latest = ledger.processes[latest - 1].before
        left -= 1
    return tick * TICK_US + place


cdef inline bint is_past(const Ledger *ledger, const Record *record) noexcept nogil:
    """Whether a record is of a process that was let go of."""
    cdef const Past *past
    if ledger.past == NULL:
        return False
    past = &ledger.past[record.pid]
    return past.place and (record.start_ns <= past.start or same_start(past.start, past.coarse, record))


cdef uint32_t ledger_new2(Ledger *ledger, const Record *record, uint32_t latest) noexcept nogil:
    """A new process of format 2; `latest`: local id + 1 of the latest one of its pid, or 0. There must be room."""
    cdef uint64_t start_us = ledger_start_us(ledger, record, latest)
    cdef bint late = latest and record.start_ns < ledger.held[latest - 1].start  # of one before it, that was not seen
    cdef uint32_t i
    if late:
        i = ledger_new(ledger, record, start_us, ledger.processes[latest - 1].before)
        ledger.processes[latest - 1].before = i + 1
    else:
        i = ledger_new(ledger, record, start_us, latest)
        ledger_latest(ledger, record.pid, i)
        if latest:
            ledger_end(ledger, latest - 1)  # if its exit was lost: two processes cannot have one pid
    ledger.held[i].coarse = record.call == CALL_PROC
    if late or is_past(ledger, record):
        ledger_end(ledger, i)
    return i


cdef uint32_t ledger_find2(Ledger *ledger, const Record *record) noexcept nogil:
    """The local id of a format-2 record's process, maybe a new one. There must be room for one more.

    Lines of two processors may change places: a line of a process that has ended may come after the first one of
    the next process with its pid, and still counts for its own.
    """
    cdef uint32_t latest = ledger.slots[record.pid].latest & ~<uint32_t> OVER
    cdef uint32_t left = CHAIN_MAX
    cdef uint32_t i
    cdef bint coarse
    i = latest
    while i and left:
        coarse = ledger.held[i - 1].coarse
        if same_start(ledger.held[i - 1].start, coarse, record):
            if coarse and record.call != CALL_PROC:
                ledger.held[i - 1].start = record.start_ns
                ledger.held[i - 1].coarse = False
            return i - 1
        i = ledger.processes[i - 1].before
        left -= 1
    return ledger_new2(ledger, record, latest)

# Letting go of processes that have ended, and of names that nobody has any more: memory is bounded by what lives.
#
# Between two batches only, as local ids change with it: a new generation begins. A process is kept for a while after
# its end, for lines that come late. It is done when half of what there is can go, so that it costs each process once.
# Format 1 does not say who has ended: who wants no totals may have those let go of that are quiet for long.

cdef enum:
    GRACE_BATCHES = 8       # a process that ended so many batches ago is let go of,
    GRACE_BATCHES_MIN = 2   # or so many, if they had
    GRACE_EVENTS = 131072   # so many events: more than a tap holds back of one processor's lines
    GONE = 0xffffffff


cdef inline bint has_aged(const Ledger *ledger, uint32_t i) noexcept nogil:
    cdef const Process *process = &ledger.processes[i]
    cdef uint32_t batches = <uint32_t> ledger.batches - process.ended_batch
    return process.ended and (
        batches >= GRACE_BATCHES or
        (batches >= GRACE_BATCHES_MIN and ledger.events - process.ended_after >= GRACE_EVENTS))


cdef inline bint is_quiet(const Ledger *ledger, uint32_t i) noexcept nogil:
    """Whether a process of format 1, the only one of its pid, had no call for so long that it may be let go of. The
    next call of its pid begins one that stores know by the same pid and start."""
    cdef const Process *process = &ledger.processes[i]
    cdef const Slot *slot = &ledger.slots[process.pid]
    return ledger.quiet_batches and not ledger.wide and ledger.batches >= ledger.quiet_batches and \
        slot.latest == i + 1 and process.before == 0 and process.start_us == 0 and \
        slot.number < ledger.numbers_before[(ledger.batches - ledger.quiet_batches) % QUIET_MAX]


cdef bint quiet_due(Ledger *ledger, uint32_t keep) noexcept nogil:
    """Whether half of all are quiet. It is looked for where there are twice as many as the last time."""
    cdef uint32_t i
    cdef uint32_t quiet = 0
    if ledger.quiet_batches == 0 or ledger.count <= keep + 2 * <uint64_t> ledger.quiet_looked:
        return False
    for i in range(ledger.count):
        quiet += is_quiet(ledger, i)
    ledger.quiet_looked = ledger.count
    return quiet > 0 and quiet >= ledger.count // 2


cdef bint age_due(const Ledger *ledger, const Names *names, uint32_t keep) noexcept nogil:
    """Whether it is worth it. `keep`: ended processes and unused names that may always stay."""
    cdef uint32_t i
    cdef uint32_t aged = 0
    if names.count > keep + 2 * <uint64_t> ledger.count:
        return True
    if ledger.dead <= keep or ledger.dead < ledger.count // 2:
        return False
    for i in range(ledger.count):
        aged += has_aged(ledger, i)
    return aged > keep and aged >= ledger.count // 2


cdef uint32_t age_chain(const Ledger *ledger, const uint32_t *number, uint32_t i) noexcept nogil:
    """The first process from `i` (local id + 1) on, in the chain of its pid, that is kept; 0: none is."""
    while i and number[i - 1] == GONE:
        i = ledger.processes[i - 1].before
    return i


cdef void keep_past(Ledger *ledger, uint32_t i) noexcept nogil:
    """What tells late lines of a process that goes from those of another with its pid. The latest one counts."""
    cdef Past *past = &ledger.past[ledger.processes[i].pid]
    cdef uint64_t start = ledger.held[i].start
    if past.place == 0 or start >= past.start:
        past.start = start
        past.place = <uint32_t> (ledger.processes[i].start_us - start // TICK_NS * TICK_US) + 1
        past.coarse = ledger.held[i].coarse != 0


cdef void age_names(Names *names, const uint32_t *number) noexcept nogil:
    """Those with a number stay, in their order."""
    cdef uint32_t mask = 2 * names.capacity - 1
    cdef uint64_t at
    cdef uint32_t i
    cdef uint32_t count = 0
    memset(names.slots, 0, 2 * <size_t> names.capacity * sizeof(uint32_t))
    for i in range(names.count):
        if number[i] != GONE:
            names.comms[count] = names.comms[i]
            at = comm_hash(names.comms[count]) & mask
            while names.slots[at]:
                at = (at + 1) & mask
            count += 1
            names.slots[at] = count
    names.count = count
    names_forget(names)


cdef void age_processes(Ledger *ledger, const uint32_t *number, const uint32_t *name_number) noexcept nogil:
    cdef uint32_t i
    cdef uint32_t count = 0
    cdef Process *process
    cdef Slot *slot
    for i in range(ledger.count):  # while the old numbers still are where they were
        process = &ledger.processes[i]
        process.before = age_chain(ledger, number, process.before)
        slot = &ledger.slots[process.pid]
        if number[i] == GONE and slot.latest == i + 1 | OVER:
            slot.latest = process.before | OVER
        elif number[i] == GONE and slot.latest == i + 1:  # quiet
            slot.latest = 0
        if number[i] == GONE and ledger.past != NULL:
            keep_past(ledger, i)
    for i in range(ledger.count):
        process = &ledger.processes[i]
        if number[i] == GONE:
            ledger.dead -= process.ended
            continue
        slot = &ledger.slots[process.pid]
        if slot.latest & ~<uint32_t> OVER == i + 1:
            slot.latest = count + 1 | (slot.latest & <uint32_t> OVER)
        if process.before:
            process.before = number[process.before - 1] + 1
        ledger.processes[count] = process[0]
        ledger.totals[count] = ledger.totals[i]
        ledger.names[count] = name_number[ledger.names[i]]
        if ledger.wide:
            ledger.held[count] = ledger.held[i]
        count += 1
    for i in range(ledger.ended_count):
        ledger.ended[i] = number[ledger.ended[i]]
    ledger.count = count


cdef void age_memory(Ledger *ledger) noexcept nogil:
    """Gives memory back where three quarters are not needed."""
    cdef uint32_t capacity = ledger.capacity
    while capacity > 256 and ledger.count < capacity // 4:
        capacity //= 2
    ledger_resize(ledger, capacity)


cdef bint age_all(Ledger *ledger, Names *names) noexcept nogil:
    """Lets go of what has aged: between two batches. False, and nothing changed, where memory is short; then another
    time will do."""
    cdef uint32_t i
    cdef uint32_t kept = 0
    cdef uint32_t *name_number = <uint32_t *> malloc((names.count + 1) * sizeof(uint32_t))
    cdef uint32_t *number = <uint32_t *> malloc((ledger.count + 1) * sizeof(uint32_t))
    if name_number == NULL or number == NULL or \
            (ledger.wide and not pages_resize(&ledger.past_pages, PIDS * sizeof(Past))):
        free(name_number)
        free(number)
        return False
    ledger.past = <Past *> ledger.past_pages.base
    memset(name_number, 0xff, names.count * sizeof(uint32_t))
    for i in range(ledger.count):
        number[i] = GONE
        if not has_aged(ledger, i) and not is_quiet(ledger, i):
            number[i] = kept
            kept += 1
            name_number[ledger.names[i]] = 0
    kept = 0
    for i in range(names.count):
        if name_number[i] != GONE:
            name_number[i] = kept
            kept += 1
    age_processes(ledger, number, name_number)
    age_names(names, name_number)
    age_memory(ledger)
    ledger.quiet_looked = ledger.count
    free(name_number)
    free(number)
    return True

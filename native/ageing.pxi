# Letting go of processes that have ended, and of names that nobody has any more: memory is bounded by what lives.
#
# Between two batches only, as local ids change with it: a new generation begins. A process is kept for a while after
# its end, for lines that come late. It is done when half of what there is can go, so that it costs each process once.

cdef enum:
    GRACE_BATCHES = 8       # a process that ended so many batches ago is let go of,
    GRACE_BATCHES_MIN = 2   # or so many, if they had
    GRACE_EVENTS = 131072   # so many events: more than a tap holds back of one processor's lines
    GONE = 0xffffffff


cdef inline bint has_aged(const Ledger *ledger, const Process *process) noexcept nogil:
    cdef uint64_t batches = ledger.batches - process.ended_batch
    return process.ended and (batches >= GRACE_BATCHES or
                              (batches >= GRACE_BATCHES_MIN and ledger.events - process.ended_after >= GRACE_EVENTS))


cdef bint age_due(const Ledger *ledger, const Names *names, uint32_t keep) noexcept nogil:
    """Whether it is worth it. `keep`: ended processes and unused names that may always stay."""
    cdef uint32_t i
    cdef uint32_t aged = 0
    if names.count > keep + 2 * <uint64_t> ledger.count:
        return True
    if ledger.dead <= keep or ledger.dead < ledger.count // 2:
        return False
    for i in range(ledger.count):
        aged += has_aged(ledger, &ledger.processes[i])
    return aged > keep and aged >= ledger.count // 2


cdef uint32_t age_chain(const Ledger *ledger, const uint32_t *number, uint32_t i) noexcept nogil:
    """The first process from `i` (local id + 1) on, in the chain of its pid, that is kept; 0: none is."""
    while i and number[i - 1] == GONE:
        i = ledger.processes[i - 1].before
    return i


cdef void keep_past(Ledger *ledger, const Process *process) noexcept nogil:
    """What tells late lines of a process that goes from those of another with its pid. The latest one counts."""
    cdef Past *past = &ledger.past[process.pid]
    if past.place == 0 or process.start >= past.start:
        past.start = process.start
        past.place = <uint32_t> (process.start_us - process.start // TICK_NS * TICK_US) + 1
        past.coarse = process.coarse


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


cdef void age_processes(Ledger *ledger, const uint32_t *number, const uint32_t *name_number) noexcept nogil:
    cdef uint32_t i, first
    cdef uint32_t count = 0
    cdef Process *process
    for i in range(ledger.count):  # while the old numbers still are where they were
        process = &ledger.processes[i]
        process.before = age_chain(ledger, number, process.before)
        if number[i] == GONE and ledger.by_pid[process.pid] == i + 1:
            ledger.by_pid[process.pid] = process.before if process.before else <uint32_t> AGED
        if number[i] == GONE and ledger.past != NULL:
            keep_past(ledger, process)
    for i in range(ledger.count):
        process = &ledger.processes[i]
        if number[i] == GONE:
            ledger.dead -= 1
            continue
        if ledger.by_pid[process.pid] == i + 1:
            ledger.by_pid[process.pid] = count + 1
        process.name = name_number[process.name]
        if process.before:
            process.before = number[process.before - 1] + 1
        ledger.processes[count] = process[0]
        count += 1
    for i in range(ledger.ended_count):
        ledger.ended[i] = number[ledger.ended[i]]
    ledger.count = count


cdef bint age_all(Ledger *ledger, Names *names, bint second) noexcept nogil:
    """Lets go of what has aged: between two batches. `second`: format 2. False, and nothing changed, where memory
    is short; then another time will do."""
    cdef uint32_t i
    cdef uint32_t kept = 0
    cdef void *past
    cdef uint32_t *name_number = <uint32_t *> malloc((names.count + 1) * sizeof(uint32_t))
    cdef uint32_t *number = <uint32_t *> malloc((ledger.count + 1) * sizeof(uint32_t))
    if second and ledger.past == NULL:
        past = mmap(NULL, PAST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        ledger.past = <Past *> (NULL if past == MAP_FAILED else past)
    if name_number == NULL or number == NULL or (second and ledger.past == NULL):
        free(name_number)
        free(number)
        return False
    memset(name_number, 0xff, names.count * sizeof(uint32_t))
    for i in range(ledger.count):
        number[i] = GONE
        if not has_aged(ledger, &ledger.processes[i]):
            number[i] = kept
            kept += 1
            name_number[ledger.processes[i].name] = 0
    kept = 0
    for i in range(names.count):
        if name_number[i] != GONE:
            name_number[i] = kept
            kept += 1
    age_processes(ledger, number, name_number)
    age_names(names, name_number)
    ledger_shrink(ledger)
    free(name_number)
    free(number)
    return True

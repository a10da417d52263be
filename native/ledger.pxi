# The ledger: exact totals of every process, updated for every call whatever happens to storage.
#
# A call goes to its process's activity in the open batch. Those are added to the processes' totals when the batch is
# sealed, and handed out with it: nothing is summed twice. A process and its activity are found by its pid through a
# table of all possible pids: 32 MB of address space, of which the kernel backs what is used.

cdef enum:
    TICK_NS = 10000000    # 1 / USER_HZ: the unit of a start in /proc
    TICK_US = 10000
    CHAIN_MAX = 256       # processes of one pid that are looked at: lines that muddle starts must not cost all time
    OVER = 0x80000000     # of the latest process of a pid: it has ended
    PROCESSES_MAX = 1 << 30
    PIDS = PID_MAX + 1
    AHEAD = 12            # how many rows before it is needed a row is fetched
    NUMBERS = 0x80000000  # of activities: then they begin anew
    QUIET_MAX = 16        # batches

cdef struct Held:         # 64 bytes: what lines of format 2 touch besides
    uint64_t start        # nanoseconds since boot
    uint64_t vm           # bytes, as of held_us
    uint64_t rss
    uint64_t held_us
    uint64_t cgroup
    uint64_t failed       # calls, as of the last sealed batch
    uint32_t uid
    uint32_t parent       # pid; 0: nobody said
    uint32_t coarse       # its start is /proc's: whole ticks
    uint32_t nothing

cdef struct Totals:       # 32 bytes: as of the last sealed batch; what does not fit goes to `Process`
    uint64_t bytes[2]     # requested, released
    uint64_t last_us      # 0: none yet
    uint32_t calls[2]     # requests, releases

cdef struct Process:      # the rest
    uint64_t bytes_high[2]
    uint64_t calls_high[2]
    uint64_t first_us
    uint64_t start_us     # what stores know it by
    uint64_t ended_after  # events in the batches that had been sealed when it ended
    uint32_t pid
    uint32_t before       # local id + 1 of the process that had this pid before; 0: none
    uint32_t ended_batch  # how many batches these were, modulo 2^32
    uint32_t ended

cdef struct Past:         # the latest process of a pid that was let go of: late lines are still known as its own
    uint64_t start
    uint32_t place        # in its tick, from 1; 0: there was none
    bint coarse

cdef struct Ledger:
    Slot *slots           # by pid
    Past *past            # by pid, format 2
    Held *held            # by local id, if wide
    Totals *totals        # by local id
    Process *processes    # by local id
    uint32_t *names       # by local id: id of the comm, as of the last sealed batch
    uint32_t *ended       # local ids of the processes that ended in the open batch; room for `capacity`
    uint32_t ended_count
    uint32_t count
    uint32_t capacity
    uint32_t dead         # processes that have ended and are still here
    uint32_t quiet_batches  # format 1: who had no call in so many batches may be let go of; 0: nobody
    uint32_t quiet_looked   # how many processes there were when it was last looked for them
    uint32_t numbers_before[QUIET_MAX]  # with which activity the batches before began, each in its place
    bint wide             # format 2
    uint64_t batches      # sealed
    uint64_t events       # in them
    Activities open       # the open batch's
    size_t open_before    # how many the batch before had
    size_t blank          # activities from the open batch's last one up to this one are zeros, format 1
    uint32_t first_number  # of the open batch's activities; above 0, which is that of none
    uint32_t turned       # how many of them there were when the latest second began
    uint64_t second_us    # where that begins: all activities since are of that second
    Pages slot_pages      # where all that is
    Pages past_pages
    Pages held_pages
    Pages totals_pages
    Pages process_pages
    Pages name_pages
    Pages ended_pages


cdef bint ledger_init(Ledger *ledger) noexcept nogil:
    memset(ledger, 0, sizeof(Ledger))
    ledger.first_number = 1
    if not pages_resize(&ledger.slot_pages, PIDS * sizeof(Slot)):
        return False
    ledger.slots = <Slot *> ledger.slot_pages.base
    return True


cdef void ledger_free(Ledger *ledger) noexcept nogil:
    pages_free(&ledger.slot_pages)
    pages_free(&ledger.past_pages)
    pages_free(&ledger.held_pages)
    pages_free(&ledger.totals_pages)
    pages_free(&ledger.process_pages)
    pages_free(&ledger.name_pages)
    pages_free(&ledger.ended_pages)
    activities_free(&ledger.open)
    memset(ledger, 0, sizeof(Ledger))


cdef bint ledger_resize(Ledger *ledger, uint32_t capacity) noexcept nogil:
    """Room for so many processes. False, and nothing lost, where memory is short."""
    cdef bint done = (not ledger.wide or pages_resize(&ledger.held_pages, capacity * sizeof(Held))) and \
        pages_resize(&ledger.totals_pages, capacity * sizeof(Totals)) and \
        pages_resize(&ledger.process_pages, capacity * sizeof(Process)) and \
        pages_resize(&ledger.name_pages, capacity * sizeof(uint32_t)) and \
        pages_resize(&ledger.ended_pages, capacity * sizeof(uint32_t))  # each process ends once: it cannot overflow
    ledger.held = <Held *> ledger.held_pages.base
    ledger.totals = <Totals *> ledger.totals_pages.base
    ledger.processes = <Process *> ledger.process_pages.base
    ledger.names = <uint32_t *> ledger.name_pages.base
    ledger.ended = <uint32_t *> ledger.ended_pages.base
    if done:
        ledger.capacity = capacity
    return done


cdef bint ledger_room_for_open(Ledger *ledger, size_t more) noexcept nogil:
    """Room for so many more activities: where there are none yet, for as many as the batch before had."""
    cdef size_t count = ledger.open.count + more
    if ledger.open.capacity == 0:
        count = count if count > ledger.open_before else ledger.open_before
    elif count < 2 * ledger.open.capacity:
        count = 2 * ledger.open.capacity
    ledger.blank = 0
    return activities_grow(&ledger.open, count, ledger.wide)


cdef inline bint ledger_room(Ledger *ledger, uint32_t more) noexcept nogil:
    """Room for so many more processes and activities. False, and nothing lost, where memory is short."""
    cdef uint32_t capacity = ledger.capacity
    if ledger.count + more > capacity:
        while ledger.count + more > capacity:
            capacity = 2 * capacity if capacity else 256
        if capacity > PROCESSES_MAX or not ledger_resize(ledger, capacity):
            return False
    return ledger.open.count + more <= ledger.open.capacity or ledger_room_for_open(ledger, more)


cdef uint32_t ledger_new(Ledger *ledger, const Record *record, uint64_t start_us, uint32_t before) noexcept nogil:
    """A new process under a record's pid, which is not its latest yet. There must be room for one more."""
    cdef uint32_t i = ledger.count
    cdef Process *process = &ledger.processes[i]
    memset(process, 0, sizeof(Process))
    memset(&ledger.totals[i], 0, sizeof(Totals))
    if ledger.wide:
        memset(&ledger.held[i], 0, sizeof(Held))
        ledger.held[i].start = record.start_ns
    process.pid = record.pid
    process.start_us = start_us
    process.before = before
    process.first_us = <uint64_t> -1
    ledger.names[i] = record.name
    ledger.count = i + 1
    return i


cdef inline void ledger_latest(Ledger *ledger, uint32_t pid, uint32_t i) noexcept nogil:
    """Process `i` is the latest one of a pid. It has no activity yet."""
    ledger.slots[pid].latest = i + 1
    ledger.slots[pid].number = 0


cdef inline void ledger_end(Ledger *ledger, uint32_t i) noexcept nogil:
    """Process `i` has ended; said once."""
    cdef Process *process = &ledger.processes[i]
    if not process.ended:
        process.ended = True
        process.ended_batch = <uint32_t> ledger.batches
        process.ended_after = ledger.events
        if ledger.slots[process.pid].latest == i + 1:
            ledger.slots[process.pid].latest |= <uint32_t> OVER
        ledger.dead += 1
        ledger.ended[ledger.ended_count] = i
        ledger.ended_count += 1


cdef u128 ledger_bytes(const Ledger *ledger, uint32_t i, size_t which) noexcept nogil:
    """What process `i` had requested (0) or released (1) as of the last sealed batch."""
    return (<u128> ledger.processes[i].bytes_high[which] << 64) + ledger.totals[i].bytes[which]


cdef uint64_t ledger_calls(const Ledger *ledger, uint32_t i, size_t which) noexcept nogil:
    return (ledger.processes[i].calls_high[which] << 32) + ledger.totals[i].calls[which]


cdef inline void ledger_total(Ledger *ledger, uint32_t i, Totals *totals, const Running *running,
                              size_t which) noexcept nogil:
    totals.bytes[which] += running.bytes[which]
    if not expect_true(totals.bytes[which] >= running.bytes[which]):
        ledger.processes[i].bytes_high[which] += 1
    totals.calls[which] += running.calls[which]
    if not expect_true(totals.calls[which] >= running.calls[which]):
        ledger.processes[i].calls_high[which] += 1


cdef void ledger_fold(Ledger *ledger) noexcept nogil:
    """Adds the open batch's activities to the totals: once, when they are all there."""
    cdef size_t n
    cdef size_t count = ledger.open.count
    cdef uint32_t i
    cdef uint64_t first_us, last_us
    cdef Totals *all = ledger.totals
    cdef uint32_t *names = ledger.names
    cdef const Running *running = ledger.open.running
    cdef const Beginning *beginning = ledger.open.beginnings
    cdef Totals *totals
    for n in range(count):
        prefetch(&all[beginning[AHEAD if n + AHEAD < count else 0].process])
        i = beginning.process
        totals = &all[i]
        ledger_total(ledger, i, totals, running, 0)
        ledger_total(ledger, i, totals, running, 1)
        first_us = beginning.second_us + beginning.first
        last_us = beginning.second_us + running.last
        if not expect_true(first_us >= totals.last_us and totals.last_us):
            ledger.processes[i].first_us = min(first_us, ledger.processes[i].first_us)
        totals.last_us = last_us if last_us > totals.last_us else totals.last_us
        names[i] = running.name
        running += 1
        beginning += 1
    if ledger.wide:
        for n in range(ledger.open.count):
            if ledger.open.said[n].failed:
                ledger.held[ledger.open.beginnings[n].process].failed += ledger.open.said[n].failed


cdef void ledger_renumber(Ledger *ledger) noexcept nogil:
    """Activities' numbers begin anew; no process has one."""
    cdef uint32_t i
    for i in range(ledger.count):
        ledger.slots[ledger.processes[i].pid].number = 0
    ledger.first_number = 1
    memset(ledger.numbers_before, 0, sizeof(ledger.numbers_before))


cdef void ledger_seal(Ledger *ledger, uint64_t events, Activities *sealed) noexcept nogil:
    """The batch ends, with so many events: its activities go to the totals, and are the caller's from now on."""
    ledger_fold(ledger)
    ledger.open_before = ledger.open.count
    ledger.blank = 0
    ledger.numbers_before[ledger.batches % QUIET_MAX] = ledger.first_number
    ledger.first_number += <uint32_t> ledger.open.count
    ledger.turned = 0
    if ledger.first_number > <uint32_t> NUMBERS:
        ledger_renumber(ledger)
    sealed[0] = activities_hand_out(&ledger.open)
    ledger.batches += 1
    ledger.events += events
    ledger.ended_count = 0

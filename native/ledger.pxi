# The ledger: exact totals of every process, updated for every call whatever happens to storage.
#
# A call touches one `Activity`: the sums of one process in one second of the open batch. Sealing a batch folds
# its activities into the processes and hands them to the batch, so nothing is summed twice. A process is found
# by its pid through a table of all possible pids: 16 MB of address space, of which the kernel backs what is used.

cdef enum:
    PID_ENDED = 0xffffffff  # the process that had this pid has ended: its next call is another process's

cdef struct Process:
    Comm comm             # the latest
    uint32_t name         # its id
    uint32_t pid
    uint32_t activity     # the latest activity in the open batch + 1; 0: none
    uint32_t reserved
    uint64_t start_us     # 0: format 1 does not say; of a reused pid, its first call
    uint64_t requests     # calls, as of the last sealed batch, like all below
    uint64_t releases
    uint64_t first_us
    uint64_t last_us
    u128 requested        # bytes
    u128 released

cdef struct Activity:
    u128 requested        # bytes
    u128 released
    uint64_t second_us    # where its second begins
    uint64_t first_us
    uint64_t last_us
    uint32_t requests     # calls
    uint32_t releases
    uint32_t process      # local id
    uint32_t name         # local id of the latest comm

cdef struct Ledger:
    uint32_t *by_pid      # local process id + 1; 0: not seen; PID_ENDED
    Process *processes    # by local id
    uint32_t count
    uint32_t capacity
    Activity *activities  # of the open batch, in order of appearance
    uint32_t active
    uint32_t active_capacity


cdef bint ledger_init(Ledger *ledger) noexcept nogil:
    memset(ledger, 0, sizeof(Ledger))
    # calloc of this size is an anonymous mapping: pages that no pid touches cost nothing
    ledger.by_pid = <uint32_t *> calloc(PID_MAX + 1, sizeof(uint32_t))
    return ledger.by_pid != NULL


cdef void ledger_free(Ledger *ledger) noexcept nogil:
    free(ledger.by_pid)
    free(ledger.processes)
    free(ledger.activities)
    memset(ledger, 0, sizeof(Ledger))


cdef bint ledger_room(Ledger *ledger) noexcept nogil:
    """Room for one more process and one more activity. False, and nothing lost, where memory is short."""
    cdef uint32_t capacity
    cdef void *moved
    if ledger.count == ledger.capacity:
        capacity = ledger.capacity * 2 if ledger.capacity else 256
        moved = realloc(ledger.processes, capacity * sizeof(Process))
        if moved == NULL:
            return False
        ledger.processes = <Process *> moved
        ledger.capacity = capacity
    if ledger.active == ledger.active_capacity:
        capacity = ledger.active_capacity * 2 if ledger.active_capacity else 256
        moved = realloc(ledger.activities, capacity * sizeof(Activity))
        if moved == NULL:
            return False
        ledger.activities = <Activity *> moved
        ledger.active_capacity = capacity
    return True


cdef inline uint32_t ledger_process(Ledger *ledger, const Record *record) noexcept nogil:
    """The local id of a record's process. There must be room for one more."""
    cdef uint32_t i = ledger.by_pid[record.pid]
    cdef Process *process
    if expect_true(i != 0 and i != <uint32_t> PID_ENDED):
        return i - 1
    process = &ledger.processes[ledger.count]
    memset(process, 0, sizeof(Process))
    process.pid = record.pid
    process.start_us = record.time_us if i else 0
    process.name = <uint32_t> -1
    process.first_us = <uint64_t> -1
    ledger.count += 1
    ledger.by_pid[record.pid] = ledger.count
    return ledger.count - 1


cdef Activity *ledger_activity(Ledger *ledger, uint32_t process, uint64_t time_us) noexcept nogil:
    """A new activity of a process, for the second that holds `time_us`. There must be room for one more."""
    cdef Activity *activity = &ledger.activities[ledger.active]
    memset(activity, 0, sizeof(Activity))
    activity.process = process
    activity.second_us = time_us - time_us % 1000000
    activity.first_us = time_us
    activity.last_us = time_us
    ledger.active += 1
    ledger.processes[process].activity = ledger.active
    return activity


cdef inline void ledger_add(Ledger *ledger, uint32_t i, const Record *record) noexcept nogil:
    """One call of process `i`. There must be room for one more activity."""
    cdef Process *process = &ledger.processes[i]
    cdef Activity *activity
    if process.activity:
        activity = &ledger.activities[process.activity - 1]
        # unsigned: a time before the second wraps round and is not below a million either
        if record.time_us - activity.second_us >= 1000000:
            activity = ledger_activity(ledger, i, record.time_us)
    else:
        activity = ledger_activity(ledger, i, record.time_us)
    if record.call == CALL_MMAP2:
        activity.requested += record.length
        activity.requests += 1
    else:
        activity.released += record.length
        activity.releases += 1
    if record.time_us < activity.first_us:
        activity.first_us = record.time_us
    if record.time_us > activity.last_us:
        activity.last_us = record.time_us
    activity.name = process.name


cdef void ledger_fold(Ledger *ledger) noexcept nogil:
    """Adds the open batch's activities to the processes' totals; they no longer belong to the open batch."""
    cdef uint32_t i
    cdef Activity *activity
    cdef Process *process
    for i in range(ledger.active):
        activity = &ledger.activities[i]
        process = &ledger.processes[activity.process]
        process.requested += activity.requested
        process.released += activity.released
        process.requests += activity.requests
        process.releases += activity.releases
        if activity.first_us < process.first_us:
            process.first_us = activity.first_us
        if activity.last_us > process.last_us:
            process.last_us = activity.last_us
        process.activity = 0

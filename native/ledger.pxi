# The ledger: exact totals of every process, updated for every call whatever happens to storage.
#
# A call touches one `Activity`: the sums of one process in one second of the open batch. Sealing a batch folds
# its activities into the processes and hands them to the batch, so nothing is summed twice. A process is found
# by its pid through a table of all possible pids: 16 MB of address space, of which the kernel backs what is used.

cdef enum:
    TICK_NS = 10000000    # 1 / USER_HZ: the unit of a start in /proc

    TICK_US = 10000
    CHAIN_MAX = 256       # processes of one pid that are looked at: lines that muddle starts must not cost all time
    AGED = 0xffffffff     # of a pid of whose processes none is left: the latest one was let go of
    PIDS = PID_MAX + 1
    PAST_BYTES = PIDS * 16

cdef struct Past:         # the latest process of a pid that was let go of: late lines are still known as its own
    uint64_t start
    uint32_t place        # in its tick, from 1; 0: there was none
    bint coarse

cdef struct Process:
    Comm comm             # the latest
    uint32_t name         # its id
    uint32_t pid
    uint32_t activity     # the latest activity in the open batch + 1; 0: none
    uint32_t before       # local id + 1 of the process that had this pid before; 0: none
    uint64_t start        # format 2: nanoseconds since boot; format 1: 0, or of a reused pid its first call's time
    uint64_t start_us     # what stores know it by
    uint64_t cgroup
    uint64_t vm           # bytes, as of held_us
    uint64_t rss
    uint64_t held_us
    uint32_t uid
    uint32_t parent       # pid; 0: nobody said
    bint ended
    bint coarse           # `start` is /proc's: whole ticks
    uint64_t ended_batch  # batches that had been sealed when it ended
    uint64_t ended_after  # events in them
    uint64_t requests     # calls, as of the last sealed batch, like all below
    uint64_t releases
    uint64_t failed
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
    uint64_t vm           # bytes, as of its latest call; 0 in format 1
    uint64_t rss
    uint32_t requests     # calls
    uint32_t releases
    uint32_t failed
    uint32_t process      # local id
    uint32_t name         # local id of the latest comm

cdef struct Ledger:
    uint32_t *by_pid      # local process id + 1 of the latest process; 0: none was seen; AGED
    Past *past            # by pid, format 2; NULL while nobody has been let go of
    Process *processes    # by local id
    uint32_t count
    uint32_t capacity
    Activity *activities  # of the open batch, in order of appearance
    uint32_t active
    uint32_t active_capacity
    uint32_t dead         # processes that have ended and are still here
    uint64_t batches      # sealed
    uint64_t events       # in them
    uint32_t *ended       # local ids of the processes that ended in the open batch; room for `capacity`
    uint32_t ended_count


cdef bint ledger_init(Ledger *ledger) noexcept nogil:
    memset(ledger, 0, sizeof(Ledger))
    # pages that no pid touches cost nothing; calloc would clear memory that was used before
    cdef void *table = mmap(NULL, PIDS * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    ledger.by_pid = <uint32_t *> (NULL if table == MAP_FAILED else table)
    return ledger.by_pid != NULL


cdef void ledger_free(Ledger *ledger) noexcept nogil:
    if ledger.by_pid != NULL:
        munmap(ledger.by_pid, PIDS * sizeof(uint32_t))
    if ledger.past != NULL:
        munmap(ledger.past, PAST_BYTES)
    free(ledger.processes)
    free(ledger.activities)
    free(ledger.ended)
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
        # each process ends once, so this cannot overflow
        moved = realloc(ledger.ended, capacity * sizeof(uint32_t))
        if moved == NULL:
            return False
        ledger.ended = <uint32_t *> moved
        ledger.capacity = capacity
    if ledger.active == ledger.active_capacity:
        capacity = ledger.active_capacity * 2 if ledger.active_capacity else 256
        moved = realloc(ledger.activities, capacity * sizeof(Activity))
        if moved == NULL:
            return False
        ledger.activities = <Activity *> moved
        ledger.active_capacity = capacity
    return True


cdef void ledger_shrink(Ledger *ledger) noexcept nogil:
    """Gives memory back where three quarters are not needed."""
    cdef uint32_t capacity = ledger.capacity
    cdef void *moved
    while capacity > 256 and ledger.count < capacity // 4:
        capacity //= 2
    if capacity == ledger.capacity:
        return
    moved = realloc(ledger.processes, capacity * sizeof(Process))
    if moved != NULL:
        ledger.processes = <Process *> moved
        ledger.capacity = capacity
    moved = realloc(ledger.ended, capacity * sizeof(uint32_t))
    if moved != NULL:
        ledger.ended = <uint32_t *> moved


cdef uint32_t ledger_new(Ledger *ledger, const Record *record, uint64_t start, uint32_t before) noexcept nogil:
    """A new process under a record's pid, which is not its latest yet. There must be room for one more."""
    cdef Process *process = &ledger.processes[ledger.count]
    memset(process, 0, sizeof(Process))
    process.pid = record.pid
    process.start = start
    process.start_us = start
    process.before = before
    process.name = <uint32_t> -1
    process.first_us = <uint64_t> -1
    ledger.count += 1
    return ledger.count - 1


cdef uint32_t ledger_next(Ledger *ledger, const Record *record) noexcept nogil:
    """A new process of format 1, the first under its pid or behind one that has ended. There must be room."""
    cdef uint32_t before = ledger.by_pid[record.pid]
    cdef uint32_t i = ledger_new(ledger, record, record.time_us if before else 0, 0 if before == AGED else before)
    ledger.by_pid[record.pid] = i + 1
    return i


cdef inline uint32_t ledger_process(Ledger *ledger, const Record *record) noexcept nogil:
    """The local id of a format-1 record's process. There must be room for one more."""
    cdef uint32_t i = ledger.by_pid[record.pid] - 1
    if expect_true(i < ledger.count and not ledger.processes[i].ended):
        return i
    return ledger_next(ledger, record)


cdef inline void ledger_end(Ledger *ledger, uint32_t i) noexcept nogil:
    """Process `i` has ended; said once."""
    if not ledger.processes[i].ended:
        ledger.processes[i].ended = True
        ledger.processes[i].ended_batch = ledger.batches
        ledger.processes[i].ended_after = ledger.events
        ledger.dead += 1
        ledger.ended[ledger.ended_count] = i
        ledger.ended_count += 1


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
    cdef const Process *process
    cdef const Past *past
    cdef uint32_t left = CHAIN_MAX
    if ledger.past != NULL:
        past = &ledger.past[record.pid]
        if past.place and past.start // TICK_NS == tick:
            place = past.place
            if same_start(past.start, past.coarse, record):
                return tick * TICK_US + place - 1
    while latest and left:
        process = &ledger.processes[latest - 1]
        if process.start // TICK_NS == tick:
            other = process.start_us - tick * TICK_US + 1
            place = other if other > place else place
        latest = process.before
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
    cdef Process *before = &ledger.processes[latest - 1] if latest else NULL
    cdef bint late = before != NULL and record.start_ns < before.start  # of one before it that was not seen
    cdef uint32_t i
    if late:
        i = ledger_new(ledger, record, record.start_ns, before.before)
        before.before = i + 1
    else:
        i = ledger_new(ledger, record, record.start_ns, latest)
        ledger.by_pid[record.pid] = i + 1
        if latest:
            ledger_end(ledger, latest - 1)  # if its exit was lost: two processes cannot have one pid
    ledger.processes[i].start_us = start_us
    ledger.processes[i].coarse = record.call == CALL_PROC
    if late or is_past(ledger, record):
        ledger_end(ledger, i)
    return i


cdef uint32_t ledger_find2(Ledger *ledger, const Record *record) noexcept nogil:
    """The local id of a format-2 record's process that is not its pid's latest, or has another start.

    Lines of two processors may change places: a line of a process that has ended may come after the first one of
    the next process with its pid, and still counts for its own.
    """
    cdef uint32_t latest = ledger.by_pid[record.pid]
    cdef uint32_t left = CHAIN_MAX
    cdef uint32_t i
    cdef Process *process
    if latest == AGED:
        latest = 0
    i = latest
    while i and left:
        process = &ledger.processes[i - 1]
        if same_start(process.start, process.coarse, record):
            if process.coarse and record.call != CALL_PROC:
                process.start = record.start_ns
                process.coarse = False
            return i - 1
        i = process.before
        left -= 1
    return ledger_new2(ledger, record, latest)


cdef inline uint32_t ledger_process2(Ledger *ledger, const Record *record) noexcept nogil:
    """The local id of a format-2 record's process. There must be room for one more."""
    cdef uint32_t i = ledger.by_pid[record.pid] - 1
    if expect_true(i < ledger.count and ledger.processes[i].start == record.start_ns
                   and not ledger.processes[i].coarse):
        return i
    return ledger_find2(ledger, record)


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


cdef inline Activity *ledger_touch(Ledger *ledger, uint32_t i, uint64_t time_us) noexcept nogil:
    """The activity for a call of process `i`. There must be room for one more."""
    cdef Process *process = &ledger.processes[i]
    cdef Activity *activity
    if process.activity:
        activity = &ledger.activities[process.activity - 1]
        if time_us < activity.second_us or time_us - activity.second_us >= 1000000:
            activity = ledger_activity(ledger, i, time_us)
    else:
        activity = ledger_activity(ledger, i, time_us)
    if time_us < activity.first_us:
        activity.first_us = time_us
    if time_us > activity.last_us:
        activity.last_us = time_us
    activity.name = process.name
    return activity


cdef inline void ledger_add(Ledger *ledger, uint32_t i, const Record *record) noexcept nogil:
    """One format-1 call of process `i`: all that was asked for counts. There must be room for one more activity."""
    cdef Activity *activity = ledger_touch(ledger, i, record.time_us)
    if record.call == CALL_MMAP2:
        activity.requested += record.length
        activity.requests += 1
    else:
        activity.released += record.length
        activity.releases += 1


cdef inline void ledger_add2(Ledger *ledger, uint32_t i, const Record *record) noexcept nogil:
    """One format-2 line of process `i`: what was granted and given back. There must be room for one more activity."""
    cdef Process *process = &ledger.processes[i]
    cdef Activity *activity = ledger_touch(ledger, i, record.time_us)
    if record.time_us >= activity.last_us:
        if record.vm:  # 0: not known
            activity.vm = record.vm
        if record.rss:
            activity.rss = record.rss
    if record.time_us >= process.held_us:
        process.vm = record.vm
        if record.rss:
            process.rss = record.rss
        process.held_us = record.time_us
    process.uid = record.uid
    process.cgroup = record.cgroup
    if record.error:
        activity.failed += 1
    elif record.call == CALL_FORK:
        process.parent = <uint32_t> record.detail
    elif record.call == CALL_EXIT:
        ledger_end(ledger, i)
    elif record.call == CALL_MUNMAP or record.call == CALL_SHMDT:
        activity.released += record.freed
        activity.releases += 1
    elif record.freed > record.length:  # mremap or brk that shrank
        activity.released += record.freed - record.length
        activity.releases += 1
    elif record.call < CALL_FORK:
        activity.requested += record.length - record.freed
        activity.requests += 1


cdef Activity *ledger_hand_out(Ledger *ledger) noexcept nogil:
    """The open batch's activities, the caller's from now on; NULL where there are none."""
    cdef Activity *activities = ledger.activities
    cdef void *smaller
    if ledger.active == 0:
        return NULL
    smaller = realloc(activities, ledger.active * sizeof(Activity))
    ledger.activities = NULL
    ledger.active = 0
    ledger.active_capacity = 0
    return activities if smaller == NULL else <Activity *> smaller


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
        process.failed += activity.failed
        if activity.first_us < process.first_us:
            process.first_us = activity.first_us
        if activity.last_us > process.last_us:
            process.last_us = activity.last_us
        process.activity = 0

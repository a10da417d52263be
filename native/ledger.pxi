# The ledger: exact totals of every process, updated for every call whatever happens to storage.
#
# A call touches one `Running`: one cache line with the sums of one process in one second of the open batch. Where the
# second ends, and when the batch is sealed, they become an `Activity`; those are added to the processes' totals and
# handed to the batch: nothing is summed twice. A process is found by its pid through a table of all possible pids:
# 16 MB of address space, of which the kernel backs what is used.

cdef enum:
    TICK_NS = 10000000    # 1 / USER_HZ: the unit of a start in /proc
    TICK_US = 10000
    CHAIN_MAX = 256       # processes of one pid that are looked at: lines that muddle starts must not cost all time
    AGED = 0xffffffff     # of a pid of whose processes none is left: the latest one was let go of
    NO_NAME = 0xffffffff
    PIDS = PID_MAX + 1
    AHEAD = 12            # how many rows before it is needed a row is fetched

cdef enum State:          # bits
    OPEN = 1              # has sums of the open batch
    ENDED = 2
    COARSE = 4            # its start is /proc's: whole ticks

cdef struct Running:      # 64 bytes: what nearly every line of a process touches
    Comm comm             # the latest
    uint64_t second_us    # where the second begins that is summed up here; if not OPEN, the sums are 0
    uint64_t bytes[2]     # requested, released
    uint32_t calls[2]     # requests, releases
    uint32_t first        # microseconds since second_us; if not OPEN: above all, and 0
    uint32_t last
    uint32_t name         # id of the latest comm
    uint32_t state        # enum State

cdef struct Held:         # 64 bytes: what lines of format 2 touch besides
    uint64_t start        # nanoseconds since boot
    uint64_t vm           # bytes, as of held_us
    uint64_t rss
    uint64_t held_us
    uint64_t second_vm    # as of the latest call of the running second
    uint64_t second_rss
    uint64_t cgroup
    uint32_t uid
    uint32_t failed       # calls of the running second

cdef struct Totals:       # 64 bytes: as of the last sealed batch
    u128 requested        # bytes
    u128 released
    uint64_t requests     # calls
    uint64_t releases
    uint64_t first_us
    uint64_t last_us

cdef struct Process:      # the rest
    uint64_t failed       # calls, as of the last sealed batch
    uint64_t start_us     # what stores know it by
    uint32_t pid
    uint32_t before       # local id + 1 of the process that had this pid before; 0: none
    uint32_t parent       # pid; 0: nobody said
    uint32_t ended_batch  # batches that had been sealed when it ended, modulo 2^32
    uint64_t ended_after  # events in them

cdef struct Activity:     # one process in one second of one batch; packed as it is
    uint64_t requested    # bytes: where 64 bits do not do, there are two for the second
    uint64_t released
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
    uint32_t nothing      # 0

cdef struct Past:         # the latest process of a pid that was let go of: late lines are still known as its own
    uint64_t start
    uint32_t place        # in its tick, from 1; 0: there was none
    bint coarse

cdef struct Ledger:
    uint32_t *by_pid      # local process id + 1 of the latest process; 0: none was seen; AGED
    Past *past            # by pid, format 2
    Running *running      # by local id
    Held *held            # by local id, if wide
    Totals *totals        # by local id
    Process *processes    # by local id
    uint32_t *open        # local ids of the processes that are OPEN, in order of appearance; room for `capacity` + 1
    uint32_t *ended       # local ids of the processes that ended in the open batch; room for `capacity`
    uint32_t open_count
    uint32_t ended_count
    uint32_t count
    uint32_t capacity
    uint32_t dead         # processes that have ended and are still here
    bint wide             # format 2
    uint64_t batches      # sealed
    uint64_t events       # in them
    uint64_t second_us    # where the latest second begins
    Activity *activities  # of the open batch: seconds that are over
    size_t active
    size_t active_capacity
    Pages pid_pages       # where all that is
    Pages past_pages
    Pages running_pages
    Pages held_pages
    Pages totals_pages
    Pages process_pages
    Pages open_pages
    Pages ended_pages


cdef bint ledger_init(Ledger *ledger) noexcept nogil:
    memset(ledger, 0, sizeof(Ledger))
    if not pages_resize(&ledger.pid_pages, PIDS * sizeof(uint32_t)):
        return False
    ledger.by_pid = <uint32_t *> ledger.pid_pages.base
    return True


cdef void ledger_free(Ledger *ledger) noexcept nogil:
    pages_free(&ledger.pid_pages)
    pages_free(&ledger.past_pages)
    pages_free(&ledger.running_pages)
    pages_free(&ledger.held_pages)
    pages_free(&ledger.totals_pages)
    pages_free(&ledger.process_pages)
    pages_free(&ledger.open_pages)
    pages_free(&ledger.ended_pages)
    activities_free(ledger.activities, ledger.active_capacity)
    memset(ledger, 0, sizeof(Ledger))


cdef bint ledger_resize(Ledger *ledger, uint32_t capacity) noexcept nogil:
    """Room for so many processes. False, and nothing lost, where memory is short."""
    cdef bint done = pages_resize(&ledger.running_pages, capacity * sizeof(Running)) and \
        (not ledger.wide or pages_resize(&ledger.held_pages, capacity * sizeof(Held))) and \
        pages_resize(&ledger.totals_pages, capacity * sizeof(Totals)) and \
        pages_resize(&ledger.process_pages, capacity * sizeof(Process)) and \
        pages_resize(&ledger.open_pages, (capacity + 1) * sizeof(uint32_t)) and \
        pages_resize(&ledger.ended_pages, capacity * sizeof(uint32_t))  # each process ends once: it cannot overflow
    ledger.running = <Running *> ledger.running_pages.base
    ledger.held = <Held *> ledger.held_pages.base
    ledger.totals = <Totals *> ledger.totals_pages.base
    ledger.processes = <Process *> ledger.process_pages.base
    ledger.open = <uint32_t *> ledger.open_pages.base
    ledger.ended = <uint32_t *> ledger.ended_pages.base
    if done:
        ledger.capacity = capacity
    return done


cdef bint ledger_room(Ledger *ledger, uint32_t more) noexcept nogil:
    """Room for so many more processes and activities. False, and nothing lost, where memory is short."""
    cdef uint32_t capacity = ledger.capacity
    if ledger.count + more > capacity:
        while ledger.count + more > capacity:
            capacity = 2 * capacity if capacity else 256
        if not ledger_resize(ledger, capacity):
            return False
    return ledger.active + more <= ledger.active_capacity or activities_grow(ledger, ledger.active + more)


cdef inline size_t activities_rounded(size_t count) noexcept nogil:
    """Large ones are of few sizes, so that a spare block of the same size is there for the next batch."""
    cdef size_t capacity = 4096
    if count <= 4096:
        return count
    while capacity < count:
        capacity *= 2
    return capacity


cdef void activities_free(Activity *activities, size_t capacity) noexcept nogil:
    give_back(activities, capacity * sizeof(Activity))


cdef bint activities_grow(Ledger *ledger, size_t count) noexcept nogil:
    """Room for `count` activities. False, and nothing changed, where memory is short."""
    cdef size_t twice = 2 * ledger.active_capacity
    cdef size_t capacity = activities_rounded(count if count > twice else twice)
    cdef Activity *moved = <Activity *> take_block_of(capacity * sizeof(Activity))
    if moved == NULL:
        return False
    if ledger.active:
        memcpy(moved, ledger.activities, ledger.active * sizeof(Activity))
    activities_free(ledger.activities, ledger.active_capacity)
    ledger.activities = moved
    ledger.active_capacity = capacity
    return True


cdef uint32_t ledger_new(Ledger *ledger, const Record *record, uint64_t start_us, uint32_t before) noexcept nogil:
    """A new process under a record's pid, which is not its latest yet. There must be room for one more."""
    cdef uint32_t i = ledger.count
    cdef Process *process = &ledger.processes[i]
    memset(process, 0, sizeof(Process))
    memset(&ledger.totals[i], 0, sizeof(Totals))
    memset(&ledger.running[i], 0, sizeof(Running))
    ledger.running[i].name = NO_NAME
    ledger.running[i].first = <uint32_t> -1
    if ledger.wide:
        memset(&ledger.held[i], 0, sizeof(Held))
        ledger.held[i].start = record.start_ns
    process.pid = record.pid
    process.start_us = start_us
    process.before = before
    ledger.totals[i].first_us = <uint64_t> -1
    ledger.count = i + 1
    return i


cdef inline void ledger_end(Ledger *ledger, uint32_t i) noexcept nogil:
    """Process `i` has ended; said once."""
    if not ledger.running[i].state & ENDED:
        ledger.running[i].state |= ENDED
        ledger.processes[i].ended_batch = <uint32_t> ledger.batches
        ledger.processes[i].ended_after = ledger.events
        ledger.dead += 1
        ledger.ended[ledger.ended_count] = i
        ledger.ended_count += 1


cdef uint32_t ledger_find1(Ledger *ledger, const Record *record) noexcept nogil:
    """The local id of a format-1 record's process, maybe a new one: the first under its pid, or behind one that has
    ended. There must be room for one more."""
    cdef uint32_t before = ledger.by_pid[record.pid]
    cdef uint32_t i = before - 1
    if i < ledger.count and not ledger.running[i].state & ENDED:
        return i
    i = ledger_new(ledger, record, record.time_us if before else 0, 0 if before == AGED else before)
    ledger.by_pid[record.pid] = i + 1
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
        ledger.by_pid[record.pid] = i + 1
        if latest:
            ledger_end(ledger, latest - 1)  # if its exit was lost: two processes cannot have one pid
    if record.call == CALL_PROC:
        ledger.running[i].state |= COARSE
    if late or is_past(ledger, record):
        ledger_end(ledger, i)
    return i


cdef uint32_t ledger_find2(Ledger *ledger, const Record *record) noexcept nogil:
    """The local id of a format-2 record's process, maybe a new one. There must be room for one more.

    Lines of two processors may change places: a line of a process that has ended may come after the first one of
    the next process with its pid, and still counts for its own.
    """
    cdef uint32_t latest = ledger.by_pid[record.pid]
    cdef uint32_t left = CHAIN_MAX
    cdef uint32_t i
    cdef bint coarse
    if latest == AGED:
        latest = 0
    i = latest
    while i and left:
        coarse = ledger.running[i - 1].state & COARSE
        if same_start(ledger.held[i - 1].start, coarse, record):
            if coarse and record.call != CALL_PROC:
                ledger.held[i - 1].start = record.start_ns
                ledger.running[i - 1].state &= ~<uint32_t> COARSE
            return i - 1
        i = ledger.processes[i - 1].before
        left -= 1
    return ledger_new2(ledger, record, latest)


cdef void ledger_close(Ledger *ledger, uint32_t i) noexcept nogil:
    """What process `i` did in the running second becomes an activity. There must be room for one."""
    cdef Running *running = &ledger.running[i]
    cdef Activity *activity = &ledger.activities[ledger.active]
    cdef Held *held
    ledger.active += 1
    activity.requested = running.bytes[0]
    activity.released = running.bytes[1]
    activity.second_us = running.second_us
    activity.first_us = running.second_us + running.first
    activity.last_us = running.second_us + running.last
    activity.vm = 0
    activity.rss = 0
    activity.requests = running.calls[0]
    activity.releases = running.calls[1]
    activity.failed = 0
    activity.process = i
    activity.name = running.name
    activity.nothing = 0
    if ledger.wide:
        held = &ledger.held[i]
        activity.vm = held.second_vm
        activity.rss = held.second_rss
        activity.failed = held.failed
        held.second_vm = 0
        held.second_rss = 0
        held.failed = 0
    running.bytes[0] = 0
    running.bytes[1] = 0
    running.calls[0] = 0
    running.calls[1] = 0
    running.first = <uint32_t> -1
    running.last = 0


cdef inline bint in_second(uint64_t time_us, uint64_t second_us) noexcept nogil:
    """Both: near 2^64 the difference alone would wrap around."""
    return time_us >= second_us and time_us - second_us < 1000000


cdef inline void ledger_open(Ledger *ledger, uint32_t i) noexcept nogil:
    """Process `i` has sums of the open batch. Without a branch: which process that is cannot be foreseen."""
    ledger.open[ledger.open_count] = i
    ledger.open_count += ~ledger.running[i].state & OPEN
    ledger.running[i].state |= OPEN


cdef void ledger_turn(Ledger *ledger, uint32_t i, uint64_t time_us) noexcept nogil:
    """A second begins for process `i`: the one that holds `time_us`. There must be room for one more activity."""
    if ledger.running[i].state & OPEN:
        ledger_close(ledger, i)
    if not in_second(time_us, ledger.second_us):
        ledger.second_us = time_us - time_us % 1000000
    ledger.running[i].second_us = ledger.second_us


cdef inline void ledger_time(Running *running, uint64_t time_us) noexcept nogil:
    """A call at a time in the running second."""
    cdef uint32_t since = <uint32_t> (time_us - running.second_us)
    running.first = since if since < running.first else running.first
    running.last = since if since > running.last else running.last


cdef void ledger_again(Ledger *ledger, uint32_t i, uint64_t time_us) noexcept nogil:
    """64 bits are full: another activity of the same second begins. There must be room for one more."""
    cdef Held held
    if ledger.wide:
        held = ledger.held[i]
    ledger_turn(ledger, i, time_us)
    ledger_time(&ledger.running[i], time_us)
    if ledger.wide:
        ledger.held[i].second_vm = held.second_vm
        ledger.held[i].second_rss = held.second_rss


cdef inline void ledger_sum(Ledger *ledger, uint32_t i, uint64_t time_us, size_t which, uint64_t amount) noexcept nogil:
    """Adds to what process `i` has requested (0) or released (1). There must be room for one more activity."""
    cdef Running *running = &ledger.running[i]
    if not expect_true(running.bytes[which] <= ~amount):
        ledger_again(ledger, i, time_us)
    running.bytes[which] += amount
    running.calls[which] += 1


cdef inline void ledger_add1(Ledger *ledger, uint32_t i, uint64_t time_us, uint64_t length,
                             size_t released) noexcept nogil:
    """One format-1 call of process `i` in its running second: all that was asked for counts. There must be room for
    one more activity."""
    ledger_time(&ledger.running[i], time_us)
    ledger_sum(ledger, i, time_us, released, length)


cdef inline void ledger_add2(Ledger *ledger, uint32_t i, const Record *record) noexcept nogil:
    """One format-2 line of process `i` in its running second: what was granted and given back. There must be room for
    one more activity."""
    cdef Running *running = &ledger.running[i]
    cdef Held *held = &ledger.held[i]
    cdef bint releases = record.call == CALL_MUNMAP or record.call == CALL_SHMDT
    cdef uint64_t asked = 0 if releases else record.length
    ledger_time(running, record.time_us)
    if record.time_us - running.second_us >= running.last:
        held.second_vm = record.vm if record.vm else held.second_vm  # 0: not known
        held.second_rss = record.rss if record.rss else held.second_rss
    if expect_true(record.time_us >= held.held_us):
        held.vm = record.vm
        held.rss = record.rss if record.rss else held.rss
        held.held_us = record.time_us
    held.uid = record.uid
    held.cgroup = record.cgroup
    if record.error:
        held.failed += 1
    elif record.call < CALL_FORK:
        if releases or record.freed > asked:  # mremap or brk that shrank
            ledger_sum(ledger, i, record.time_us, 1, record.freed - asked)
        else:
            ledger_sum(ledger, i, record.time_us, 0, asked - record.freed)
    elif record.call == CALL_FORK:
        ledger.processes[i].parent = <uint32_t> record.detail
    elif record.call == CALL_EXIT:
        ledger_end(ledger, i)


cdef void ledger_take(Ledger *ledger, Names *names, uint32_t i, const Record *record) noexcept nogil:
    """A record of process `i`, whatever that has done before. There must be room for one more of everything."""
    cdef Running *running = &ledger.running[i]
    if not in_second(record.time_us, running.second_us):
        ledger_turn(ledger, i, record.time_us)  # under the name that it had then
    if running.comm.low != record.comm.low or running.comm.high != record.comm.high or running.name == NO_NAME:
        running.comm = record.comm
        running.name = names_intern(names, record.comm)
    ledger_open(ledger, i)
    if ledger.wide:
        ledger_add2(ledger, i, record)
    else:
        ledger_add1(ledger, i, record.time_us, record.length, record.call)


cdef bint ledger_room_to_close(Ledger *ledger) noexcept nogil:
    """Room for the activities of all processes that are open. False, and nothing changed, where memory is short."""
    cdef size_t count = ledger.active + ledger.open_count
    return count <= ledger.active_capacity or activities_grow(ledger, count)


cdef void ledger_close_all(Ledger *ledger) noexcept nogil:
    """The batch ends: no process is open any more. There must be room (ledger_room_to_close)."""
    cdef uint32_t n, i
    for n in range(ledger.open_count):
        if n + AHEAD < ledger.open_count:
            i = ledger.open[n + AHEAD]
            prefetch(&ledger.running[i])
            if ledger.wide:
                prefetch(&ledger.held[i])
        i = ledger.open[n]
        ledger_close(ledger, i)
        ledger.running[i].state &= ~<uint32_t> OPEN
    ledger.open_count = 0


cdef void ledger_fold(Ledger *ledger) noexcept nogil:
    """Adds the open batch's activities to the totals: once, when they are all there."""
    cdef size_t n
    cdef Activity *activity
    cdef Totals *totals
    for n in range(ledger.active):
        if n + AHEAD < ledger.active:
            prefetch(&ledger.totals[ledger.activities[n + AHEAD].process])
        activity = &ledger.activities[n]
        totals = &ledger.totals[activity.process]
        totals.requested += activity.requested
        totals.released += activity.released
        totals.requests += activity.requests
        totals.releases += activity.releases
        totals.first_us = activity.first_us if activity.first_us < totals.first_us else totals.first_us
        totals.last_us = activity.last_us if activity.last_us > totals.last_us else totals.last_us
        if activity.failed:
            ledger.processes[activity.process].failed += activity.failed


cdef Activity *ledger_hand_out(Ledger *ledger, size_t *active, size_t *capacity) noexcept nogil:
    """The open batch's activities, the caller's from now on."""
    cdef Activity *activities = ledger.activities
    cdef void *smaller
    active[0] = ledger.active
    capacity[0] = ledger.active_capacity
    if ledger.active and ledger.active_capacity * sizeof(Activity) < SPARE_BYTES_MIN:
        smaller = realloc(activities, ledger.active * sizeof(Activity))
        if smaller != NULL:
            activities = <Activity *> smaller
            capacity[0] = ledger.active
    ledger.activities = NULL
    ledger.active = 0
    ledger.active_capacity = 0
    return activities

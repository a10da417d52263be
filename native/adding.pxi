# A call goes to its process's activity: the quick way, which nearly every call takes, and the long way, whatever it is.

cdef inline bint in_second(uint64_t time_us, uint64_t second_us) noexcept nogil:
    """Both: near 2^64 the difference alone would wrap around."""
    return time_us >= second_us and time_us - second_us < 1000000


cdef inline uint32_t activity_in(const Slot *slot, uint32_t first_number, uint32_t count) noexcept nogil:
    """Which of so many activities a slot names; `count` where it names none. Without a branch: which process has one
    cannot be foreseen."""
    cdef uint32_t n = slot.number - first_number
    return n if n < count else count


cdef inline void fetch_activity(const Ledger *ledger, uint32_t pid) noexcept nogil:
    """Has what a line of format 2 of this pid needs come nearer; where that is not there yet, the address does no
    harm."""
    cdef const Slot *slot = &ledger.slots[pid]
    cdef uint32_t n = activity_in(slot, ledger.first_number, <uint32_t> ledger.open.count)
    prefetch(&ledger.open.running[n])
    prefetch(&ledger.held[<size_t> (slot.latest - <uint32_t> 1)])
    prefetch(&ledger.open.said[n])


cdef uint32_t ledger_open(Ledger *ledger, uint32_t i, uint64_t time_us, uint32_t name) noexcept nogil:
    """Begins an activity of process `i`. There must be room for one more."""
    cdef uint32_t n = <uint32_t> ledger.open.count
    cdef Slot *slot = &ledger.slots[ledger.processes[i].pid]
    if not in_second(time_us, ledger.second_us):
        ledger.second_us = time_us - time_us % 1000000
        ledger.turned = n
    ledger.open.count = n + 1
    memset(&ledger.open.running[n], 0, sizeof(Running))
    ledger.open.running[n].last = <uint32_t> (time_us - ledger.second_us)
    ledger.open.running[n].name = name
    ledger.open.beginnings[n].second_us = ledger.second_us
    ledger.open.beginnings[n].first = <uint32_t> (time_us - ledger.second_us)
    ledger.open.beginnings[n].process = i
    if ledger.wide:
        memset(&ledger.open.said[n], 0, sizeof(Said))
    if slot.latest & ~<uint32_t> OVER == i + 1:
        slot.number = ledger.first_number + n
    return n


cdef uint32_t ledger_activity(Ledger *ledger, uint32_t i, uint64_t time_us, uint32_t name) noexcept nogil:
    """The activity that a call of process `i` goes to, maybe a new one. There must be room for one more."""
    cdef const Slot *slot = &ledger.slots[ledger.processes[i].pid]
    cdef uint32_t n = slot.number - ledger.first_number
    if slot.latest & ~<uint32_t> OVER == i + 1 and n < ledger.open.count and \
            in_second(time_us, ledger.open.beginnings[n].second_us):
        return n
    return ledger_open(ledger, i, time_us, name)


cdef inline void activity_time(Activities *open, uint32_t n, uint64_t time_us) noexcept nogil:
    """A call at a time in the activity's second."""
    cdef uint32_t since = <uint32_t> (time_us - open.beginnings[n].second_us)
    open.beginnings[n].first = since if since < open.beginnings[n].first else open.beginnings[n].first
    open.running[n].last = since if since > open.running[n].last else open.running[n].last


cdef uint32_t activity_again(Ledger *ledger, uint32_t n, uint64_t time_us) noexcept nogil:
    """64 bits are full: another activity of the same process and second. There must be room for one more."""
    cdef uint32_t more = ledger_open(ledger, ledger.open.beginnings[n].process, time_us, ledger.open.running[n].name)
    if ledger.wide:
        ledger.open.said[more].vm = ledger.open.said[n].vm
        ledger.open.said[more].rss = ledger.open.said[n].rss
    return more


cdef inline void activity_sum(Ledger *ledger, uint32_t n, uint64_t time_us, size_t which,
                              uint64_t amount) noexcept nogil:
    """Adds to what was requested (0) or released (1). There must be room for one more activity."""
    if not expect_true(ledger.open.running[n].bytes[which] <= ~amount):
        n = activity_again(ledger, n, time_us)
    ledger.open.running[n].bytes[which] += amount
    ledger.open.running[n].calls[which] += 1


cdef inline void activity_add2(Ledger *ledger, uint32_t n, uint32_t i, const Record *record) noexcept nogil:
    """One format-2 line of process `i`: what was granted and given back. There must be room for one more activity."""
    cdef Held *held = &ledger.held[i]
    cdef Said *said = &ledger.open.said[n]
    cdef bint releases = record.call == CALL_MUNMAP or record.call == CALL_SHMDT
    cdef uint64_t asked = 0 if releases else record.length
    activity_time(&ledger.open, n, record.time_us)
    if record.time_us - ledger.open.beginnings[n].second_us >= ledger.open.running[n].last:
        said.vm = record.vm if record.vm else said.vm  # 0: not known
        said.rss = record.rss if record.rss else said.rss
    if expect_true(record.time_us >= held.held_us):
        held.vm = record.vm
        held.rss = record.rss if record.rss else held.rss
        held.held_us = record.time_us
    held.uid = record.uid
    held.cgroup = record.cgroup
    if record.error:
        said.failed += 1
    elif record.call < CALL_FORK:
        if releases or record.freed > asked:  # mremap or brk that shrank
            activity_sum(ledger, n, record.time_us, 1, record.freed - asked)
        else:
            activity_sum(ledger, n, record.time_us, 0, asked - record.freed)
    elif record.call == CALL_FORK:
        held.parent = <uint32_t> record.detail
    elif record.call == CALL_EXIT:
        ledger_end(ledger, i)


cdef uint32_t ledger_take(Ledger *ledger, const Record *record) noexcept nogil:
    """The long way of any record, of a process that may be new. Returns its local id. There must be room for one more
    of everything."""
    cdef uint32_t i = ledger_find2(ledger, record) if ledger.wide else ledger_find1(ledger, record)
    cdef uint32_t n = ledger_activity(ledger, i, record.time_us, record.name)
    ledger.open.running[n].name = record.name
    if ledger.wide:
        activity_add2(ledger, n, i, record)
    else:
        activity_time(&ledger.open, n, record.time_us)
        activity_sum(ledger, n, record.time_us, record.call, record.length)
    return i


cdef inline void ledger_blank(Ledger *ledger, size_t more) noexcept nogil:
    """The next `more` activities, or all for which there is room, are zeros, so that no call need ask whether it begins
    one. There may be less room where calls that come again have begun theirs already."""
    cdef size_t blank = max(ledger.blank, ledger.open.count)
    cdef size_t end = min(ledger.open.count + more, ledger.open.capacity)
    if blank < end:
        memset(&ledger.open.running[blank], 0, (end - blank) * sizeof(Running))
        ledger.blank = end


cdef inline size_t ledger_quick1(Ledger *ledger, Columns *columns, size_t row, size_t end) noexcept nogil:
    """Format-1 calls from `row` on, each of a process that lives, in the latest second. Returns the first row that is
    no such call, or `end`. There must be room for the activities that they begin."""
    cdef Adding1 to
    if ledger.second_us > <uint64_t> -1 - 1000000:  # near 2^64 a difference alone would wrap around
        return row
    ledger_blank(ledger, end - row)
    to.times = columns.time_us
    to.lengths = columns.length
    to.pids = columns.pid
    to.names = columns.name
    to.calls = columns.call
    to.process = columns.process
    to.slots = ledger.slots
    to.processes = ledger.count
    to.first_number = ledger.first_number + ledger.turned
    to.count = <uint32_t> ledger.open.count - ledger.turned
    to.open = ledger.open.running + ledger.turned
    to.beginnings = ledger.open.beginnings + ledger.turned
    to.second_us = ledger.second_us
    row = add1(&to, row, end)
    ledger.open.count = to.count + ledger.turned
    return row


cdef inline bint ledger_quick2(Ledger *ledger, const Record *record, uint32_t *process) noexcept nogil:
    """A format-2 line of a process that lives, in the latest second. False, and nothing changed, where it is no such
    line. There must be room for one more activity."""
    cdef Slot *slot = &ledger.slots[record.pid]
    cdef uint32_t i = slot.latest - 1
    cdef uint32_t n
    if not expect_true(i < ledger.count and in_second(record.time_us, ledger.second_us)):
        return False
    if not expect_true(ledger.held[i].start == record.start_ns and not ledger.held[i].coarse):
        return False
    n = ledger.turned + activity_in(slot, ledger.first_number + ledger.turned,
                                    <uint32_t> ledger.open.count - ledger.turned)
    if n == ledger.open.count:
        ledger_open(ledger, i, record.time_us, record.name)
    ledger.open.running[n].name = record.name
    activity_add2(ledger, n, i, record)
    process[0] = i
    return True

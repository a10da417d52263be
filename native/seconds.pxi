# How many events and rejected lines each second has, in the open batch.

cdef struct Second:
    uint64_t second     # since the epoch
    uint64_t events
    uint64_t rejected   # lines behind an event of this second; in second 0 those before the first event too

cdef struct Seconds:
    Second open         # the latest event's
    uint64_t open_us    # where that begins
    Second *closed      # as they were left: a second may occur again
    size_t count
    size_t capacity


cdef int compare_seconds(const void *one, const void *other) noexcept nogil:
    cdef uint64_t a = (<const Second *> one).second
    cdef uint64_t b = (<const Second *> other).second
    return <int> (a > b) - <int> (a < b)


cdef size_t merge_seconds(Second *rows, size_t count) noexcept nogil:
    """Sorts them and adds up those of one second; returns how many are left."""
    cdef size_t i
    cdef size_t kept = 0
    if count < 2:  # and maybe there is no memory yet, which qsort must not be told
        return count
    qsort(rows, count, sizeof(Second), compare_seconds)
    for i in range(count):
        if kept and rows[kept - 1].second == rows[i].second:
            rows[kept - 1].events += rows[i].events
            rows[kept - 1].rejected += rows[i].rejected
        else:
            rows[kept] = rows[i]
            kept += 1
    return kept


cdef bint seconds_room(Seconds *seconds, size_t more) noexcept nogil:
    """Room for so many more seconds, and one to close at the end. False, and nothing lost, where memory is short."""
    cdef size_t capacity
    cdef void *moved
    if seconds.count + more < seconds.capacity:
        return True
    seconds.count = merge_seconds(seconds.closed, seconds.count)
    if 2 * (seconds.count + more) < seconds.capacity:
        return True
    capacity = 4 * (seconds.count + more)
    moved = realloc(seconds.closed, capacity * sizeof(Second))
    if moved == NULL:
        return False
    seconds.closed = <Second *> moved
    seconds.capacity = capacity
    return True


cdef void seconds_close(Seconds *seconds) noexcept nogil:
    """The open second goes to the others. There must be room for one more."""
    if seconds.open.events or seconds.open.rejected:
        seconds.closed[seconds.count] = seconds.open
        seconds.count += 1
    seconds.open.events = 0
    seconds.open.rejected = 0


cdef inline void seconds_add(Seconds *seconds, uint64_t time_us) noexcept nogil:
    """One event. There must be room for one more."""
    # both: near 2^64 the difference alone would wrap around
    if not expect_true(time_us >= seconds.open_us and time_us - seconds.open_us < 1000000):
        seconds_close(seconds)
        seconds.open.second = time_us // 1000000
        seconds.open_us = time_us - time_us % 1000000
    seconds.open.events += 1


cdef size_t seconds_hand_out(Seconds *seconds, Second *rows) noexcept nogil:
    """The open batch's seconds, ascending, into `rows`, where there must be room for one more than are closed; the
    latest stays open, without its counts. Returns how many there are."""
    cdef size_t count
    seconds_close(seconds)
    memcpy(rows, seconds.closed, seconds.count * sizeof(Second))
    count = merge_seconds(rows, seconds.count)
    seconds.count = 0
    return count

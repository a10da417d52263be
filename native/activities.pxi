# Activities: what each process did in each second of one batch.
#
# Those of the open batch are written by each call, so they are split by who needs what when (adding1.h): a call goes to
# one half of a cache line, `Running`, and where it begins an activity, to the end of the arrays, which is near.

cdef enum:
    ACTIVITY_BYTES = 48         # in the block, in format 1
    ACTIVITY_BYTES_WIDE = 72
    ACTIVITIES_MAX = 1 << 30    # in one batch

cdef struct Said:         # 24 bytes: what only format 2 says
    uint64_t vm           # bytes, as of its latest call; 0: not known
    uint64_t rss
    uint64_t failed       # calls

cdef struct Activities:   # a structure of arrays in one block of memory
    size_t count
    size_t capacity
    bint wide             # of format 2
    void *block
    Running *running
    Beginning *beginnings
    Said *said            # if wide

cdef struct Activity:     # all of one; packed as it is
    uint64_t requested    # bytes
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


cdef inline size_t activities_bytes(const Activities *activities) noexcept nogil:
    return activities.capacity * <size_t> (ACTIVITY_BYTES_WIDE if activities.wide else ACTIVITY_BYTES)


cdef bint activities_init(Activities *activities, size_t capacity, bint wide) noexcept nogil:
    """None, and room for so many. False where memory is short, or there are too many for one batch."""
    memset(activities, 0, sizeof(Activities))
    activities.capacity = capacity
    activities.wide = wide
    if capacity > ACTIVITIES_MAX:
        return False
    activities.block = take_block_of(activities_bytes(activities))
    if activities.block == NULL:
        return False
    activities.running = <Running *> activities.block
    activities.beginnings = <Beginning *> (activities.running + capacity)
    if wide:
        activities.said = <Said *> (activities.beginnings + capacity)
    return True


cdef void activities_free(Activities *activities) noexcept nogil:
    give_back(activities.block, activities_bytes(activities))
    memset(activities, 0, sizeof(Activities))


cdef void activities_copy(Activities *to, const Activities *activities) noexcept nogil:
    """Into those that have room for as many, and are as wide."""
    to.count = activities.count
    if to.count == 0:
        return
    memcpy(to.running, activities.running, to.count * sizeof(Running))
    memcpy(to.beginnings, activities.beginnings, to.count * sizeof(Beginning))
    if to.wide:
        memcpy(to.said, activities.said, to.count * sizeof(Said))


cdef bint activities_grow(Activities *activities, size_t count, bint wide) noexcept nogil:
    """Room for `count`. False, and nothing changed, where memory is short.

    Large blocks are of few sizes, so that a spare one of the same size is there for the next batch.
    """
    cdef Activities more
    cdef size_t capacity = 4096
    while count > 4096 and capacity < count:
        capacity *= 2
    if not activities_init(&more, capacity if count > 4096 else count, wide):
        return False
    activities_copy(&more, activities)
    activities_free(activities)
    activities[0] = more
    return True


cdef Activities activities_hand_out(Activities *activities) noexcept nogil:
    """They are the caller's from now on. A few are copied: batches that wait for a store must cost what is in them."""
    cdef Activities made
    if (activities_bytes(activities) < SPARE_BYTES_MIN or activities.count <= activities.capacity // 4) and \
            activities_init(&made, activities.count, activities.wide):
        activities_copy(&made, activities)
        activities.count = 0
    else:
        made = activities[0]
        memset(activities, 0, sizeof(Activities))
    return made


cdef void activity_get(const Activities *activities, size_t n, Activity *activity) noexcept nogil:
    cdef const Running *running = &activities.running[n]
    cdef const Beginning *beginning = &activities.beginnings[n]
    activity.requested = running.bytes[0]
    activity.released = running.bytes[1]
    activity.second_us = beginning.second_us
    activity.first_us = beginning.second_us + beginning.first
    activity.last_us = beginning.second_us + running.last
    activity.vm = activities.said[n].vm if activities.wide else 0
    activity.rss = activities.said[n].rss if activities.wide else 0
    activity.requests = running.calls[0]
    activity.releases = running.calls[1]
    activity.failed = <uint32_t> activities.said[n].failed if activities.wide else 0
    activity.process = beginning.process
    activity.name = running.name
    activity.nothing = 0


cdef void activity_set(Activities *activities, size_t n, const Activity *activity) noexcept nogil:
    """There must be room."""
    cdef Running *running = &activities.running[n]
    cdef Beginning *beginning = &activities.beginnings[n]
    running.bytes[0] = activity.requested
    running.bytes[1] = activity.released
    running.calls[0] = activity.requests
    running.calls[1] = activity.releases
    running.last = <uint32_t> (activity.last_us - activity.second_us)
    running.name = activity.name
    beginning.second_us = activity.second_us
    beginning.first = <uint32_t> (activity.first_us - activity.second_us)
    beginning.process = activity.process
    if activities.wide:
        activities.said[n].vm = activity.vm
        activities.said[n].rss = activity.rss
        activities.said[n].failed = activity.failed

# A batch's activities to sums, each process once a step of time, as rows of SQL values.

cdef enum:
    SUMS_TEXT_MAX = 300  # 2 numbers of 39 digits, 8 of 20, 2 of 10, 15 characters beside them, and the slack

cdef struct Place:
    uint64_t begin        # of the step, microseconds since the epoch
    uint64_t last_us
    uint32_t process_id   # the store's
    uint32_t at           # of the activity

cdef struct Sum:
    u128 requested        # bytes
    u128 released
    uint64_t requests     # calls
    uint64_t releases
    uint64_t failed
    uint64_t first_us
    uint64_t last_us
    uint64_t vm           # bytes, as of held_us; 0: not known
    uint64_t resident
    uint64_t held_us
    uint32_t name         # local id of the latest comm


cdef inline int compared(uint64_t one, uint64_t other) noexcept nogil:
    return (one > other) - (one < other)


cdef int compare_places(const void *one, const void *other) noexcept nogil:
    """By step and process, and within these by time, so that the latest word comes last."""
    cdef const Place *a = <const Place *> one
    cdef const Place *b = <const Place *> other
    cdef int order = compared(a.begin, b.begin)
    if order == 0:
        order = compared(a.process_id, b.process_id)
    if order == 0:
        order = compared(a.last_us, b.last_us)
    return order if order else compared(a.at, b.at)


cdef void sum_add(Sum *sum, const Activity *activity) noexcept nogil:
    """Activities come in the order of `compare_places`."""
    sum.requested += activity.requested
    sum.released += activity.released
    sum.requests += activity.requests
    sum.releases += activity.releases
    sum.failed += activity.failed
    sum.first_us = min(sum.first_us, activity.first_us)
    sum.last_us = activity.last_us
    sum.name = activity.name
    if activity.vm:
        sum.vm = activity.vm
        sum.held_us = activity.last_us
    if activity.rss:
        sum.resident = activity.rss


cdef inline char *put_comma(char *p) noexcept nogil:
    p[0] = c','
    return p + 1


cdef inline char *put_known(char *p, uint64_t value) noexcept nogil:
    if value:
        return put(p, value)
    memcpy(p, "NULL", 4)
    return p + 4


cdef char *put_sum(char *p, const Sum *sum, bint wide) noexcept nogil:
    p = put_comma(put_wide(p, sum.requested))
    p = put_comma(put_wide(p, sum.released))
    p = put_comma(put(p, sum.requests))
    p = put(p, sum.releases)
    if wide:
        p = put(put_comma(p), sum.failed)
        p = put_known(put_comma(p), sum.vm)
        p = put_known(put_comma(p), sum.resident)
        p = put_known(put_comma(p), sum.held_us)
    memcpy(p, "),\n", 3)
    return p + 3


cdef char *put_sums(char *p, const Activities *activities, const Place *places, size_t count, const uint32_t *name_ids,
                    bint wide) noexcept nogil:
    """`places` are sorted. With `name_ids`, a row a process with its name and times; else the step comes first."""
    cdef Sum sum
    cdef Activity activity
    cdef size_t i = 0
    cdef size_t first
    while i < count:
        first = i
        memset(&sum, 0, sizeof(Sum))
        sum.first_us = <uint64_t> -1
        while i < count and places[i].begin == places[first].begin and places[i].process_id == places[first].process_id:
            activity_get(activities, places[i].at, &activity)
            sum_add(&sum, &activity)
            i += 1
        p[0] = c'('
        p += 1
        if name_ids == NULL:
            p = put_comma(put(p, places[first].begin // 1000000))
        p = put_comma(put(p, places[first].process_id))
        if name_ids != NULL:
            p = put_comma(put(p, name_ids[sum.name]))
            p = put_comma(put(p, sum.first_us))
            p = put_comma(put(p, sum.last_us))
        p = put_sum(p, &sum, wide)
    return p


cdef void put_places(Place *places, const Activities *activities, const uint32_t *process_ids,
                     uint64_t step_us) noexcept nogil:
    """Where each activity goes, sorted. `step_us`: 0 for one step that holds all time."""
    cdef const Beginning *beginning
    cdef size_t i
    for i in range(activities.count):
        beginning = &activities.beginnings[i]
        places[i].begin = beginning.second_us - beginning.second_us % step_us if step_us else 0
        places[i].last_us = beginning.second_us + activities.running[i].last
        places[i].process_id = process_ids[beginning.process]
        places[i].at = <uint32_t> i
    qsort(places, activities.count, sizeof(Place), compare_places)


cdef bytes sums_text(const Activities *activities, IdMap processes, IdMap names, uint64_t step_us, bint wide):
    """`step_us`: 0 for one step that holds all time. Raises MemoryError."""
    cdef size_t count = activities.count
    cdef Place *places = <Place *> malloc(count * sizeof(Place) + 1)
    cdef char *text = <char *> malloc(count * SUMS_TEXT_MAX + 1)
    cdef char *end
    cdef const uint32_t *name_ids = NULL if names is None else names.ids
    try:
        if places == NULL or text == NULL:
            raise MemoryError
        with nogil:
            put_places(places, activities, processes.ids, step_us)
            end = put_sums(text, activities, places, count, name_ids, wide)
        return text[:end - text]
    finally:
        free(places)
        free(text)

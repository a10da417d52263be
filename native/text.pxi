# Columns to LOAD DATA text: decimal fields, a tab between them, a newline after each row. Nothing needs escaping.

cdef extern from *:
    """
    static const char memtap_pairs[201] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354"
        "5556575859606162636465666768697071727374757677787980818283848586878889909192939495969798990";
    """
    const char *memtap_pairs

cdef enum:
    EVENT_TEXT_MAX = 150     # 5 numbers of 20 digits, 2 of 10, one of 5, two of 3, and 10 separators
    ACTIVITY_TEXT_MAX = 250  # 2 of 39, 5 of 20, 5 of 10, 12 separators


cdef inline char *put_pair(char *p, uint64_t value) noexcept nogil:
    memcpy(p, &memtap_pairs[2 * value], 2)
    return p + 2


cdef inline char *put_eight(char *p, uint64_t value) noexcept nogil:
    """Exactly eight digits."""
    cdef uint64_t high = value // 10000
    cdef uint64_t low = value % 10000
    p = put_pair(p, high // 100)
    p = put_pair(p, high % 100)
    p = put_pair(p, low // 100)
    return put_pair(p, low % 100)


cdef inline char *put_small(char *p, uint64_t value) noexcept nogil:
    """A number below 10^8, without leading zeros."""
    cdef char digits[8]
    cdef size_t zeros = 0
    put_eight(digits, value)
    while zeros < 7 and digits[zeros] == c'0':
        zeros += 1
    memcpy(p, &digits[zeros], 8 - zeros)
    return p + 8 - zeros


cdef inline char *put(char *p, uint64_t value) noexcept nogil:
    """Any number of 64 bits."""
    cdef uint64_t high
    if value < 100000000:
        return put_small(p, value)
    high = value // 100000000
    if high < 100000000:
        return put_eight(put_small(p, high), value % 100000000)
    p = put_small(p, high // 100000000)
    p = put_eight(p, high % 100000000)
    return put_eight(p, value % 100000000)


cdef char *put_wide(char *p, u128 value) noexcept nogil:
    """Any number of 128 bits."""
    cdef u128 ten16 = <u128> 10000000000000000
    cdef uint64_t low
    if value < ten16:
        return put(p, <uint64_t> value)
    low = <uint64_t> (value % ten16)
    p = put_wide(p, value // ten16)
    p = put_eight(p, low // 100000000)
    return put_eight(p, low % 100000000)


cdef inline char *put_tab(char *p) noexcept nogil:
    p[0] = c'\t'
    return p + 1


cdef char *put_events(char *p, const Columns *columns, const uint32_t *process_ids, const uint32_t *name_ids,
                      uint64_t first_id) noexcept nogil:
    cdef size_t i
    for i in range(columns.rows):
        p = put_tab(put(p, first_id + i))
        p = put_tab(put(p, columns.time_us[i]))
        p = put_tab(put(p, process_ids[columns.process[i]]))
        p = put_tab(put(p, name_ids[columns.name[i]]))
        p = put_tab(put_small(p, columns.call[i]))
        p = put(p, columns.length[i])
        if columns.wide:
            p = put(put_tab(p), columns.freed[i])
            p = put_small(put_tab(p), columns.error[i])
            p = put_small(put_tab(p), columns.kind[i])
            p = put(put_tab(p), columns.vm[i])
        p[0] = c'\n'
        p += 1
    return p


cdef char *put_activities(char *p, const Activity *activities, size_t count, const uint32_t *process_ids,
                          const uint32_t *name_ids, bint wide) noexcept nogil:
    cdef size_t i
    cdef const Activity *activity
    for i in range(count):
        activity = &activities[i]
        p = put_tab(put(p, process_ids[activity.process]))
        p = put_tab(put(p, name_ids[activity.name]))
        p = put_tab(put(p, activity.second_us // 1000000))
        p = put_tab(put_wide(p, activity.requested))
        p = put_tab(put_wide(p, activity.released))
        p = put_tab(put(p, activity.requests))
        p = put_tab(put(p, activity.releases))
        p = put_tab(put(p, activity.first_us))
        p = put(p, activity.last_us)
        if wide:
            p = put(put_tab(p), activity.failed)
            p = put(put_tab(p), activity.vm)
            p = put(put_tab(p), activity.rss)
        p[0] = c'\n'
        p += 1
    return p

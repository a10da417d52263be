# Columns to LOAD DATA text: decimal fields, a tab between them, a newline after each row. Nothing needs escaping.

cdef enum:
    EVENT_TEXT_MAX = 160     # 5 numbers of 20 digits, 2 of 10, one of 5, two of 3, 10 separators, and 7 bytes of slack
    ACTIVITY_TEXT_MAX = 260  # 2 of 39, 5 of 20, 5 of 10, 12 separators, and the slack


cdef inline uint64_t digits_of(uint64_t value) noexcept nogil:
    """The eight digits of a number below 10^8, one a byte, the first in the lowest (SWAR: two, four, eight at a time).

    10486 / 2^20 and 103 / 2^10 are 1/100 and 1/10, exact for what stands in a lane: below 10^4, below 100.
    """
    cdef uint64_t hundreds
    cdef uint64_t tens
    value = (value // 10000) | ((value % 10000) << 32)
    hundreds = ((value * 10486) >> 20) & <uint64_t> 0x0000007f0000007f
    value = hundreds | ((value - 100 * hundreds) << 16)
    tens = ((value * 103) >> 10) & <uint64_t> 0x000f000f000f000f
    return tens | ((value - 10 * tens) << 8)


cdef inline char *put_eight(char *p, uint64_t value) noexcept nogil:
    """Exactly eight digits."""
    value = digits_of(value) | <uint64_t> 0x3030303030303030
    memcpy(p, &value, 8)
    return p + 8


cdef inline char *put_small(char *p, uint64_t value) noexcept nogil:
    """A number below 10^8, without leading zeros. Eight bytes may be written."""
    cdef uint64_t digits = digits_of(value)
    cdef int zeros = __builtin_ctzll(digits | (<uint64_t> 1 << 56)) >> 3
    digits = (digits | <uint64_t> 0x3030303030303030) >> (8 * zeros)
    memcpy(p, &digits, 8)
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

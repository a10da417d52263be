# What a tap says about itself in the middle of its lines. bpftrace prints these to standard output.

cdef enum Notice:
    NO_NOTICE = 0
    NOTICE = 1         # a blank line, or `Attaching N probes...`
    NOTICE_LOST = 2    # `Lost N events`


cdef Notice read_notice(const uint8_t *line, size_t size, uint64_t *lost) noexcept nogil:
    """What a line that is no record says. `lost`: how many events the tap says it lost."""
    cdef uint64_t probes
    cdef const uint8_t *end = line + size
    if size == 0:
        return NOTICE
    if size > 12 and memcmp(line, b"Lost ", 5) == 0 and memcmp(end - 7, b" events", 7) == 0:
        return NOTICE_LOST if number(line + 5, size - 12, lost) else NO_NOTICE
    if size >= 20 and memcmp(line, b"Attaching ", 10) == 0:
        if memcmp(end - 10, b" probes...", 10) == 0:
            return NOTICE if number(line + 10, size - 20, &probes) else NO_NOTICE
        if memcmp(end - 9, b" probe...", 9) == 0:
            return NOTICE if number(line + 10, size - 19, &probes) else NO_NOTICE
    return NO_NOTICE


cdef inline bint is_header(const uint8_t *line, size_t size) noexcept nogil:
    """Whether a line is the header of a format, known or not."""
    return size >= 16 and memcmp(line, b"memtap: format=", 15) == 0


cdef inline bint is_header_2(const uint8_t *line, size_t size) noexcept nogil:
    return size >= 17 and memcmp(line, b"memtap: format=2,", 17) == 0

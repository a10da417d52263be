# Format 1, one line: `mmap2: PID=%d, process=%s, time=%d, length=%d` (or munmap), without its newline.
#
# The comm is raw: any 0 to 15 bytes but NUL. It may hold `, time=1` or a newline. The fields after it are found
# from the right, the ones before it from the left; what is between is the comm, and it must be 15 bytes or less.
#
# Why no comm can forge a record of another process: a newline in a comm cuts its record in two lines. The first,
# `call: PID=N, process=` and less than 15 bytes, lacks the 18 bytes or more of `, time=T, length=L`; the second
# has at most 14 bytes before `, time=`, and a record's head alone (`mmap2: PID=N, process=`) has 22.

cdef enum:
    RECORD_MIN = 40     # `mmap2: PID=1, process=, time=1, length=1`


cdef inline const uint8_t *after_pid(const uint8_t *p, const uint8_t *end, uint32_t *pid) noexcept nogil:
    """Reads a PID and `, process=`; returns where the comm begins, or NULL. 18 bytes must be readable."""
    cdef uint64_t value
    cdef uint64_t word = load64(p) ^ <uint64_t> 0x3030303030303030
    cdef uint64_t others = not_digits(word)
    cdef size_t size
    if expect_true(others != 0):
        size = __builtin_ctzll(others) >> 3
        if size == 0:
            return NULL
        value = eight_digits(word << (64 - 8 * size))
    else:
        size = 8
        while p + size < end and <uint8_t> (p[size] - c'0') <= 9:
            size += 1
        if not number(p, size, &value):
            return NULL
    p += size
    if value > PID_MAX or <size_t> (end - p) < 10 or memcmp(p, b", process=", 10) != 0:
        return NULL
    pid[0] = <uint32_t> value
    return p + 10


cdef inline const uint8_t *before_length(const uint8_t *start, const uint8_t *end, uint64_t *length) noexcept nogil:
    """Reads `, length=N` that ends at `end`; returns where it begins, or NULL. 17 bytes must be readable."""
    cdef uint64_t word = load64(end - 8) ^ <uint64_t> 0x3030303030303030
    cdef uint64_t others = not_digits(word)
    cdef size_t size
    if expect_true(others != 0):
        size = __builtin_clzll(others) >> 3
        if size == 0:
            return NULL
        length[0] = eight_digits(word & ~below(8 - size))
    else:
        size = digits_before(start, end)
        if not number(end - size, size, length):
            return NULL
    end -= size
    if end - start < 9 or memcmp(end - 9, b", length=", 9) != 0:
        return NULL
    return end - 9


cdef inline const uint8_t *before_time(const uint8_t *start, const uint8_t *end, uint64_t *time_us) noexcept nogil:
    """Reads `, time=N` that ends at `end`; returns where it begins, or NULL."""
    cdef uint64_t high
    cdef uint64_t low
    cdef size_t size
    if end - start >= 23 and (end - 17)[0] == c'=':  # 16 digits: any time from 2001 to 2286
        high = load64(end - 16) ^ <uint64_t> 0x3030303030303030
        low = load64(end - 8) ^ <uint64_t> 0x3030303030303030
        if (not_digits(high) | not_digits(low)) == 0:
            time_us[0] = eight_digits(high) * 100000000 + eight_digits(low)
            end -= 23
            return end if memcmp(end, b", time=", 7) == 0 else NULL
    size = digits_before(start, end)
    if not number(end - size, size, time_us):
        return NULL
    end -= size
    if end - start < 7 or memcmp(end - 7, b", time=", 7) != 0:
        return NULL
    return end - 7


cdef inline Reject read_format1(const uint8_t *line, size_t size, Record *record) noexcept nogil:
    """Reads one line. Where the answer is not WHOLE, `record` holds nothing of use."""
    cdef const uint8_t *end = line + size
    cdef const uint8_t *comm
    cdef const uint8_t *tail
    cdef size_t comm_size
    if size < RECORD_MIN:
        return reject_short(line, size)
    if memcmp(line, b"mmap2: PID=", 11) == 0:
        record.call = CALL_MMAP2
        comm = line + 11
    elif memcmp(line, b"munmap: PID=", 12) == 0:
        record.call = CALL_MUNMAP
        comm = line + 12
    else:
        return REJECT_CALL
    comm = after_pid(comm, end, &record.pid)
    if comm == NULL:
        return REJECT_PID
    tail = before_length(comm, end, &record.length)
    if tail == NULL:
        return REJECT_NEGATIVE if closes_record(line, size) and is_negative(line, end) else REJECT_LENGTH
    tail = before_time(comm, tail, &record.time_us)
    if tail == NULL:
        return REJECT_TIME
    comm_size = tail - comm
    if comm_size > COMM_MAX:
        return REJECT_PROCESS
    # `, time=1, length=1` follows the comm: 16 bytes can be read wherever it begins
    record.comm.low = load64(comm) & below(comm_size)
    record.comm.high = load64(comm + 8) & below(comm_size - 8 if comm_size > 8 else 0)
    if has_nul(record.comm.low | ~below(comm_size)) or \
            has_nul(record.comm.high | ~below(comm_size - 8 if comm_size > 8 else 0)):
        return REJECT_PROCESS
    return WHOLE


cdef Reject reject_short(const uint8_t *line, size_t size) noexcept nogil:
    """Why a line of less than RECORD_MIN bytes is not a record."""
    return REJECT_LENGTH if opens_record(line, size) else REJECT_CALL


cdef bint opens_record(const uint8_t *line, size_t size) noexcept nogil:
    """Whether a line begins as a record does: `call: PID=N, process=`."""
    cdef size_t at
    cdef size_t digits = 0
    if size >= 22 and memcmp(line, b"mmap2: PID=", 11) == 0:
        at = 11
    elif size >= 23 and memcmp(line, b"munmap: PID=", 12) == 0:
        at = 12
    else:
        return False
    while at < size and <uint8_t> (line[at] - c'0') <= 9:
        at += 1
        digits += 1
    return digits > 0 and size - at >= 10 and memcmp(line + at, b", process=", 10) == 0


cdef bint is_negative(const uint8_t *line, const uint8_t *end) noexcept nogil:
    """Whether the number that ends here has a minus."""
    end -= digits_before(line, end)
    return end > line and (end - 1)[0] == c'-'


cdef bint closes_record(const uint8_t *line, size_t size) noexcept nogil:
    """Whether a line ends as a record does: `, time=N, length=N`, be the length negative."""
    cdef const uint8_t *end = line + size
    cdef size_t digits = digits_before(line, end)
    if digits == 0:
        return False
    end -= digits
    if end > line and (end - 1)[0] == c'-':
        end -= 1
    if end - line < 9 or memcmp(end - 9, b", length=", 9) != 0:
        return False
    end -= 9
    digits = digits_before(line, end)
    return digits > 0 and <size_t> (end - line) >= digits + 7 and memcmp(end - digits - 7, b", time=", 7) == 0

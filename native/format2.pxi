# Format 2, one line: stap/FORMAT.md has the grammar. Fields have a fixed order and the name is encoded, so a line is
# read from left to right in one pass.

cdef extern from *:
    """
    static const uint64_t memtap_ten_to[9] =
        {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    static const char memtap_escapes[] = "abtnvfr"; /* of the bytes 7 to 13, in their order */

    /* Whether `size` bytes are equal, 16 or more. */
    static inline int memtap_same_text(const uint8_t *p, const uint8_t *other, size_t size) {
        typedef uint64_t Words __attribute__((vector_size(16)));
        Words a, b, differ;
        memcpy(&a, p + size - 16, 16);
        memcpy(&b, other + size - 16, 16);
        differ = a ^ b;
        for (size_t at = 0; at + 16 < size; at += 16) {
            memcpy(&a, p + at, 16);
            memcpy(&b, other + at, 16);
            differ |= a ^ b;
        }
        return (differ[0] | differ[1]) == 0;
    }
    """
    const uint64_t *memtap_ten_to
    const char *memtap_escapes
    bint same_text "memtap_same_text" (const uint8_t *p, const uint8_t *other, size_t size) nogil


cdef enum:
    IDENTITY_MAX = 96    # bytes that are kept of the text below; more have leading zeros only

cdef struct Before:      # of the lines before: most calls come from the process of the one before
    size_t size          # of `text`; 16 or more
    uint8_t text[IDENTITY_MAX]  # from the pid to `, time=`, and what it says:
    uint64_t start_ns
    uint64_t cgroup
    uint32_t pid
    uint32_t uid
    uint8_t name[32]     # in hexadecimal, and what it says:
    Comm comm
    size_t quoted_size   # of a name in quotes without escapes,
    uint64_t quoted_low  # the 16 bytes that end with it,
    uint64_t quoted_high
    Comm quoted          # and what it says
    uint64_t time_text   # the first eight of a time's 16 digits, and what they say:
    uint64_t time_high   # in microseconds


cdef inline void before_begin(Before *before) noexcept nogil:
    """Nothing was before: what no line can be like."""
    memset(before, c'\n', sizeof(Before))
    before.size = IDENTITY_MAX


cdef const uint8_t *take_long_number(const uint8_t *p, const uint8_t *end, uint64_t *value) noexcept nogil:
    """Reads a number of any length; returns where it ends, or NULL."""
    cdef uint64_t high
    cdef uint64_t low
    cdef uint64_t others
    cdef size_t size
    if end - p > 16:
        high = load64(p) ^ <uint64_t> 0x3030303030303030
        low = load64(p + 8) ^ <uint64_t> 0x3030303030303030
        others = not_digits(low)
        if not_digits(high) == 0 and (others != 0 or <uint8_t> (p[16] - c'0') > 9):  # 8 to 16 digits
            size = __builtin_ctzll(others) >> 3 if others else 8
            value[0] = eight_digits(high)
            if size:
                value[0] = value[0] * memtap_ten_to[size] + eight_digits(low << (64 - 8 * size))
            return p + 8 + size
    size = digits_after(p, end)
    return p + size if number(p, size, value) else NULL


cdef inline const uint8_t *take_number(const uint8_t *p, const uint8_t *end, uint64_t *value) noexcept nogil:
    """Reads a number; returns where it ends, or NULL."""
    cdef uint64_t word
    cdef uint64_t others
    cdef size_t size
    if expect_true(end - p >= 8):
        word = load64(p) ^ <uint64_t> 0x3030303030303030
        others = not_digits(word)
        if others != 0:
            size = __builtin_ctzll(others) >> 3
            value[0] = eight_digits(word << 8 << (56 - 8 * size))
            return p + size if size else NULL
    return take_long_number(p, end, value)


cdef const uint8_t *take_other_time(const uint8_t *p, const uint8_t *end, uint64_t *time_us,
                                    Before *before) noexcept nogil:
    """Reads a time; returns where it ends, or NULL."""
    cdef const uint8_t *begin = p
    p = take_number(p, end, time_us)
    if p != NULL and p - begin == 16:
        before.time_text = load64(begin)
        before.time_high = time_us[0] - time_us[0] % 100000000
    return p


cdef inline const uint8_t *take_time(const uint8_t *p, const uint8_t *end, uint64_t *time_us,
                                     Before *before) noexcept nogil:
    """The same: the first eight of 16 digits change every 100 seconds."""
    cdef uint64_t low
    if expect_true(end - p > 16 and load64(p) == before.time_text):
        low = load64(p + 8) ^ <uint64_t> 0x3030303030303030
        if expect_true(not_digits(low) == 0 and <uint8_t> (p[16] - c'0') > 9):
            time_us[0] = before.time_high + eight_digits(low)
            return p + 16
    return take_other_time(p, end, time_us, before)


cdef inline const uint8_t *take_label(const uint8_t *p, const uint8_t *end, const char *label,
                                      size_t size) noexcept nogil:
    """Skips a label that has to stand here; returns where it ends, or NULL."""
    if <size_t> (end - p) < size or memcmp(p, label, size) != 0:
        return NULL
    return p + size


cdef inline const uint8_t *take_field(const uint8_t *p, const uint8_t *end, const char *label, size_t size,
                                      uint64_t most, uint64_t *value) noexcept nogil:
    """Reads a label and a number up to `most`; returns where it ends, or NULL. A NULL `p` stays NULL."""
    if p == NULL:
        return NULL
    p = take_label(p, end, label, size)
    if p == NULL:
        return NULL
    p = take_number(p, end, value)
    return p if p != NULL and value[0] <= most else NULL


cdef inline const uint8_t *take_error(const uint8_t *p, const uint8_t *end, uint32_t *error) noexcept nogil:
    """Reads errno and the label of the kind; returns where that ends, or NULL. A NULL `p` stays NULL."""
    cdef uint64_t value = 0
    if p == NULL:
        return NULL
    if expect_true(end - p >= 16 and memcmp(p, b", errno=0, kind=", 16) == 0):
        error[0] = 0
        return p + 16
    p = take_field(p, end, b", errno=", 8, 4095, &value)
    error[0] = <uint32_t> value
    return take_label(p, end, b", kind=", 7) if p != NULL else NULL


cdef inline const uint8_t *take_kind(const uint8_t *p, const uint8_t *end, uint32_t *kind) noexcept nogil:
    """Reads a kind; returns where it ends, or NULL. A NULL `p` stays NULL."""
    if p == NULL or end - p < 10:
        return NULL
    if p[0] == c'a' and memcmp(p, b"anonymous", 9) == 0:
        kind[0] = KIND_ANONYMOUS
        return p + 9
    if p[0] == c'f' and memcmp(p, b"file", 4) == 0:
        kind[0] = KIND_FILE
        return p + 4
    if p[0] == c'n' and memcmp(p, b"none", 4) == 0:
        kind[0] = KIND_NONE
        return p + 4
    if p[0] == c'r' and memcmp(p, b"reserved", 8) == 0:
        kind[0] = KIND_RESERVED
        return p + 8
    return NULL


cdef inline const uint8_t *take_call(const uint8_t *p, uint32_t *call) noexcept nogil:
    """Reads a call and `: pid=`; returns where the number begins, or NULL. 12 bytes must be readable."""
    if memcmp(p, b"mmap: pid=", 10) == 0:
        call[0] = CALL_MMAP
        return p + 10
    if memcmp(p, b"munmap: pid=", 12) == 0:
        call[0] = CALL_MUNMAP
        return p + 12
    if memcmp(p, b"brk: pid=", 9) == 0:
        call[0] = CALL_BRK
        return p + 9
    if memcmp(p, b"mremap: pid=", 12) == 0:
        call[0] = CALL_MREMAP
        return p + 12
    if memcmp(p, b"fork: pid=", 10) == 0:
        call[0] = CALL_FORK
        return p + 10
    if memcmp(p, b"exec: pid=", 10) == 0:
        call[0] = CALL_EXEC
        return p + 10
    if memcmp(p, b"exit: pid=", 10) == 0:
        call[0] = CALL_EXIT
        return p + 10
    if memcmp(p, b"proc: pid=", 10) == 0:
        call[0] = CALL_PROC
        return p + 10
    if memcmp(p, b"shmat: pid=", 11) == 0:
        call[0] = CALL_SHMAT
        return p + 11
    if memcmp(p, b"shmdt: pid=", 11) == 0:
        call[0] = CALL_SHMDT
        return p + 11
    return NULL


cdef inline bint hex_word(uint64_t word, uint32_t *value) noexcept nogil:
    """Eight lower-case hexadecimal digits to four bytes, in order. False where one is none."""
    cdef uint64_t high = <uint64_t> 0x8080808080808080
    cdef uint64_t letters
    cdef uint64_t digits
    # x + (0x80 - c) has its high bit set where x >= c, and carries nothing: x is below 0x80
    letters = (word + <uint64_t> 0x1f1f1f1f1f1f1f1f) & ~(word + <uint64_t> 0x1919191919191919)  # a to f
    digits = (word + <uint64_t> 0x5050505050505050) & ~(word + <uint64_t> 0x4646464646464646)  # 0 to 9
    if word & high or (letters | digits) & high != high:
        return False
    word = (word & <uint64_t> 0x0f0f0f0f0f0f0f0f) + ((letters & high) >> 7) * 9
    word = ((word << 4) | (word >> 8)) & <uint64_t> 0x00ff00ff00ff00ff
    word = (word | (word >> 8)) & <uint64_t> 0x0000ffff0000ffff
    value[0] = <uint32_t> (word | (word >> 16))
    return True


cdef inline uint64_t until_nul(uint64_t word, bint *ended) noexcept nogil:
    """The bytes of a word before its first NUL; what follows it is nothing."""
    cdef uint64_t nul = (word - <uint64_t> 0x0101010101010101) & ~word & <uint64_t> 0x8080808080808080
    if nul == 0:
        return word
    ended[0] = True
    return word & below(__builtin_ctzll(nul) >> 3)


cdef inline bint read_hex_comm(const uint8_t *p, Comm *comm) noexcept nogil:
    """32 hexadecimal digits: the comm's 16 bytes. False where they are no comm."""
    cdef uint32_t words[4]
    cdef bint ended = False
    cdef int i
    for i in range(4):
        if not hex_word(load64(p + 8 * i), &words[i]):
            return False
    comm.low = until_nul(words[0] | (<uint64_t> words[1] << 32), &ended)
    comm.high = 0
    if not ended:
        comm.high = until_nul(words[2] | (<uint64_t> words[3] << 32), &ended)
    return ended


cdef inline int32_t hex_digit(uint8_t c) noexcept nogil:
    if <uint8_t> (c - c'0') <= 9:
        return c - c'0'
    c |= 0x20
    return c - c'a' + 10 if c'a' <= c <= c'f' else -1


cdef const uint8_t *put_utf8(uint8_t *out, size_t *size, uint32_t code) noexcept nogil:
    """Appends a code point to a comm of `size` bytes. NULL where it is none, or does not fit."""
    cdef size_t at = size[0]
    cdef size_t length = 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
    if code == 0 or code > 0x10ffff or 0xd800 <= code <= 0xdfff or at + length > COMM_MAX:
        return NULL
    if length == 1:
        out[at] = <uint8_t> code
    else:
        out[at] = <uint8_t> ((0xf00 >> length) | (code >> (6 * (length - 1))))
        if length > 3:
            out[at + length - 3] = <uint8_t> (0x80 | ((code >> 12) & 0x3f))
        if length > 2:
            out[at + length - 2] = <uint8_t> (0x80 | ((code >> 6) & 0x3f))
        out[at + length - 1] = <uint8_t> (0x80 | (code & 0x3f))
    size[0] = at + length
    return out


cdef const uint8_t *read_escape(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *size) noexcept nogil:
    """Reads what follows a backslash; returns where it ends, or NULL."""
    cdef uint32_t code = 0
    cdef int32_t digit
    cdef size_t digits, i
    cdef const char *found
    if p == end:
        return NULL
    if p[0] == c'u' or p[0] == c'U':
        digits = 4 if p[0] == c'u' else 8
        if <size_t> (end - p) < 1 + digits:
            return NULL
        for i in range(digits):
            digit = hex_digit(p[1 + i])
            if digit < 0 or code > 0x0fffffff:
                return NULL
            code = code * 16 + <uint32_t> digit
        return p + 1 + digits if put_utf8(out, size, code) != NULL else NULL
    if size[0] == COMM_MAX:
        return NULL
    if c'0' <= p[0] <= c'3':
        if end - p < 3 or not c'0' <= p[1] <= c'7' or not c'0' <= p[2] <= c'7':
            return NULL
        code = (p[0] - c'0') * 64 + (p[1] - c'0') * 8 + (p[2] - c'0')
        p += 3
    else:
        found = <const char *> memchr(memtap_escapes, p[0], 7)
        if found != NULL:
            code = 7 + <uint32_t> (found - memtap_escapes)
        elif p[0] == c'"' or p[0] == c'\\':
            code = p[0]
        p += 1
    if code == 0:
        return NULL
    out[size[0]] = <uint8_t> code
    size[0] += 1
    return p


cdef inline uint64_t not_plain(uint64_t word) noexcept nogil:
    """The high bit of each byte of a word that does not stand for itself between quotes: not 0x20 to 0x7e, a quote or
    a backslash."""
    cdef uint64_t low = word & <uint64_t> 0x7f7f7f7f7f7f7f7f
    # x + (0x80 - c) has its high bit set where x >= c, and x ^ c is 0 where x is c
    return ~((low + <uint64_t> 0x6060606060606060) & ~(low + <uint64_t> 0x0101010101010101) & ~word
             & ((low ^ <uint64_t> 0x2222222222222222) + <uint64_t> 0x7f7f7f7f7f7f7f7f)
             & ((low ^ <uint64_t> 0x5c5c5c5c5c5c5c5c) + <uint64_t> 0x7f7f7f7f7f7f7f7f)
             ) & <uint64_t> 0x8080808080808080


cdef bint read_escaped_comm(const uint8_t *p, const uint8_t *end, Comm *comm) noexcept nogil:
    """Any name between quotes, as SystemTap's string_quoted writes it. False where it is no comm."""
    cdef uint8_t out[16]
    cdef size_t size = 0
    memset(out, 0, 16)
    while p < end:
        if p[0] == c'\\':
            p = read_escape(p + 1, end, out, &size)
            if p == NULL:
                return False
        elif p[0] < 0x20 or p[0] > 0x7e or p[0] == c'"' or size == COMM_MAX:
            return False
        else:
            out[size] = p[0]
            size += 1
            p += 1
    memcpy(comm, out, 16)
    return True


cdef bint read_quoted_comm(const uint8_t *p, const uint8_t *end, Comm *comm, Before *before) noexcept nogil:
    """What stands between the quotes. False where it is no comm. 16 bytes before `end` must be readable."""
    cdef size_t size = end - p
    cdef uint64_t low = load64(end - 16)
    cdef uint64_t high = load64(end - 8)
    if expect_true(1 <= size <= COMM_MAX):
        if size < 8:
            low = high >> (64 - 8 * size)
            high = 0
        elif size == 8:
            low = high
            high = 0
        else:
            low = low >> (128 - 8 * size) | high << (8 * size - 64)
            high >>= 128 - 8 * size
        if expect_true((not_plain(low | (<uint64_t> 0x6161616161616161 & ~below(size)))
                        | not_plain(high | (<uint64_t> 0x6161616161616161
                                            & ~below(size - 8 if size > 8 else 0)))) == 0):
            comm.low = low
            comm.high = high
            before.quoted_size = size
            before.quoted_low = load64(end - 16)
            before.quoted_high = load64(end - 8)
            before.quoted = comm[0]
            return True
    return read_escaped_comm(p, end, comm)


cdef inline bint read_comm(const uint8_t *p, const uint8_t *end, Comm *comm, Before *before) noexcept nogil:
    """The rest of the line. False where it is no name."""
    if end - p == 32 and p[0] != c'"':
        if same_text(p, before.name, 32):
            comm[0] = before.comm
            return True
        if not read_hex_comm(p, comm):
            return False
        memcpy(before.name, p, 32)
        before.comm = comm[0]
        return True
    if end - p < 2 or p[0] != c'"' or (end - 1)[0] != c'"':
        return False
    p += 1
    end -= 1
    if expect_true(<size_t> (end - p) == before.quoted_size and load64(end - 16) == before.quoted_low
                   and load64(end - 8) == before.quoted_high):
        comm[0] = before.quoted
        return True
    return read_quoted_comm(p, end, comm, before)


cdef inline const uint8_t *take_identity(const uint8_t *p, const uint8_t *end, Record *record,
                                         Before *before, Reject *why) noexcept nogil:
    """Reads a pid and what follows it, up to `, time=`; returns where the time begins, or NULL."""
    cdef const uint8_t *begin = p
    cdef uint64_t value = 0
    if <size_t> (end - p) >= before.size and same_text(p, before.text, before.size):
        record.pid = before.pid
        record.start_ns = before.start_ns
        record.uid = before.uid
        record.cgroup = before.cgroup
        return p + before.size
    p = take_number(p, end, &value)
    if p == NULL or value > PID_MAX:
        why[0] = REJECT_PID
        return NULL
    record.pid = <uint32_t> value
    p = take_field(p, end, b", start=", 8, <uint64_t> -1, &record.start_ns)
    p = take_field(p, end, b", uid=", 6, 0xffffffff, &value)
    record.uid = <uint32_t> value
    p = take_field(p, end, b", cgroup=", 9, <uint64_t> -1, &record.cgroup)
    if p == NULL:
        why[0] = REJECT_FIELD
        return NULL
    p = take_label(p, end, b", time=", 7)
    if p == NULL:
        why[0] = REJECT_TIME
        return NULL
    if p - begin <= IDENTITY_MAX:
        before.size = p - begin
        memcpy(before.text, begin, before.size)
        before.pid = record.pid
        before.start_ns = record.start_ns
        before.uid = record.uid
        before.cgroup = record.cgroup
    return p


cdef inline Reject read_format2(const uint8_t *line, size_t size, Record *record, Before *before) noexcept nogil:
    """Reads one line. Where the answer is not WHOLE, `record` holds nothing of use."""
    cdef Reject why = WHOLE
    cdef const uint8_t *end = line + size
    cdef const uint8_t *p
    cdef uint64_t value = 0
    if size < 12:
        return REJECT_CALL
    p = take_call(line, &record.call)
    if p == NULL:
        return REJECT_CALL
    p = take_identity(p, end, record, before, &why)
    if p == NULL:
        return why
    p = take_time(p, end, &record.time_us, before)
    if p == NULL:
        return REJECT_TIME
    record.length = 0
    record.freed = 0
    record.error = 0
    record.kind = KIND_NONE
    record.detail = 0
    if record.call < CALL_FORK:
        p = take_field(p, end, b", length=", 9, <uint64_t> -1, &record.length)
        if p == NULL:
            return REJECT_LENGTH
        p = take_field(p, end, b", freed=", 8, <uint64_t> -1, &record.freed)
        p = take_kind(take_error(p, end, &record.error), end, &record.kind)
    elif record.call == CALL_FORK:
        p = take_field(p, end, b", parent=", 9, PID_MAX, &record.detail)
    elif record.call == CALL_EXIT:
        p = take_field(p, end, b", status=", 9, 0xffffffff, &record.detail)
    p = take_field(p, end, b", vm=", 5, <uint64_t> -1, &record.vm)
    p = take_field(p, end, b", rss=", 6, <uint64_t> -1, &record.rss)
    if p == NULL:
        return REJECT_FIELD
    p = take_label(p, end, b", process=", 10)
    if p == NULL or not read_comm(p, end, &record.comm, before):
        return REJECT_PROCESS
    return WHOLE

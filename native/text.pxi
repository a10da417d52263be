# Columns to LOAD DATA text: decimal fields or \N, a tab between them, a newline after each row.

cdef enum:
    EVENT_TEXT_MAX = 160     # 5 numbers of 20 digits, 2 of 10, one of 5, one of 3, 12 separators, NULLs, slack
    MOVES_MAX = 16           # a call, on the average: qsort makes as many comparisons
    NARROW = 1 << 24         # what MySQL's MEDIUMINT does not hold
    NARROW_NAME = 1 << 16    # what its SMALLINT does not hold
    PAGES_BITS = 32          # of vm in pages of 4,096 bytes: what its INT holds
    FREED_WHOLE = 0x80       # in `what`
    EXTRA_PAGES = 1
    EXTRA_VM = 2
    EXTRA_ERRNO = 4
    EXTRA_FREED = 8
    EXTRA_LENGTH = 16
    EXTRA_NAME = 32


cdef Way ways[3]
SCANS = tuple(ways[i].name.decode() for i in range(all_ways(ways)))


cdef inline char *put_eight(char *p, uint64_t value) noexcept nogil:
    """Exactly eight digits."""
    value = digits_of(value) | <uint64_t> 0x3030303030303030
    memcpy(p, &value, 8)
    return p + 8


cdef inline char *put_small(char *p, uint64_t value) noexcept nogil:
    """A number below 10^8, without leading zeros. Eight bytes may be written."""
    return put_digits(p, digits_of(value))


cdef inline char *put_digits(char *p, uint64_t digits) noexcept nogil:
    """The same of its eight digits."""
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


cdef inline char *put_null(char *p) noexcept nogil:
    p[0] = c'\\'
    p[1] = c'N'
    return p + 2


cdef inline uint64_t whole_pages(uint64_t length) noexcept nogil:
    """The bytes of the pages that hold `length` bytes; 0 where 64 bits do not hold them."""
    return (length + 4095) & ~(<uint64_t> 4095)


cdef inline uint8_t event_what(const Columns *columns, size_t i) noexcept nogil:
    """See Batch.events_text. A call of format 1 has none of the bits beyond its call."""
    cdef uint8_t what = columns.call[i]
    if columns.wide:
        what |= (columns.kind[i] + 1) << 4
        if columns.freed[i] and columns.freed[i] == whole_pages(columns.length[i]):
            what |= FREED_WHOLE
    return what


cdef uint64_t[256] what_text  # a tab and the number, in the lowest bytes; in the highest how many


cdef void fill_what_text() noexcept:
    cdef char[16] text
    cdef uint64_t size
    for what in range(256):
        size = put_small(put_tab(text), what) - text
        what_text[what] = load64(<const uint8_t *> text) & below(size) | size << 56


fill_what_text()


cdef inline char *put_what(char *p, uint8_t what) noexcept nogil:
    """A tab and `what`. Eight bytes may be written."""
    memcpy(p, &what_text[what], 8)
    return p + (what_text[what] >> 56)


cdef uint32_t event_extras(const Columns *columns, const uint32_t *name_ids, size_t name_count) noexcept nogil:
    """Which columns these calls have besides those of every call: bits of EXTRA_*."""
    cdef uint32_t extras = 0
    cdef uint32_t names = 0
    cdef uint64_t lengths = 0
    cdef size_t i
    for i in range(columns.rows):  # a loop that a vector does
        lengths |= columns.length[i]
    if lengths >= NARROW:
        extras |= EXTRA_LENGTH
    for i in range(name_count):
        names |= name_ids[i]
    if names >= NARROW_NAME:  # of some name; maybe of none of these calls
        for i in range(columns.rows):
            if name_ids[columns.name[i]] >= NARROW_NAME:
                extras |= EXTRA_NAME
    if columns.wide and columns.rows:
        extras |= EXTRA_PAGES
        for i in range(columns.rows):
            if columns.error[i]:
                extras |= EXTRA_ERRNO
            if columns.freed[i] and columns.freed[i] != whole_pages(columns.length[i]):
                extras |= EXTRA_FREED
            if columns.vm[i] & 4095 or columns.vm[i] >> 12 >> PAGES_BITS:
                extras |= EXTRA_VM
    return extras


cdef inline char *put_if(char *p, bint given, uint64_t value) noexcept nogil:
    return put(put_tab(p), value) if given else put_null(put_tab(p))


cdef struct Moment:
    uint64_t time_us
    uint64_t at            # of the call


cdef int compare_moments(const void *one, const void *other) noexcept nogil:
    cdef const Moment *a = <const Moment *> one
    cdef const Moment *b = <const Moment *> other
    if a.time_us != b.time_us:
        return 1 if a.time_us > b.time_us else -1
    return 1 if a.at > b.at else -1


cdef bint in_order(const Columns *columns) noexcept nogil:
    cdef size_t i
    for i in range(1, columns.rows):
        if columns.time_us[i] < columns.time_us[i - 1]:
            return False
    return True


cdef void sort_moments(const Columns *columns, Moment *order) noexcept nogil:
    """Each call is moved before the later ones. A tap's calls are nearly in order; where they are not, qsort is due."""
    cdef size_t i, to
    cdef uint64_t time_us
    cdef size_t left = MOVES_MAX * columns.rows
    for i in range(columns.rows):
        time_us = columns.time_us[i]
        to = i
        while to and left and order[to - 1].time_us > time_us:
            order[to] = order[to - 1]
            to -= 1
            left -= 1
        order[to].time_us = time_us
        order[to].at = i
    if left == 0:
        qsort(order, columns.rows, sizeof(Moment), compare_moments)


cdef struct Repeated:      # text of the row before: what most rows have in common with it
    uint64_t time_us       # a time of 16 digits, of which the last eight are zeros
    uint64_t time_text     # the others as text
    uint32_t process
    uint32_t name
    size_t size            # of the following
    char who[32]           # the process, a tab, the name or NULL
    uint64_t id_high       # the id's digits before the last two
    size_t id_size         # of the following
    char id_text[24]       # the same digits


cdef struct Numbers:       # of the next rows
    size_t row[CHUNK]
    uint64_t low[CHUNK]    # digits
    uint64_t length[CHUNK]


cdef inline char *put_id(char *p, uint64_t id, Repeated *repeated) noexcept nogil:
    """Ids follow one another."""
    cdef uint64_t high = id // 100
    cdef uint64_t low = id - 100 * high
    cdef uint64_t tens = (low * 103) >> 10
    if not expect_true(high == repeated.id_high):
        if high == 0:
            return put(p, id)
        repeated.id_high = high
        repeated.id_size = put(repeated.id_text, high) - repeated.id_text
    memcpy(p, repeated.id_text, 24)
    p += repeated.id_size
    p[0] = <char> (c'0' + tens)
    p[1] = <char> (c'0' + low - 10 * tens)
    return p + 2


cdef inline char *put_time(char *p, uint64_t time_us, uint64_t low, Repeated *repeated) noexcept nogil:
    """`low`: the digits of the time's last eight, if it is `repeated.time_us` or up to 10^8 later."""
    if not expect_true(time_us - repeated.time_us < 100000000):
        return put(p, time_us)
    memcpy(p, &repeated.time_text, 8)
    low |= <uint64_t> 0x3030303030303030
    memcpy(p + 8, &low, 8)
    return p + 16


cdef inline void put_numbers(Numbers *numbers, const Columns *columns, const Moment *order, size_t first, size_t count,
                             Repeated *repeated) noexcept nogil:
    """Which rows come next, and the digits of their times and lengths, many at a time."""
    cdef size_t n, i
    cdef uint64_t time_us, length
    i = first if order == NULL else order[first].at
    time_us = columns.time_us[i]
    if time_us - repeated.time_us >= 100000000 and time_us >= <uint64_t> 1000000000000000 and \
            time_us < <uint64_t> 10000000000000000:  # 16 digits
        repeated.time_us = time_us - time_us % 100000000
        repeated.time_text = digits_of(time_us // 100000000) | <uint64_t> 0x3030303030303030
    for n in range(count):
        i = first + n if order == NULL else order[first + n].at
        time_us = columns.time_us[i] - repeated.time_us
        length = columns.length[i]
        numbers.row[n] = i
        numbers.low[n] = time_us if time_us < 100000000 else 0
        numbers.length[n] = length if length < NARROW else 0
    ways[0].digits(numbers.low, count)
    ways[0].digits(numbers.length, count)


cdef inline char *put_who(char *p, uint32_t process, uint32_t name, const uint32_t *process_ids,
                          const uint32_t *name_ids, Repeated *repeated) noexcept nogil:
    """Calls come in bursts of one process."""
    cdef uint32_t name_id
    if not expect_true(repeated.size and process == repeated.process and name == repeated.name):
        name_id = name_ids[name]
        repeated.size = put_if(put(repeated.who, process_ids[process]), name_id < NARROW_NAME, name_id) - repeated.who
        repeated.process = process
        repeated.name = name
    memcpy(p, repeated.who, 24)
    return p + repeated.size


cdef char *put_events(char *p, const Columns *columns, const uint32_t *process_ids, const uint32_t *name_ids,
                      uint64_t first_id, uint32_t extras, const Moment *order) noexcept nogil:
    """In the order of time, given by `order` unless the calls are in it already (NULL)."""
    cdef size_t first = 0
    cdef size_t n, i, count
    cdef uint64_t length
    cdef uint64_t freed
    cdef uint64_t vm
    cdef uint32_t name
    cdef bint pages
    cdef Repeated repeated
    cdef Numbers numbers
    memset(&repeated, 0, sizeof(Repeated))
    repeated.time_us = <uint64_t> 1000000000000000
    repeated.time_text = digits_of(repeated.time_us // 100000000) | <uint64_t> 0x3030303030303030
    repeated.id_high = <uint64_t> -1
    while first < columns.rows:
        count = min(columns.rows - first, <size_t> CHUNK)
        put_numbers(&numbers, columns, order, first, count, &repeated)
        first += count
        for n in range(count):
            i = numbers.row[n]
            length = columns.length[i]
            p = put_tab(put_id(p, first_id + i, &repeated))
            p = put_tab(put_time(p, columns.time_us[i], numbers.low[n], &repeated))
            p = put_who(p, columns.process[i], columns.name[i], process_ids, name_ids, &repeated)
            p = put_what(p, event_what(columns, i))
            p = put_digits(put_tab(p), numbers.length[n]) if length < NARROW else put_null(put_tab(p))
            if extras & EXTRA_PAGES:
                vm = columns.vm[i]
                pages = not (vm & 4095 or vm >> 12 >> PAGES_BITS)
                p = put_if(p, pages, vm >> 12)
                if extras & EXTRA_VM:
                    p = put_if(p, not pages, vm)
                if extras & EXTRA_ERRNO:
                    p = put_if(p, columns.error[i] != 0, columns.error[i])
                if extras & EXTRA_FREED:
                    freed = columns.freed[i]
                    p = put_if(p, freed and freed != whole_pages(length), freed)
            if extras & EXTRA_LENGTH:
                p = put_if(p, length >= NARROW, length)
            if extras & EXTRA_NAME:
                name = name_ids[columns.name[i]]
                p = put_if(p, name >= NARROW_NAME, name)
            p[0] = c'\n'
            p += 1
    return p

# Columns of calls: a structure of arrays in one block of memory, widest items first so that all are aligned.

cdef struct Columns:
    size_t rows
    size_t capacity     # a multiple of 8
    bint wide           # has the columns that only format 2 fills
    void *block
    uint64_t *time_us   # microseconds since the epoch
    uint64_t *length    # bytes asked for
    uint64_t *freed     # wide: bytes given back
    uint64_t *vm        # wide: the process's mapped bytes after the call
    uint64_t *rss       # wide: its bytes in RAM after the call
    uint32_t *pid
    uint32_t *process   # local process id
    uint32_t *name      # local name id
    uint16_t *error     # wide: errno, 0: granted
    uint8_t *call       # enum Call
    uint8_t *kind       # wide: enum Kind

cdef enum:
    NARROW_BYTES = 29   # a row: 2 words of 8, 3 of 4, 1 byte
    WIDE_BYTES = 56     # a row: 5 words of 8, 3 of 4, 1 of 2, 2 bytes


cdef inline uint8_t *lay(void **column, uint8_t *p, size_t bytes) noexcept nogil:
    column[0] = p
    return p + bytes


cdef bint columns_init(Columns *columns, size_t capacity, bint wide) noexcept nogil:
    """`capacity` must be a multiple of 8. False where memory is short."""
    cdef uint8_t *p = <uint8_t *> malloc(capacity * <size_t> (WIDE_BYTES if wide else NARROW_BYTES))
    if p == NULL:
        return False
    memset(columns, 0, sizeof(Columns))
    columns.block = p
    columns.capacity = capacity
    columns.wide = wide
    p = lay(<void **> &columns.time_us, p, 8 * capacity)
    p = lay(<void **> &columns.length, p, 8 * capacity)
    if wide:
        p = lay(<void **> &columns.freed, p, 8 * capacity)
        p = lay(<void **> &columns.vm, p, 8 * capacity)
        p = lay(<void **> &columns.rss, p, 8 * capacity)
    p = lay(<void **> &columns.pid, p, 4 * capacity)
    p = lay(<void **> &columns.process, p, 4 * capacity)
    p = lay(<void **> &columns.name, p, 4 * capacity)
    if wide:
        p = lay(<void **> &columns.error, p, 2 * capacity)
    p = lay(<void **> &columns.call, p, capacity)
    if wide:
        lay(<void **> &columns.kind, p, capacity)
    return True


cdef bint columns_widen(Columns *columns) noexcept nogil:
    """Empty columns become wide ones. False, and nothing changed, where memory is short."""
    cdef Columns wide
    if not columns_init(&wide, columns.capacity, True):
        return False
    free(columns.block)
    columns[0] = wide
    return True


cdef bint columns_grow(Columns *columns) noexcept nogil:
    """Room for twice as many rows. False, and nothing changed, where memory is short."""
    cdef Columns more
    cdef size_t rows = columns.rows
    if not columns_init(&more, columns.capacity * 2, columns.wide):
        return False
    memcpy(more.time_us, columns.time_us, 8 * rows)
    memcpy(more.length, columns.length, 8 * rows)
    memcpy(more.pid, columns.pid, 4 * rows)
    memcpy(more.process, columns.process, 4 * rows)
    memcpy(more.name, columns.name, 4 * rows)
    memcpy(more.call, columns.call, rows)
    if columns.wide:
        memcpy(more.freed, columns.freed, 8 * rows)
        memcpy(more.vm, columns.vm, 8 * rows)
        memcpy(more.rss, columns.rss, 8 * rows)
        memcpy(more.error, columns.error, 2 * rows)
        memcpy(more.kind, columns.kind, rows)
    more.rows = rows
    free(columns.block)
    columns[0] = more
    return True

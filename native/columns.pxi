# Columns of calls: a structure of arrays in one block of memory, widest items first so that all are aligned.

cdef struct Columns:
    size_t rows
    size_t capacity
    void *block
    uint64_t *time_us   # microseconds since the epoch
    uint64_t *length    # bytes asked for
    uint32_t *pid
    uint32_t *process   # local process id
    uint32_t *name      # local name id
    uint8_t *call       # enum Call

cdef enum:
    ROW_BYTES = 29      # 8 + 8 + 4 + 4 + 4 + 1


cdef void columns_lay(Columns *columns, void *block, size_t capacity) noexcept nogil:
    cdef uint8_t *p = <uint8_t *> block
    columns.block = block
    columns.capacity = capacity
    columns.time_us = <uint64_t *> p
    columns.length = <uint64_t *> (p + 8 * capacity)
    columns.pid = <uint32_t *> (p + 16 * capacity)
    columns.process = <uint32_t *> (p + 20 * capacity)
    columns.name = <uint32_t *> (p + 24 * capacity)
    columns.call = p + 28 * capacity


cdef bint columns_init(Columns *columns, size_t capacity) noexcept nogil:
    """`capacity` must be a multiple of 8. False where memory is short."""
    cdef void *block = malloc(capacity * ROW_BYTES)
    if block == NULL:
        return False
    columns.rows = 0
    columns_lay(columns, block, capacity)
    return True


cdef bint columns_grow(Columns *columns) noexcept nogil:
    """Room for twice as many rows. False, and nothing changed, where memory is short."""
    cdef Columns wider
    cdef size_t rows = columns.rows
    if not columns_init(&wider, columns.capacity * 2):
        return False
    memcpy(wider.time_us, columns.time_us, 8 * rows)
    memcpy(wider.length, columns.length, 8 * rows)
    memcpy(wider.pid, columns.pid, 4 * rows)
    memcpy(wider.process, columns.process, 4 * rows)
    memcpy(wider.name, columns.name, 4 * rows)
    memcpy(wider.call, columns.call, rows)
    wider.rows = rows
    free(columns.block)
    columns[0] = wider
    return True

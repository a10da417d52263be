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


# Blocks of batches that are gone, for the next ones: the kernel need not find, clear and map the same pages again
# and again, which costs as much as parsing into them. Used with and without the GIL, so under a lock of their own.
cdef enum:
    SPARES = 4
    SPARE_BYTES_MIN = 256 << 10  # smaller ones come from the heap and cost nothing
    SPARE_BYTES_MAX = 32 << 20   # the text of a full batch has 20 MB of room, of which a quarter is touched

cdef pthread_mutex_t spare_lock
cdef void *spare_blocks[SPARES]
cdef size_t spare_bytes[SPARES]
pthread_mutex_init(&spare_lock, NULL)


cdef void *take_block_of(size_t bytes) noexcept nogil:
    """A spare block of just this size, or a new one, from the beginning of a cache line; NULL where memory is short."""
    cdef void *block = NULL
    cdef int i
    pthread_mutex_lock(&spare_lock)
    for i in range(SPARES):
        if spare_blocks[i] != NULL and spare_bytes[i] == bytes:
            block = spare_blocks[i]
            spare_blocks[i] = NULL
            break
    pthread_mutex_unlock(&spare_lock)
    if block == NULL and posix_memalign(&block, 64, bytes if bytes else 1) != 0:
        return NULL
    return block


cdef void give_back(void *block, size_t bytes) noexcept nogil:
    """A block that nobody uses any more. Where there is no place for it, another spare one goes."""
    cdef void *old
    cdef int i
    cdef int place = 0
    if block == NULL or not SPARE_BYTES_MIN <= bytes <= SPARE_BYTES_MAX:
        free(block)
        return
    pthread_mutex_lock(&spare_lock)
    for i in range(SPARES):
        if spare_blocks[i] == NULL:
            place = i
    old = spare_blocks[place]
    spare_blocks[place] = block
    spare_bytes[place] = bytes
    pthread_mutex_unlock(&spare_lock)
    free(old)


cdef inline size_t columns_bytes(const Columns *columns) noexcept nogil:
    return columns.capacity * <size_t> (WIDE_BYTES if columns.wide else NARROW_BYTES)


cdef inline void columns_free(Columns *columns) noexcept nogil:
    give_back(columns.block, columns_bytes(columns))
    columns.block = NULL


cdef inline uint8_t *lay(void **column, uint8_t *p, size_t bytes) noexcept nogil:
    column[0] = p
    return p + bytes


cdef bint columns_init(Columns *columns, size_t capacity, bint wide) noexcept nogil:
    """`capacity` must be a multiple of 8. False where memory is short."""
    cdef Columns made
    cdef uint8_t *p
    memset(&made, 0, sizeof(Columns))
    made.capacity = capacity
    made.wide = wide
    p = <uint8_t *> take_block_of(columns_bytes(&made))
    if p == NULL:
        return False
    made.block = p
    columns[0] = made
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
    columns_free(columns)
    columns[0] = wide
    return True


cdef void columns_copy(Columns *to, const Columns *columns) noexcept nogil:
    """All rows of `columns`, into columns as wide that have room for them."""
    cdef size_t rows = columns.rows
    memcpy(to.time_us, columns.time_us, 8 * rows)
    memcpy(to.length, columns.length, 8 * rows)
    memcpy(to.pid, columns.pid, 4 * rows)
    memcpy(to.process, columns.process, 4 * rows)
    memcpy(to.name, columns.name, 4 * rows)
    memcpy(to.call, columns.call, rows)
    if columns.wide:
        memcpy(to.freed, columns.freed, 8 * rows)
        memcpy(to.vm, columns.vm, 8 * rows)
        memcpy(to.rss, columns.rss, 8 * rows)
        memcpy(to.error, columns.error, 2 * rows)
        memcpy(to.kind, columns.kind, rows)
    to.rows = rows


cdef bint columns_grow(Columns *columns) noexcept nogil:
    """Room for twice as many rows. False, and nothing changed, where memory is short."""
    cdef Columns more
    if not columns_init(&more, columns.capacity * 2, columns.wide):
        return False
    columns_copy(&more, columns)
    columns_free(columns)
    columns[0] = more
    return True


cdef bint columns_hand_out(Columns *columns, Columns *sealed, size_t capacity) noexcept nogil:
    """The rows go to `sealed`. `columns` are empty then, and may have no block any more: columns_ready gives them one.
    False, and nothing changed, where memory is short.

    A few rows are copied: batches that wait for a store must cost what is in them, not what could be.
    """
    cdef Columns made
    if columns.block != NULL and (columns.capacity != capacity or columns.rows > capacity // 4):
        sealed[0] = columns[0]
        columns.block = NULL
        columns.capacity = 0
    else:
        if not columns_init(&made, (columns.rows + 8) // 8 * 8, columns.wide):
            return False
        if columns.rows:
            columns_copy(&made, columns)
        sealed[0] = made
    columns.rows = 0
    return True


cdef inline bint columns_ready(Columns *columns, size_t capacity) noexcept nogil:
    """Before the first row: the block of a batch that has gone meanwhile is still in the cache. False, and nothing
    changed, where memory is short."""
    return columns.block != NULL or columns_init(columns, capacity, columns.wide)

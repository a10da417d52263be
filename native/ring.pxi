# A bounded queue of bytes between one writing and one reading thread.
#
# The same memory is mapped twice in a row, so whatever is in the ring can be read and written in one piece and no
# line ever wraps. Positions only grow; a position's place is `position % capacity`. Head and tail change under
# the mutex, a few thousand times a second; the bytes between them belong to one side and need no lock.

cdef struct RingState:
    uint8_t *base
    size_t capacity      # bytes, a multiple of the page size
    uint64_t head        # written up to here: the writer's
    uint64_t tail        # read up to here: the reader's
    uint64_t dropped_lines   # the writer's; read by any thread (count_of)
    uint64_t dropped_bytes
    bint closed          # no more will be written
    bint stopped         # nobody will read any more: the writer must not wait
    pthread_mutex_t lock
    pthread_cond_t data
    pthread_cond_t space


cdef void *map_twice(size_t capacity) noexcept nogil:
    """`capacity` bytes of memory, visible twice in a row. NULL with errno where the kernel refuses."""
    cdef void *base
    cdef int fd = memfd_create(b"memtap-ring", MFD_CLOEXEC)
    if fd < 0:
        return NULL
    if ftruncate(fd, capacity) != 0:
        close(fd)
        return NULL
    base = mmap(NULL, 2 * capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if base != MAP_FAILED:
        if mmap(base, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED or \
                mmap(<uint8_t *> base + capacity, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                     fd, 0) == MAP_FAILED:
            munmap(base, 2 * capacity)
            base = MAP_FAILED
    close(fd)
    return NULL if base == MAP_FAILED else base


cdef uint8_t *ring_space(RingState *ring, size_t *free_bytes, bint wait) noexcept nogil:
    """Where the writer may write, and how much; with `wait` at least one byte, unless nobody reads any more."""
    pthread_mutex_lock(&ring.lock)
    while wait and not ring.stopped and ring.head - ring.tail == ring.capacity:
        pthread_cond_wait(&ring.space, &ring.lock)
    free_bytes[0] = ring.capacity - <size_t> (ring.head - ring.tail)
    if ring.stopped:
        free_bytes[0] = 0
    pthread_mutex_unlock(&ring.lock)
    return ring.base + ring.head % ring.capacity


cdef void ring_publish(RingState *ring, size_t size) noexcept nogil:
    """The writer wrote `size` bytes where ring_space said."""
    pthread_mutex_lock(&ring.lock)
    ring.head += size
    pthread_cond_broadcast(&ring.data)
    pthread_mutex_unlock(&ring.lock)


cdef void ring_close(RingState *ring) noexcept nogil:
    pthread_mutex_lock(&ring.lock)
    ring.closed = True
    pthread_cond_broadcast(&ring.data)
    pthread_mutex_unlock(&ring.lock)


cdef void ring_stop(RingState *ring) noexcept nogil:
    pthread_mutex_lock(&ring.lock)
    ring.stopped = True
    pthread_cond_broadcast(&ring.space)
    pthread_mutex_unlock(&ring.lock)


cdef bint ring_said(RingState *ring, const bint *what) noexcept nogil:
    """Whether the ring was closed, or stopped."""
    cdef bint said
    pthread_mutex_lock(&ring.lock)
    said = what[0]
    pthread_mutex_unlock(&ring.lock)
    return said


cdef const uint8_t *ring_data(RingState *ring, size_t unread, const timespec *until, size_t *size,
                              bint *closed) noexcept nogil:
    """What can be read: waits for more than `unread` bytes, for the end, or until the moment given."""
    pthread_mutex_lock(&ring.lock)
    while ring.head - ring.tail <= unread and not ring.closed:
        if pthread_cond_timedwait(&ring.data, &ring.lock, until) != 0:
            break
    size[0] = <size_t> (ring.head - ring.tail)
    closed[0] = ring.closed
    pthread_mutex_unlock(&ring.lock)
    return ring.base + ring.tail % ring.capacity


cdef void ring_release(RingState *ring, size_t size) noexcept nogil:
    """The reader is done with `size` bytes."""
    pthread_mutex_lock(&ring.lock)
    ring.tail += size
    pthread_cond_broadcast(&ring.space)
    pthread_mutex_unlock(&ring.lock)


cdef class Ring:
    """A bounded byte queue between one writing and one reading thread.

    `capacity` (bytes) is rounded up to whole pages. With `drop`, a Reader that finds no room drops whole lines
    and counts them; else it waits.
    """

    cdef RingState state
    cdef readonly bint drop
    cdef bint writing      # a thread is, changed under the GIL: a second one would run over its head
    cdef bint reading

    def __cinit__(self, size_t capacity=8 << 20, *, bint drop=False):
        cdef pthread_condattr_t monotonic
        cdef size_t page = sysconf(_SC_PAGESIZE)
        if capacity == 0 or capacity > <size_t> 1 << 40:
            raise ValueError(f"ring capacity {capacity}: must be 1 byte to 1 TiB")
        self.drop = drop
        self.state.capacity = (capacity + page - 1) // page * page
        self.state.base = <uint8_t *> map_twice(self.state.capacity)
        if self.state.base == NULL:
            raise MemoryError(f"ring of {self.state.capacity} bytes: no memory to map (errno {errno})")
        pthread_mutex_init(&self.state.lock, NULL)
        pthread_condattr_init(&monotonic)
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC)
        pthread_cond_init(&self.state.data, &monotonic)
        pthread_cond_init(&self.state.space, &monotonic)
        pthread_condattr_destroy(&monotonic)

    def __dealloc__(self):
        if self.state.base != NULL:
            munmap(self.state.base, 2 * self.state.capacity)
            pthread_cond_destroy(&self.state.data)
            pthread_cond_destroy(&self.state.space)
            pthread_mutex_destroy(&self.state.lock)

    cdef int begin_writing(self) except -1:
        if self.writing:
            raise RuntimeError("another thread is writing to this ring")
        self.writing = True
        return 0

    cdef int begin_reading(self) except -1:
        if self.reading:
            raise RuntimeError("another thread is reading from this ring")
        self.reading = True
        return 0

    @property
    def capacity(self):
        return self.state.capacity

    @property
    def pending(self):
        """Bytes written and not yet read."""
        pthread_mutex_lock(&self.state.lock)
        size = self.state.head - self.state.tail
        pthread_mutex_unlock(&self.state.lock)
        return size

    @property
    def dropped_lines(self):
        """Lines dropped for want of room."""
        return count_of(&self.state.dropped_lines)

    @property
    def dropped_bytes(self):
        return count_of(&self.state.dropped_bytes)

    def write(self, data):
        """Waits for room until all of `data` (bytes-like) is in. Returns the bytes written: fewer once stopped."""
        cdef Py_buffer view
        cdef const uint8_t *source
        cdef uint8_t *place
        cdef size_t left, room, done = 0
        if ring_said(&self.state, &self.state.closed):
            raise ValueError("the ring is closed: nothing can be written to it any more")
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.begin_writing()
            source = <const uint8_t *> view.buf
            left = view.len
            with nogil:
                while left:
                    place = ring_space(&self.state, &room, True)
                    if room == 0:
                        break
                    if room > left:
                        room = left
                    memcpy(place, source + done, room)
                    ring_publish(&self.state, room)
                    done += room
                    left -= room
            self.writing = False
        finally:
            PyBuffer_Release(&view)
        return done

    def close(self):
        """No more will be written: the reading side sees the end once the ring is empty."""
        ring_close(&self.state)

    def stop(self):
        """Nobody will read any more: a writer that waits for room gives up."""
        ring_stop(&self.state)

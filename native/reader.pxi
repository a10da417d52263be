# The reader thread: a file descriptor into a ring, without the GIL, from the first byte to the last.

cdef enum:
    READ_MAX = 1 << 20     # bytes a read: as much as a pipe holds when enlarged; more makes the other side wait
    SCRATCH = 64 << 10     # bytes read at a time while dropping
    PAUSE_MS = 5           # between two reads of a live pipe
    PAUSE_PART = 8         # of the pipe: it may fill eight times as fast during the pause, and nobody waits


cdef struct Drain:
    RingState *ring
    int fd
    int stop_fd
    bint drop
    int64_t pipe_bytes     # what the pipe holds; negative where it is none
    uint8_t *scratch       # SCRATCH bytes, for dropping
    size_t partial         # bytes after the ring's head that no newline ends yet (dropping only)
    bint dropping
    bint mid_line          # dropping: the last byte dropped was not a newline
    uint64_t bytes_read


cdef int64_t drain_read(Drain *drain, uint8_t *place, size_t room) noexcept nogil:
    """Bytes read, 0 at the end or once stopped, -errno."""
    cdef pollfd fds[2]
    cdef int64_t size
    while True:
        fds[0].fd = drain.stop_fd
        fds[0].events = POLLIN
        fds[0].revents = 0
        fds[1].fd = drain.fd
        fds[1].events = POLLIN
        fds[1].revents = 0
        if poll(fds, 2, -1) < 0:
            if errno == EINTR:
                continue
            return -errno
        if fds[0].revents:
            return 0
        size = read(drain.fd, place, room if room < READ_MAX else READ_MAX)
        if size >= 0:
            count_up(&drain.bytes_read, size)
            return size
        if errno != EINTR and errno != EAGAIN:
            return -errno


cdef int drain_waiting(Drain *drain) noexcept nogil:
    """Waits for room: nothing is lost, the source waits. Returns 0 or an errno."""
    cdef size_t room
    cdef int64_t size
    cdef uint8_t *place
    while True:
        place = ring_space(drain.ring, &room, True)
        if room == 0:
            return 0
        size = drain_read(drain, place, room)
        if size <= 0:
            return <int> -size
        ring_publish(drain.ring, size)


cdef void drain_drop(Drain *drain, size_t size, size_t room) noexcept nogil:
    """`size` bytes in scratch find no room. Where there is room again, dropping ends after the last newline."""
    cdef const uint8_t *p = drain.scratch
    cdef const uint8_t *end = p + size
    cdef const uint8_t *found
    cdef uint64_t lines = 0
    while True:
        found = <const uint8_t *> memchr(p, c'\n', end - p)
        if found == NULL:
            break
        lines += 1
        p = found + 1
    # the room was measured before the read and only grows; the beginning of a line that does not fit is dropped too
    if lines and room >= drain.ring.capacity // 4 and <size_t> (end - p) <= room:
        drain.dropping = False
        drain.mid_line = False
        drain.partial = end - p
        memcpy(drain.ring.base + drain.ring.head % drain.ring.capacity, p, end - p)
    else:
        drain.mid_line = p != end
        p = end
    count_up(&drain.ring.dropped_lines, lines)
    count_up(&drain.ring.dropped_bytes, p - drain.scratch)


cdef void drain_pause(Drain *drain, int64_t size) noexcept nogil:
    """After a read of `size` bytes lets the pipe fill, if there is plenty of room in it.

    A tap writes a few lines at a time. Each write would wake this thread, and this one the parser's: that costs more
    than all else that is done with the lines.
    """
    cdef pollfd stop
    if size * PAUSE_PART < drain.pipe_bytes:
        stop.fd = drain.stop_fd
        stop.events = POLLIN
        stop.revents = 0
        poll(&stop, 1, PAUSE_MS)


cdef void drain_publish_lines(Drain *drain, const uint8_t *place, size_t size) noexcept nogil:
    """`size` bytes were read behind the partial line: publishes whole lines only, so that the rest can be dropped."""
    cdef const uint8_t *last = <const uint8_t *> memrchr(place, c'\n', size)
    cdef size_t whole
    if last == NULL:
        drain.partial += size
        return
    whole = last + 1 - place
    ring_publish(drain.ring, drain.partial + whole)
    drain.partial = size - whole


cdef int drain_dropping(Drain *drain) noexcept nogil:
    """Never waits for room: drops whole lines instead and counts them. Returns 0 or an errno."""
    cdef size_t room
    cdef int64_t size
    cdef uint8_t *place
    while True:
        place = ring_space(drain.ring, &room, False)
        if room == 0 and ring_said(drain.ring, &drain.ring.stopped):
            count_up(&drain.ring.dropped_bytes, drain.partial)
            count_up(&drain.ring.dropped_lines, drain.partial != 0 or (drain.dropping and drain.mid_line))
            return 0
        if not drain.dropping and room == drain.partial:
            drain.dropping = True
            drain.mid_line = drain.partial != 0
            count_up(&drain.ring.dropped_bytes, drain.partial)
            drain.partial = 0
        if drain.dropping:
            size = drain_read(drain, drain.scratch, SCRATCH)
            if size <= 0:
                break
            drain_drop(drain, size, room)
        else:
            size = drain_read(drain, place + drain.partial, room - drain.partial)
            if size <= 0:
                break
            drain_publish_lines(drain, place + drain.partial, size)
            drain_pause(drain, size)
    if drain.partial:
        ring_publish(drain.ring, drain.partial)
        drain.partial = 0
    if drain.dropping and drain.mid_line:
        count_up(&drain.ring.dropped_lines, 1)
    return <int> -size


cdef class Reader:
    """Drains a file descriptor into a ring; `run` is a whole thread's life, without the GIL.

    The descriptor stays the caller's, who closes it after `run` has returned.
    """

    cdef Drain drain
    cdef readonly Ring ring

    def __cinit__(self, int fd, Ring ring not None):
        if fd < 0:
            raise ValueError(f"reader: {fd} is no descriptor")  # poll would wait for it for ever
        self.ring = ring
        self.drain.ring = &ring.state
        self.drain.fd = fd
        self.drain.drop = ring.drop
        self.drain.pipe_bytes = fcntl(fd, F_GETPIPE_SZ)
        self.drain.stop_fd = eventfd(0, EFD_CLOEXEC)
        if self.drain.stop_fd < 0:
            raise OSError(errno, "reader: no descriptor to stop it by")
        self.drain.scratch = <uint8_t *> malloc(SCRATCH)
        if self.drain.scratch == NULL:
            raise MemoryError("reader: no memory for its scratch buffer")

    def __dealloc__(self):
        free(self.drain.scratch)
        if self.drain.ring != NULL and self.drain.stop_fd >= 0:
            close(self.drain.stop_fd)

    @property
    def bytes_read(self):
        return count_of(&self.drain.bytes_read)

    def run(self):
        """Reads until the end of the file or `stop`. Returns 0 or an errno; closing the ring is left to the caller."""
        cdef int failed
        self.ring.begin_writing()
        with nogil:
            if self.drain.drop:
                failed = drain_dropping(&self.drain)
            else:
                failed = drain_waiting(&self.drain)
        self.ring.writing = False
        return failed

    def stop(self):
        """Ends `run` soon, from any thread. What is in the ring can still be read."""
        cdef uint64_t one = 1
        write(self.drain.stop_fd, &one, 8)
        ring_stop(self.drain.ring)

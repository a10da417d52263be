# A regular file, parsed where the kernel has it: a window of it is mapped, and another one when that is used up.
# Nothing is copied, and no other thread is needed; one may map ahead (ahead.pxi).
#
# Where there is nothing to be mapped - at the end as it was known, in a file of /proc, on a file system that cannot, or
# behind a place that could not be read - bytes are read into a buffer; a read says what is the matter there.

cdef extern from "window.h" nogil:
    void window_enter(Window *window)
    void window_leave()

cdef extern from "unistd.h" nogil:
    int64_t pread(int fd, void *place, size_t size, int64_t offset)

cdef enum:
    WINDOW = 8 << 20       # bytes: of larger ones hardly anything is gained, and they count as resident memory

cdef struct FileState:
    int fd
    uint64_t at            # offset of the first byte that is not parsed yet
    const uint8_t *data    # that byte
    size_t size            # bytes that can be parsed there
    size_t most            # bytes of a line, of `buffer`, and of a window, which may have ALIGNED more
    Window window          # `base` NULL: there is none
    uint8_t *buffer        # for what is read
    Ahead ahead            # the next window
    bint reads             # nothing is mapped any more
    bint stopped           # by any thread
    int failed             # errno of a read


cdef bint file_map(FileState *file) noexcept nogil:
    """The window from `at` on, if the file has more than is known."""
    cdef uint64_t begin
    cdef uint64_t known = file.at + file.size
    cdef Window window, old
    if not ahead_take(&file.ahead, file.at, known, &window, &begin):
        begin = file.at - file.at % ALIGNED
        if not window_map(file.fd, begin, file.ahead.most, &window):
            return False
        if begin + window.size <= known:
            window_unmap(&window)
            return False
    old = file.window
    file.window = window
    file.data = window.base + (file.at - begin)
    file.size = window.size - (file.at - begin)
    if window.size == file.ahead.most:  # the last unfinished line begins in the last piece, as a rule
        ahead_next(&file.ahead, begin + window.size - ALIGNED, &old)
    else:
        window_unmap(&old)
    return True


cdef bint file_read(FileState *file) noexcept nogil:
    """More bytes behind those that wait for the rest of their line. False at the end, or where it fails."""
    cdef int64_t size
    if file.data != file.buffer:
        file.size = 0 if file.window.base != NULL else file.size  # a window may have been cut: they are read again
        memmove(file.buffer, file.data, file.size)
        window_unmap(&file.window)
        file.data = file.buffer
    while True:
        size = pread(file.fd, file.buffer + file.size, min(file.most - file.size, <size_t> SLICE), file.at + file.size)
        if size >= 0:
            file.size += size
            return size > 0
        if errno != EINTR:
            file.failed = errno
            return False


cdef bint file_more(FileState *file) noexcept nogil:
    """More bytes than there are, which all begin a line. False where there are none, or it cannot be held."""
    if file.size >= file.most:
        return False
    if not file.reads and file_map(file):
        return True
    file.reads = True
    return file_read(file)


cdef void file_used(FileState *file, size_t size) noexcept nogil:
    file.at += size
    file.data += size
    file.size -= size


cdef Progress pull_file(Parse *parse, FileState *file, const timespec *until, bint *ended) noexcept nogil:
    """Takes lines until the columns are full, the moment has come, or the file has ended: between window_enter and
    window_leave."""
    cdef size_t used
    cdef Progress progress = CLEAR
    cdef timespec now
    ended[0] = False
    while progress == CLEAR and not ended[0]:
        if file.stopped:
            ended[0] = True
            break
        progress = take_lines(parse, file.data, min(file.size, <size_t> SLICE), &used)
        if used == 0 and progress == CLEAR and file.size > SLICE:
            progress = take_lines(parse, file.data, file.size, &used)
        file_used(file, used)
        if file.window.cut:
            file.reads = True
            file.size = 0
        if used == 0 and progress == CLEAR and not file_more(file):
            if file.size < file.most:
                ended[0] = True
            else:
                parse.skipping = True
                parse.consumed += file.size
                file_used(file, file.size)
        clock_gettime(CLOCK_MONOTONIC, &now)
        if now.tv_sec > until.tv_sec or (now.tv_sec == until.tv_sec and now.tv_nsec >= until.tv_nsec):
            break
    return progress


cdef class File:
    """A regular file, for Parser.pull: from `offset` on, to its end or `stop`. `window`: how many bytes are mapped at a
    time, rounded up to whole 64 KiB; a longer line is rejected.

    The descriptor stays the caller's, who closes it when this is no longer used.
    """

    cdef FileState state
    cdef bint reading      # a thread is, changed under the GIL

    def __cinit__(self, int fd, uint64_t offset=0, *, size_t window=WINDOW):
        if fd < 0:
            raise ValueError(f"file: {fd} is no descriptor")
        if not 1 <= window <= 1 << 30:
            raise ValueError(f"file: a window of {window} bytes: must be 1 to {1 << 30}")
        self.state.fd = fd
        self.state.at = offset
        self.state.most = (window + ALIGNED - 1) // ALIGNED * ALIGNED
        self.state.buffer = <uint8_t *> malloc(self.state.most)
        if self.state.buffer == NULL:
            raise MemoryError(f"file: no memory for {self.state.most} bytes")
        self.state.data = self.state.buffer
        pthread_mutex_init(&self.state.ahead.lock, NULL)
        pthread_cond_init(&self.state.ahead.changed, NULL)
        self.state.ahead.fd = fd
        self.state.ahead.most = self.state.most + ALIGNED

    def __dealloc__(self):
        window_unmap(&self.state.window)
        window_unmap(&self.state.ahead.ready)
        window_unmap(&self.state.ahead.old)
        pthread_cond_destroy(&self.state.ahead.changed)
        pthread_mutex_destroy(&self.state.ahead.lock)
        free(self.state.buffer)

    cdef int begin_reading(self) except -1:
        if self.reading:
            raise RuntimeError("another thread is reading from this file")
        self.reading = True
        return 0

    @property
    def error(self):
        """0, or the errno of a read that failed; the file ends there."""
        return self.state.failed

    def map_ahead(self):
        """Maps each next window while the one before is parsed, until `stop`: for a thread of its own, which holds no
        GIL. RuntimeError where another one does."""
        cdef bint another
        with nogil:
            pthread_mutex_lock(&self.state.ahead.lock)
            another = self.state.ahead.running
            self.state.ahead.running = True
            pthread_mutex_unlock(&self.state.ahead.lock)
            if not another:
                map_ahead(&self.state.ahead)
        if another:
            raise RuntimeError("another thread maps this file ahead")

    def stop(self):
        """The file ends here, for who pulls from it and for who maps it ahead. From any thread."""
        self.state.stopped = True
        ahead_stop(&self.state.ahead)

# A regular file, parsed where the kernel has it: a window of it is mapped, and another one when that is used up.
# Nothing is copied, and no other thread is needed.
#
# Where there is nothing to be mapped - at the end as it was known, in a file of /proc, on a file system that cannot, or
# behind a place that could not be read - bytes are read into a buffer; a read says what is the matter there.

cdef extern from "window.h" nogil:
    ctypedef struct Window:
        uint8_t *base
        size_t size
        int cut
    void window_enter(Window *window)
    void window_leave()

cdef extern from "sys/stat.h" nogil:
    struct stat_of "stat":
        int64_t st_size
    int fstat(int fd, stat_of *found)

cdef extern from "unistd.h" nogil:
    int64_t pread(int fd, void *place, size_t size, int64_t offset)

cdef extern from "sys/mman.h" nogil:
    enum: MADV_SEQUENTIAL
    int madvise(void *base, size_t size, int advice)

cdef enum:
    WINDOW = 4 << 20       # bytes: larger ones are no faster, and count as resident memory
    ALIGNED = 64 << 10     # what a window's offset is a multiple of: the largest page that Linux has

cdef struct FileState:
    int fd
    uint64_t at            # offset of the first byte that is not parsed yet
    const uint8_t *data    # that byte
    size_t size            # bytes that can be parsed there
    size_t most            # bytes of a line, of `buffer`, and of a window, which may have ALIGNED more
    Window window          # `base` NULL: there is none
    uint8_t *buffer        # for what is read
    bint reads             # nothing is mapped any more
    bint stopped           # by any thread
    int failed             # errno of a read


cdef void file_unmap(FileState *file) noexcept nogil:
    if file.window.base != NULL:
        munmap(file.window.base, file.window.size)
    file.window.base = NULL
    file.window.cut = 0


cdef bint file_map(FileState *file) noexcept nogil:
    """The window from `at` on, if the file has more than is known."""
    cdef stat_of found
    cdef uint64_t begin = file.at - file.at % ALIGNED
    cdef uint64_t end
    cdef size_t size
    cdef void *base
    if fstat(file.fd, &found) != 0 or found.st_size <= 0:
        return False
    end = found.st_size
    if end <= file.at + file.size:
        return False
    size = min(end - begin, <uint64_t> (file.most + ALIGNED))
    base = mmap(NULL, size, PROT_READ, MAP_SHARED, file.fd, begin)
    if base == MAP_FAILED:
        return False
    file_unmap(file)
    madvise(base, size, MADV_SEQUENTIAL)
    file.window.base = <uint8_t *> base
    file.window.size = size
    file.data = file.window.base + (file.at - begin)
    file.size = size - (file.at - begin)
    return True


cdef bint file_read(FileState *file) noexcept nogil:
    """More bytes behind those that wait for the rest of their line. False at the end, or where it fails."""
    cdef int64_t size
    if file.data != file.buffer:
        file.size = 0 if file.window.base != NULL else file.size  # a window may have been cut: they are read again
        memmove(file.buffer, file.data, file.size)
        file_unmap(file)
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

    def __dealloc__(self):
        file_unmap(&self.state)
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

    def stop(self):
        """The file ends here, for who pulls from it. From any thread."""
        self.state.stopped = True

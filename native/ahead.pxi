# A file's next window, mapped by a thread of its own while the parser is in the one before: the kernel's work for the
# pages of a mapping, and the wait for a disk, are off the parser's way. That thread looks at no byte of them. What it
# did not get to in time the parser maps itself: nothing depends on it.

cdef extern from "window.h" nogil:
    ctypedef struct Window:
        uint8_t *base
        size_t size
        int cut

cdef extern from "sys/stat.h" nogil:
    struct stat_of "stat":
        int64_t st_size
    int fstat(int fd, stat_of *found)

cdef extern from "sys/mman.h" nogil:
    enum: MADV_SEQUENTIAL
    enum: MADV_POPULATE_READ
    int madvise(void *base, size_t size, int advice)

cdef enum:
    ALIGNED = 64 << 10     # what a window's offset is a multiple of: the largest page that Linux has

cdef struct Ahead:
    pthread_mutex_t lock
    pthread_cond_t changed
    int fd
    size_t most            # bytes of a window at most
    # all below under the lock
    bint running           # a thread maps ahead
    bint stopped
    bint wanted            # the window from `begin` on
    bint busy              # with that
    uint64_t begin         # offset of what is wanted, or ready
    Window ready           # `base` NULL: none
    Window old             # to be given back; `base` NULL: none


cdef bint window_map(int fd, uint64_t begin, size_t most, Window *window) noexcept nogil:
    """What the file has from `begin` on, a multiple of ALIGNED. False: nothing, or it cannot be mapped."""
    cdef stat_of found
    cdef void *base
    if fstat(fd, &found) != 0 or found.st_size <= 0 or <uint64_t> found.st_size <= begin:
        return False
    window.size = min(<uint64_t> found.st_size - begin, <uint64_t> most)
    base = mmap(NULL, window.size, PROT_READ, MAP_SHARED, fd, begin)
    if base == MAP_FAILED:
        return False
    madvise(base, window.size, MADV_SEQUENTIAL)
    window.base = <uint8_t *> base
    window.cut = 0
    return True


cdef void window_unmap(Window *window) noexcept nogil:
    if window.base != NULL:
        munmap(window.base, window.size)
    window.base = NULL
    window.cut = 0


cdef void map_ahead(Ahead *ahead) noexcept nogil:
    """The thread's, until it is stopped."""
    cdef Window old, ready
    cdef uint64_t begin
    pthread_mutex_lock(&ahead.lock)
    while not ahead.stopped:
        if ahead.wanted:
            ahead.wanted = False
            ahead.busy = True
            begin = ahead.begin
            pthread_mutex_unlock(&ahead.lock)
            ready.base = NULL
            if window_map(ahead.fd, begin, ahead.most, &ready):
                madvise(ready.base, ready.size, MADV_POPULATE_READ)  # where it fails the parser sees what is wrong
            pthread_mutex_lock(&ahead.lock)
            ahead.ready = ready
            ahead.busy = False
            pthread_cond_broadcast(&ahead.changed)
        elif ahead.old.base != NULL:
            old = ahead.old
            ahead.old.base = NULL
            pthread_mutex_unlock(&ahead.lock)
            window_unmap(&old)
            pthread_mutex_lock(&ahead.lock)
        else:
            pthread_cond_wait(&ahead.changed, &ahead.lock)
    ahead.running = False
    pthread_mutex_unlock(&ahead.lock)


cdef bint ahead_take(Ahead *ahead, uint64_t at, uint64_t known, Window *window, uint64_t *begin) noexcept nogil:
    """The window that was mapped ahead, if `at` lies in it and it has bytes behind `known`. Waits for it if the thread
    is about it; after this it has nothing to do."""
    cdef bint fits
    pthread_mutex_lock(&ahead.lock)
    ahead.wanted = False
    while ahead.busy:
        pthread_cond_wait(&ahead.changed, &ahead.lock)
    window[0] = ahead.ready
    begin[0] = ahead.begin
    ahead.ready.base = NULL
    pthread_mutex_unlock(&ahead.lock)
    fits = window.base != NULL and begin[0] <= at and begin[0] + window.size > known
    if not fits:
        window_unmap(window)
    return fits


cdef void ahead_next(Ahead *ahead, uint64_t begin, Window *old) noexcept nogil:
    """The window from `begin` on is the next one, and `old` may go."""
    cdef Window mine = old[0]
    pthread_mutex_lock(&ahead.lock)
    if ahead.running and not ahead.stopped:
        ahead.begin = begin
        ahead.wanted = True
        if ahead.old.base == NULL:
            ahead.old = mine
            mine.base = NULL
        pthread_cond_broadcast(&ahead.changed)
    pthread_mutex_unlock(&ahead.lock)
    window_unmap(&mine)


cdef void ahead_stop(Ahead *ahead) noexcept nogil:
    pthread_mutex_lock(&ahead.lock)
    ahead.stopped = True
    pthread_cond_broadcast(&ahead.changed)
    pthread_mutex_unlock(&ahead.lock)

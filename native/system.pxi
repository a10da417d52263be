# What the rest needs of C and Linux.

from cpython.array cimport array, clone
from cpython.buffer cimport Py_buffer, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer, PyBUF_SIMPLE
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memmove, memset
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_NONE, PROT_READ, PROT_WRITE
from posix.mman cimport mmap, munmap
from posix.stdlib cimport posix_memalign
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from posix.unistd cimport close, ftruncate, read, write

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    typedef unsigned __int128 u128; /* sums of 64-bit lengths: cannot overflow before 2^64 events */

    static inline uint64_t load64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    /* one thread counts, any thread may look */
    static inline void count_up(uint64_t *count, uint64_t by) {
        __atomic_store_n(count, *count + by, __ATOMIC_RELAXED);
    }
    static inline uint64_t count_of(const uint64_t *count) { return __atomic_load_n(count, __ATOMIC_RELAXED); }
    #define expect_true(x) __builtin_expect(!!(x), 1)
    #define prefetch(p) __builtin_prefetch(p)
    """
    ctypedef unsigned long long u128
    uint64_t load64(const uint8_t *p) noexcept nogil
    void count_up(uint64_t *count, uint64_t by) noexcept nogil
    uint64_t count_of(const uint64_t *count) noexcept nogil
    bint expect_true(bint x) noexcept nogil
    void prefetch(const void *p) noexcept nogil
    int __builtin_ctzll(unsigned long long word) noexcept nogil
    int __builtin_clzll(unsigned long long word) noexcept nogil

cdef extern from "scan.h" nogil:
    enum: SCAN_BLOCK
    enum: SCAN_OFFSETS
    enum: CHUNK
    enum: RECENT "MEMTAP_RECENT"
    ctypedef size_t scan_function(const uint8_t *bytes, size_t size, uint16_t *offsets) noexcept nogil
    ctypedef struct Recent:
        uint64_t low
        uint64_t high
        uint64_t id
        uint64_t nothing
    ctypedef struct Known1:
        const Recent *recent
        uint64_t second_us
    ctypedef struct Lines1:
        uint64_t *time_us  # arrays of CHUNK
        uint64_t *length
        uint32_t *pid
        uint32_t *name
        uint8_t *call
    ctypedef size_t lines1_function(const uint8_t *base, const uint16_t *newlines, size_t lines, const uint8_t *line,
                                    const Known1 *known, Lines1 *rows) noexcept nogil
    size_t recent_place(uint64_t low, uint64_t high) noexcept nogil
    ctypedef void digits_function(uint64_t *numbers, size_t count) noexcept nogil
    ctypedef struct Way:
        const char *name
        scan_function *scan
        lines1_function *lines1
        digits_function *digits
    uint64_t digits_of(uint64_t value) noexcept nogil
    int all_ways(Way *ways)

cdef extern from "adding1.h" nogil:
    ctypedef struct Slot:
        uint32_t latest
        uint32_t number
    ctypedef struct Running:
        uint64_t *bytes  # arrays of 2
        uint32_t *calls
        uint32_t last
        uint32_t name
    ctypedef struct Beginning:
        uint64_t second_us
        uint32_t first
        uint32_t process
    ctypedef struct Adding1:
        const uint64_t *times
        const uint64_t *lengths
        const uint32_t *pids
        const uint32_t *names
        const uint8_t *calls
        uint32_t *process
        Slot *slots
        uint32_t processes
        uint32_t first_number
        uint32_t count
        Running *open
        Beginning *beginnings
        uint64_t second_us
    size_t add1(Adding1 *to, size_t row, size_t end) noexcept nogil

cdef extern from "string.h" nogil:
    void *memchr(const void *s, int c, size_t n)
    void *memrchr(const void *s, int c, size_t n)

cdef extern from "sys/mman.h" nogil:
    enum: MAP_NORESERVE
    enum: MREMAP_MAYMOVE
    void *mremap(void *old, size_t old_size, size_t size, int flags)
    int memfd_create(const char *name, unsigned int flags)
    enum: MFD_CLOEXEC

cdef extern from "sys/eventfd.h" nogil:
    int eventfd(unsigned int value, int flags)
    enum: EFD_CLOEXEC

cdef extern from "poll.h" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    int poll(pollfd *fds, unsigned long n, int timeout_ms)
    enum: POLLIN

cdef extern from "fcntl.h" nogil:
    int fcntl(int fd, int command, ...)
    enum: F_GETPIPE_SZ

cdef extern from "pthread.h" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    ctypedef struct pthread_condattr_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *mutex, void *attr)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_condattr_init(pthread_condattr_t *attr)
    int pthread_condattr_setclock(pthread_condattr_t *attr, int clock)
    int pthread_condattr_destroy(pthread_condattr_t *attr)
    int pthread_cond_init(pthread_cond_t *cond, pthread_condattr_t *attr)
    int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
    int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const timespec *until)
    int pthread_cond_broadcast(pthread_cond_t *cond)
    int pthread_cond_destroy(pthread_cond_t *cond)

cdef extern from "unistd.h" nogil:
    int _SC_PAGESIZE
    long sysconf(int name)


cdef timespec deadline_after(int64_t ms) noexcept nogil:
    """The moment `ms` milliseconds from now on the monotonic clock."""
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    at.tv_sec += ms // 1000
    at.tv_nsec += (ms % 1000) * 1000000
    if at.tv_nsec >= 1000000000:
        at.tv_sec += 1
        at.tv_nsec -= 1000000000
    return at


cdef object integer(u128 value):
    """A Python integer of 128 bits."""
    return (int(<uint64_t> (value >> 64)) << 64) | int(<uint64_t> value)

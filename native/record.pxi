# What a line says, whatever its format.

cdef enum Call:
    CALL_MMAP2 = 0      # format 1's name for mmap: printed at the call's entry
    CALL_MUNMAP = 1
    CALL_MMAP = 2
    CALL_MREMAP = 3
    CALL_BRK = 4
    CALL_SHMAT = 5
    CALL_SHMDT = 6
    CALL_FORK = 7       # the life cycle, from here on
    CALL_EXEC = 8
    CALL_EXIT = 9
    CALL_PROC = 10      # what memtap itself read of a process in /proc

CALLS = ("mmap2", "munmap", "mmap", "mremap", "brk", "shmat", "shmdt", "fork", "exec", "exit", "proc")

cdef enum Kind:
    KIND_NONE = 0       # nothing was mapped, or format 1, which does not say
    KIND_ANONYMOUS = 1
    KIND_FILE = 2
    KIND_RESERVED = 3   # PROT_NONE: address space, no memory

KINDS = ("none", "anonymous", "file", "reserved")

# Why a line is not a record, in the order in which it is looked at.
cdef enum Reject:
    WHOLE = 0
    REJECT_CALL = 1     # does not begin with a call that the format knows
    REJECT_PID = 2      # no PID up to 2^22, or what has to follow it does not
    REJECT_LENGTH = 3   # no length of 64 bits where it should be
    REJECT_TIME = 4     # no time of 64 bits where it should be
    REJECT_PROCESS = 5  # the comm has more than 15 bytes, holds a NUL, or is not well encoded
    REJECT_CUT = 6      # the stream ended in the middle of it
    REJECT_LONG = 7     # longer than the ring
    REJECT_PART = 8     # looks like a tap's notice, but stands inside a broken record
    REJECT_FIELD = 9    # another field of format 2 is missing or out of range
    REJECT_HEADER = 10  # a header in the middle of a stream that is not the stream's own
    REJECT_NEGATIVE = 11  # format 1: its %d printed a length of 2^63 or more, which no kernel grants
    REJECT_KINDS = 12

REJECTS = ("", "call", "pid", "length", "time", "process", "cut", "long", "part", "field", "header", "negative length")

cdef enum:
    PID_MAX = 4194304   # PID_MAX_LIMIT, include/linux/threads.h
    COMM_MAX = 15       # TASK_COMM_LEN - 1, include/linux/sched.h

cdef struct Comm:       # zero padded: no comm holds a NUL
    uint64_t low
    uint64_t high

cdef struct Record:
    uint64_t time_us    # microseconds since the epoch
    uint64_t length     # bytes asked for
    Comm comm
    uint32_t pid
    uint32_t call       # enum Call
    uint32_t name       # local id of the comm, once it has one
    # what only format 2 says
    uint64_t start_ns   # nanoseconds since boot: with the pid, the process's identity
    uint64_t cgroup
    uint64_t freed      # bytes given back
    uint64_t vm         # mapped bytes after the call
    uint64_t rss        # bytes in RAM after the call
    uint64_t detail     # of a fork the parent's pid, of an exit the status
    uint32_t uid
    uint32_t error      # errno; 0: granted
    uint32_t kind       # enum Kind


cdef inline uint64_t below(size_t bytes) noexcept nogil:
    """A mask of the lowest `bytes` bytes of a word, 0 to 8."""
    return ~<uint64_t> 0 if bytes >= 8 else (<uint64_t> 1 << (8 * bytes)) - 1


cdef inline bint has_nul(uint64_t word) noexcept nogil:
    return (word - <uint64_t> 0x0101010101010101) & ~word & <uint64_t> 0x8080808080808080 != 0

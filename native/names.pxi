# Process names are interned: each distinct comm has a number, given in order of appearance.

cdef struct Names:
    Recent recent[RECENT]  # by a short hash, what was looked for last: nearly every line's comm is here
    Comm *comms        # by id
    uint32_t *slots    # open addressing: id + 1, 0 free; a power of two, never more than half full
    uint32_t count
    uint32_t capacity  # of comms; slots holds twice as many


cdef inline uint64_t comm_hash(Comm comm) noexcept nogil:
    # Two odd multipliers of 64 random bits and a fold of the high half: enough for 16 bytes nobody else hashes.
    cdef uint64_t h = (comm.low * <uint64_t> 0x9e3779b97f4a7c15) ^ (comm.high * <uint64_t> 0xc2b2ae3d27d4eb4f)
    h ^= h >> 32
    h *= <uint64_t> 0xd6e8feb86659fd93
    return h ^ (h >> 32)


cdef void names_forget(Names *names) noexcept nogil:
    """Nothing is recent. The last byte of a comm is always NUL, so none is like these."""
    memset(names.recent, 0xff, sizeof(names.recent))


cdef bint names_grow(Names *names) noexcept nogil:
    """Room for twice as many. False, and nothing changed, where memory is short."""
    cdef uint32_t capacity = names.capacity * 2 if names.capacity else 512
    cdef uint64_t at
    cdef uint32_t mask = 2 * capacity - 1
    cdef uint32_t i
    cdef uint32_t *slots = <uint32_t *> calloc(2 * <size_t> capacity, sizeof(uint32_t))
    cdef Comm *comms
    if slots == NULL:
        return False
    comms = <Comm *> realloc(names.comms, capacity * sizeof(Comm))
    if comms == NULL:
        free(slots)
        return False
    for i in range(names.count):
        at = comm_hash(comms[i]) & mask
        while slots[at]:
            at = (at + 1) & mask
        slots[at] = i + 1
    free(names.slots)
    names.slots = slots
    names.comms = comms
    names.capacity = capacity
    return True


cdef inline bint names_room(Names *names, uint32_t more) noexcept nogil:
    """Room for so many more, at most 512. False, and nothing changed, where memory is short."""
    return names.count + more <= names.capacity or names_grow(names)


cdef uint32_t names_look_up(Names *names, Comm comm) noexcept nogil:
    cdef uint32_t mask = 2 * names.capacity - 1
    cdef uint64_t at = comm_hash(comm) & mask
    cdef uint32_t i
    while names.slots[at]:
        i = names.slots[at] - 1
        if names.comms[i].low == comm.low and names.comms[i].high == comm.high:
            return i
        at = (at + 1) & mask
    i = names.count
    names.slots[at] = i + 1
    names.comms[i] = comm
    names.count = i + 1
    return i


cdef inline uint32_t names_intern(Names *names, Comm comm) noexcept nogil:
    """The id of a comm. There must be room for one more (names_room)."""
    cdef Recent *recent = &names.recent[recent_place(comm.low, comm.high)]
    if not expect_true(recent.low == comm.low and recent.high == comm.high):
        recent.id = names_look_up(names, comm)
        recent.low = comm.low
        recent.high = comm.high
    return <uint32_t> recent.id


cdef bytes comm_bytes(Comm comm):
    cdef size_t size = 0
    cdef const uint8_t *text = <const uint8_t *> &comm
    while size < COMM_MAX and text[size]:
        size += 1
    return text[:size]

# The choices an input makes: its first bytes say how the rest, the stream, is read.

cdef enum:
    CHOICES = 16            # bytes of an input before its stream
    STREAM_MAX = 24 << 10   # bytes of a stream that is repeated: three of the scan's blocks, six of the ring

cdef struct Chance:
    uint64_t state          # of the random numbers, all of which follow from the input
    size_t rows             # of a batch, a multiple of 8
    int scan                # the first way's; the others take the next ones
    int sizes               # of pieces: see chance_piece
    uint64_t ring_at        # the ring's head and tail at the beginning
    uint64_t fail_first     # allocations that fail, while it is read in pieces
    uint64_t fail_count
    bint pieces             # the ways besides the first
    bint ring
    bint ageing             # while it is read in pieces
    bint reader
    bint drop               # the reader may
    bint objects


cdef uint64_t chance_next(Chance *chance) noexcept nogil:
    """SplitMix64."""
    cdef uint64_t z
    chance.state += <uint64_t> 0x9e3779b97f4a7c15
    z = chance.state
    z = (z ^ (z >> 30)) * <uint64_t> 0xbf58476d1ce4e5b9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94d049bb133111eb
    return z ^ (z >> 31)


cdef inline size_t chance_below(Chance *chance, size_t limit) noexcept nogil:
    return chance_next(chance) % limit


cdef size_t chance_piece(Chance *chance, size_t left) noexcept nogil:
    """The size of the next piece, 1 to `left`."""
    cdef size_t most = left
    if chance.sizes == 0:
        most = 1
    elif chance.sizes == 1:
        most = 9
    elif chance.sizes == 2:
        most = 80
    elif chance.sizes == 3:
        most = 5000
    return 1 + chance_below(chance, most if most < left else left)


cdef uint8_t *chance_begin(Chance *chance, const uint8_t *input, size_t size, size_t *stream_size) noexcept nogil:
    """Reads the choices. Returns the stream, in memory of just its size."""
    cdef uint8_t choices[CHOICES]
    cdef uint8_t *stream
    cdef size_t length, blank, times, i
    memset(choices, 0, CHOICES)
    memcpy(choices, input, size if size < CHOICES else CHOICES)
    length = size - CHOICES if size > CHOICES else 0
    memcpy(&chance.state, choices, 4)
    chance.sizes = choices[4] % 8
    if length > 200 and chance.sizes == 0:
        chance.sizes = 1
    chance.scan = choices[5] % 3
    chance.rows = 8 * (1 + choices[6] % 4)
    chance.ring_at = (<uint64_t> choices[8] << 8 | choices[7]) + (<uint64_t> choices[8] << 56)
    chance.fail_count = choices[9] % 8 if choices[9] >= 0xc0 else 0
    chance.fail_first = choices[10] % 32
    chance.pieces = choices[6] & 0xc0 != 0x40
    chance.ring = choices[6] & 0xc0 != 0x80
    chance.ageing = choices[11] & 0x18 == 0x18
    chance.reader = choices[11] & 3 == 0
    chance.drop = choices[11] & 4 != 0
    chance.objects = choices[12] == 0
    # many blank lines before the stream move it against the scan's blocks; many times the stream fill them
    blank = 8100 + choices[14] if choices[13] == 0xff else choices[14] if choices[13] == 0xfe else 0
    times = STREAM_MAX // length if length and choices[15] == 0xff else 2 if choices[15] == 0xfe else 1
    stream_size[0] = blank + times * length
    stream = <uint8_t *> fuzz_buffer(stream_size[0])
    memset(stream, c'\n', blank)
    for i in range(times):
        if length:
            memcpy(stream + blank + i * length, input + CHOICES, length)
    if stream_size[0] > 4096 and chance.sizes < 2:
        chance.sizes = 3
    return stream

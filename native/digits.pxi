# Decimal numbers in text, eight bytes at a time (SWAR: SIMD within a register), little-endian.
#
# A word of text XOR "00000000" has 0..9 in each byte that was a digit. The sums below never carry from one
# byte into the next: 0x7f + 0x76 = 0xf5.

cdef enum:
    NUMBER_MAX = 20  # digits of 2^64 - 1


cdef inline uint64_t not_digits(uint64_t word) noexcept nogil:
    """The high bit of each byte of `word` (text XOR zeros) that is no digit."""
    return ((((word & <uint64_t> 0x7f7f7f7f7f7f7f7f) + <uint64_t> 0x7676767676767676) | word)
            & <uint64_t> 0x8080808080808080)


cdef inline uint64_t eight_digits(uint64_t word) noexcept nogil:
    """The number of eight digits (text XOR zeros, the first digit in the lowest byte)."""
    word = (word * 10) + (word >> 8)
    return (((word & <uint64_t> 0x000000ff000000ff) * <uint64_t> 0x000f424000000064)
            + (((word >> 16) & <uint64_t> 0x000000ff000000ff) * <uint64_t> 0x0000271000000001)) >> 32


cdef inline bint number(const uint8_t *text, size_t size, uint64_t *value) noexcept nogil:
    """Any 1 to 20 digits that fit 64 bits. False where they do not."""
    cdef uint64_t sum = 0
    cdef uint64_t digit
    cdef size_t i
    if size == 0 or size > NUMBER_MAX:
        return False
    for i in range(size):
        digit = <uint64_t> text[i] - c'0'
        if digit > 9:
            return False
        if sum > <uint64_t> 1844674407370955161 or (sum == <uint64_t> 1844674407370955161 and digit > 5):
            return False
        sum = sum * 10 + digit
    value[0] = sum
    return True


cdef inline size_t digits_after(const uint8_t *start, const uint8_t *end) noexcept nogil:
    """How many bytes from `start` on are digits."""
    cdef const uint8_t *p = start
    while p < end and <uint8_t> (p[0] - c'0') <= 9:
        p += 1
    return p - start


cdef inline size_t digits_before(const uint8_t *start, const uint8_t *end) noexcept nogil:
    """How many bytes before `end` are digits, looking back to `start` at most."""
    cdef const uint8_t *p = end
    while p > start and <uint8_t> ((p - 1)[0] - c'0') <= 9:
        p -= 1
    return end - p

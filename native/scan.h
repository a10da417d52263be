/* Where the newlines are: 64 bytes at a time, with whatever the processor has. Chosen once, when first asked;
 * every way gives the same offsets. */
#ifndef MEMTAP_SCAN_H
#define MEMTAP_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    SCAN_BLOCK = 8192,              /* bytes scanned at a time: they and their offsets stay in the first-level cache */
    SCAN_OFFSETS = SCAN_BLOCK + 64  /* offsets there may be, and how far past the last one a scan may write */
};

typedef size_t scan_function(const uint8_t *bytes, size_t size, uint16_t *offsets);

/* Appends the offsets of the bits of `mask` (byte i of a 64-byte group) to `offsets`; returns where the next one goes.
 * Two are written whatever there is: lines of 40 bytes or more leave at most two to a group, and no branch to guess. */
#define SCAN_GROUP(mask, base)                                                \
    do {                                                                      \
        uint64_t bits = (mask);                                               \
        uint16_t *next = out + __builtin_popcountll(bits);                    \
        out[0] = (uint16_t)((base) + (bits ? __builtin_ctzll(bits) : 0));     \
        bits &= bits - 1;                                                     \
        out[1] = (uint16_t)((base) + (bits ? __builtin_ctzll(bits) : 0));     \
        bits &= bits - 1;                                                     \
        for (out += 2; __builtin_expect(bits != 0, 0); bits &= bits - 1)      \
            *out++ = (uint16_t)((base) + __builtin_ctzll(bits));              \
        out = next;                                                           \
    } while (0)

/* The last, incomplete group: a copy padded with a byte that is no newline. */
#define SCAN_REST(group_mask)                                                 \
    do {                                                                      \
        if (at < size) {                                                      \
            uint8_t rest[64] = {0};                                           \
            memcpy(rest, bytes + at, size - at);                              \
            SCAN_GROUP(group_mask(rest), at);                                 \
        }                                                                     \
    } while (0)

static inline uint64_t scan_mask_scalar(const uint8_t *p) {
    uint64_t mask = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t word;
        memcpy(&word, p + 8 * i, 8);
        word ^= 0x0a0a0a0a0a0a0a0au;
        /* exactly the high bit of each byte that is zero: no carry passes from one byte to the next */
        word = ~(((word & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu) | word | 0x7f7f7f7f7f7f7f7fu);
        /* gathers eight high bits into one byte */
        mask |= (((word >> 7) * 0x0102040810204080u) >> 56) << (8 * i);
    }
    return mask;
}

static size_t scan_scalar(const uint8_t *bytes, size_t size, uint16_t *offsets) {
    uint16_t *out = offsets;
    size_t at = 0;
    for (; at + 64 <= size; at += 64) SCAN_GROUP(scan_mask_scalar(bytes + at), at);
    SCAN_REST(scan_mask_scalar);
    return (size_t)(out - offsets);
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2,bmi,popcnt")))
static inline uint64_t scan_mask_avx2(const uint8_t *p) {
    const __m256i newline = _mm256_set1_epi8('\n');
    __m256i low = _mm256_loadu_si256((const __m256i *)p), high = _mm256_loadu_si256((const __m256i *)(p + 32));
    uint64_t low_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, newline));
    uint64_t high_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, newline));
    return low_mask | high_mask << 32;
}

__attribute__((target("avx2,bmi,popcnt")))
static size_t scan_avx2(const uint8_t *bytes, size_t size, uint16_t *offsets) {
    uint16_t *out = offsets;
    size_t at = 0;
    for (; at + 64 <= size; at += 64) SCAN_GROUP(scan_mask_avx2(bytes + at), at);
    SCAN_REST(scan_mask_avx2);
    return (size_t)(out - offsets);
}

__attribute__((target("avx512f,avx512bw,bmi,popcnt")))
static inline uint64_t scan_mask_avx512(const uint8_t *p) {
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512((const void *)p), _mm512_set1_epi8('\n'));
}

__attribute__((target("avx512f,avx512bw,bmi,popcnt")))
static size_t scan_avx512(const uint8_t *bytes, size_t size, uint16_t *offsets) {
    uint16_t *out = offsets;
    size_t at = 0;
    for (; at + 64 <= size; at += 64) SCAN_GROUP(scan_mask_avx512(bytes + at), at);
    SCAN_REST(scan_mask_avx512);
    return (size_t)(out - offsets);
}
#endif

/* The scans this processor can run, the best first. */
static inline int scan_ways(scan_function **ways, const char **names) {
    int count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw")) ways[count] = scan_avx512, names[count++] = "avx512";
    if (__builtin_cpu_supports("avx2")) ways[count] = scan_avx2, names[count++] = "avx2";
#endif
    ways[count] = scan_scalar, names[count++] = "scalar";
    return count;
}

#endif

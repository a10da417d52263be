/* What is done with whatever the processor has: newlines are looked for 64 bytes at a time, and plain lines of format 1
 * are read (lines1.h). Chosen once, when first asked; every way has the same result. */
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

#ifndef MEMTAP_RECENT
#define MEMTAP_RECENT 4096 /* names: a power of two, at most 65536; so many that two seldom push each other out */
#endif

enum {
    PLAIN_MIN = 55,       /* `mmap2: PID=1, process=, time=1234567890123456, length=1` */
    CHUNK = 64,           /* lines read at a time, and calls added at a time */
    LARGEST_PID = 4194304 /* PID_MAX_LIMIT, include/linux/threads.h */
};

typedef struct {          /* a comm that was looked for lately, zero padded, and its id */
    uint64_t low, high, id, nothing;
} Recent;

/* A plain line is `mmap2: PID=%d, process=%s, time=%d, length=%d` (or munmap) with a PID of up to 7 digits, a time of
 * 16, a length of up to 8, in the second of the line before, and of a name that was looked for lately. Nearly all are.
 * What is not, ends this way: format1.pxi reads that line and says what it is. Whatever a line of PLAIN_MIN bytes
 * holds, what is read lies within it: up to 45 bytes from its beginning, 40 from its end. */
typedef struct {          /* what plain lines are read with */
    const Recent *recent; /* by recent_place */
    uint64_t second_us;   /* where the second begins that they must be in: at most 10^17, so that nothing wraps */
} Known1;

typedef struct {          /* the calls of one chunk */
    uint64_t time_us[CHUNK], length[CHUNK];
    uint32_t pid[CHUNK], name[CHUNK];
    uint8_t call[CHUNK];
} Lines1;

/* Reads plain lines from `line` on, each of which ends at an offset from `base`; returns how many there were. */
typedef size_t lines1_function(const uint8_t *base, const uint16_t *newlines, size_t lines, const uint8_t *line,
                               const Known1 *known, Lines1 *rows);

/* Makes of each number below 10^8 its eight digits, one a byte, the first in the lowest. */
typedef void digits_function(uint64_t *numbers, size_t count);

typedef struct {
    const char *name;
    scan_function *scan;
    lines1_function *lines1;
    digits_function *digits;
} Way;

#define ZEROS 0x3030303030303030u

static inline uint64_t word_at(const void *p) {
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

/* The high bit of each byte of `word` (text XOR zeros) that is no digit. */
static inline uint64_t no_digits(uint64_t word) {
    return (((word & 0x7f7f7f7f7f7f7f7fu) + 0x7676767676767676u) | word) & 0x8080808080808080u;
}

static inline uint64_t zero_bytes(uint64_t word) {
    return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
}

static inline size_t recent_place(uint64_t low, uint64_t high) {
    return ((low * 0x9e3779b97f4a7c15u) ^ (high * 0xc2b2ae3d27d4eb4fu)) >> 48 & (MEMTAP_RECENT - 1);
}

/* How a line begins, and by how much each byte may differ. */
static const struct { char text[16], most[16]; } heads1[2] = {
    {"mmap2: PID=", "\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff"},
    {"munmap: PID=", "\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff"},
};
static const char lower_bytes[33] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
static const char upper_bytes[33] =
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";

static inline uint64_t eight_digits_of(uint64_t word) {
    word = word * 10 + (word >> 8);
    uint64_t odd = word & 0x000000ff000000ffu, even = word >> 16 & 0x000000ff000000ffu;
    return (odd * 0x000f424000000064u + even * 0x0000271000000001u) >> 32;
}

static size_t lines1_scalar(const uint8_t *base, const uint16_t *newlines, size_t lines, const uint8_t *line,
                            const Known1 *known, Lines1 *restrict rows) {
    size_t i = 0;
    for (; i < lines; i++) {
        const uint8_t *end = base + newlines[i];
        if (__builtin_expect((size_t)(end - line) < PLAIN_MIN, 0)) break;
        __builtin_prefetch(line + SCAN_BLOCK);

        size_t unmaps = line[1] == 'u';
        uint64_t wrong = (word_at(line) ^ word_at(heads1[unmaps].text)) |
                         (word_at(line + 3 + unmaps) ^ word_at(heads1[unmaps].text + 3 + unmaps));
        const uint8_t *at = line + 11 + unmaps;

        uint64_t pid_text = word_at(at) ^ ZEROS;
        size_t bits = ((size_t)__builtin_ctzll(no_digits(pid_text) | (uint64_t)1 << 63)) - 7;
        pid_text = pid_text << 1 << (63 - bits);
        at += bits / 8;
        wrong |= (bits == 0) | (word_at(at) ^ word_at(", proces")) | (word_at(at + 2) ^ word_at("process="));
        at += 10;

        uint64_t length_text = word_at(end - 8) ^ ZEROS, others = no_digits(length_text);
        bits = others ? (size_t)__builtin_clzll(others) & 0x78 : 64;
        length_text = length_text >> ((64 - bits) & 63) << ((64 - bits) & 63);
        const uint8_t *tail = end - bits / 8 - 32;
        wrong |= (bits == 0) | (word_at(tail + 24) ^ word_at(" length=")) | (tail[23] ^ ',');
        wrong |= (word_at(tail) ^ word_at(", time=")) << 8; /* without the first digit */

        uint64_t high = word_at(tail + 7) ^ ZEROS, low = word_at(tail + 15) ^ ZEROS;
        wrong |= no_digits(high) | no_digits(low);
        uint64_t time_us = eight_digits_of(high) * 100000000 + eight_digits_of(low);
        uint64_t pid = eight_digits_of(pid_text);
        wrong |= (uint64_t)(pid > LARGEST_PID) | (uint64_t)(time_us - known->second_us >= 1000000);

        size_t size = (size_t)(tail - at);
        if (__builtin_expect((wrong != 0) | (size > 15), 0)) break;
        uint64_t low_mask = word_at(lower_bytes + 16 - size), high_mask = word_at(lower_bytes + 24 - size);
        low = word_at(at) & low_mask, high = word_at(at + 8) & high_mask;
        const Recent *name = &known->recent[recent_place(low, high)];
        wrong = zero_bytes(low | ~low_mask) | zero_bytes(high | ~high_mask) | (name->low ^ low) | (name->high ^ high);
        if (__builtin_expect(wrong != 0, 0)) break;

        rows->time_us[i] = time_us;
        rows->length[i] = eight_digits_of(length_text);
        rows->pid[i] = (uint32_t)pid;
        rows->name[i] = (uint32_t)name->id;
        rows->call[i] = (uint8_t)unmaps;
        line = end + 1;
    }
    return i;
}

/* Two, four, eight digits at a time. 10486 / 2^20 and 103 / 2^10 are 1/100 and 1/10, exact for what stands in a lane:
 * below 10^4, below 100. */
static inline uint64_t digits_of(uint64_t value) {
    value = value / 10000 | (value % 10000) << 32;
    uint64_t hundreds = (value * 10486) >> 20 & 0x0000007f0000007fu;
    value = hundreds | (value - 100 * hundreds) << 16;
    uint64_t tens = (value * 103) >> 10 & 0x000f000f000f000fu;
    return tens | (value - 10 * tens) << 8;
}

static void digits_scalar(uint64_t *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) numbers[i] = digits_of(numbers[i]);
}

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

/* moves a PID's digits, from as many on as it has, to the end of the first eight bytes */
static const uint8_t to_the_eighth[24] = {
    128, 128, 128, 128, 128, 128, 128, 128, 0, 1, 2, 3, 4, 5, 6, 7, 128, 128, 128, 128, 128, 128, 128, 128,
};
/* by how much each byte of `, time=1234567890123456, length=` may differ from one with zeros */
static const uint8_t tail_most1[32] = {
    0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};

/* The same with vectors: 3518437209 / 2^45 is 1/10000, 5243 / 2^19 is 1/100, 6554 / 2^16 is 1/10. */
#define DIGITS(name, features, vector, bits, prefix, either)                                                    \
    __attribute__((target(features))) static void name(uint64_t *numbers, size_t count) {                       \
        const size_t each = sizeof(vector) / 8;                                                                 \
        size_t i = 0;                                                                                           \
        for (; i + each <= count; i += each) {                                                                  \
            vector v = prefix##_loadu_si##bits((const vector *)(numbers + i));                                  \
            vector q = prefix##_srli_epi64(prefix##_mul_epu32(v, prefix##_set1_epi64##either(3518437209)), 45); \
            vector r = prefix##_sub_epi64(v, prefix##_mul_epu32(q, prefix##_set1_epi64##either(10000)));        \
            v = prefix##_or_si##bits(q, prefix##_slli_epi64(r, 32));                                            \
            q = prefix##_srli_epi16(prefix##_mulhi_epu16(v, prefix##_set1_epi16(5243)), 3);                     \
            r = prefix##_sub_epi16(v, prefix##_mullo_epi16(q, prefix##_set1_epi16(100)));                       \
            v = prefix##_or_si##bits(q, prefix##_slli_epi32(r, 16));                                            \
            q = prefix##_mulhi_epu16(v, prefix##_set1_epi16(6554));                                             \
            r = prefix##_sub_epi16(v, prefix##_mullo_epi16(q, prefix##_set1_epi16(10)));                        \
            v = prefix##_or_si##bits(q, prefix##_slli_epi16(r, 8));                                             \
            prefix##_storeu_si##bits((vector *)(numbers + i), v);                                               \
        }                                                                                                       \
        digits_scalar(numbers + i, count - i);                                                                  \
    }

DIGITS(digits_avx2, "avx2", __m256i, 256, _mm256, x)
DIGITS(digits_avx512, "avx512f,avx512bw", __m512i, 512, _mm512, )

#define TARGET __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WAY(name) name##_avx2
#include "lines1.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2,popcnt")))
#define WAY(name) name##_avx512
#include "lines1.h"
#endif

/* What this processor can run, the best first. */
static inline int all_ways(Way *ways) {
    int count = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int bits = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
    if (bits && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        ways[count++] = (Way){"avx512", scan_avx512, lines1_avx512, digits_avx512};
    if (bits && __builtin_cpu_supports("avx2")) ways[count++] = (Way){"avx2", scan_avx2, lines1_avx2, digits_avx2};
#endif
    ways[count++] = (Way){"scalar", scan_scalar, lines1_scalar, digits_scalar};
    return count;
}

#endif

/* Plain lines of format 1 with vectors of 32 bytes. scan.h includes this file once for each kind of processor that has
 * them: TARGET and WAY(name) say for which. The same with words of 8 bytes is lines1_scalar in scan.h.
 *
 * What comes before the comm, and after it, has its length's and PID's digits alone to be found: each part is compared
 * with what it must be in one go, digits with the largest they may be. What is wrong is gathered in one vector. */

TARGET static inline __m128i WAY(load)(const void *p) { return _mm_loadu_si128((const __m128i *)p); }

/* A bit for each byte that is not 0 to 9. */
TARGET static inline uint32_t WAY(others)(__m128i digits) {
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(digits, _mm_set1_epi8(10)), digits));
}

TARGET static size_t WAY(lines1)(const uint8_t *base, const uint16_t *newlines, size_t lines, const uint8_t *line,
                                 const Known1 *known, Lines1 *restrict rows) {
    const __m128i zeros = _mm_set1_epi8('0');
    const __m256i high_zeros = _mm256_inserti128_si256(_mm256_setzero_si256(), zeros, 1);
    const __m256i tail_text = _mm256_loadu_si256((const __m256i *)", time=0000000000000000, length=");
    const __m256i tail_most = _mm256_loadu_si256((const __m256i *)tail_most1);
    const __m128i process_text = WAY(load)(", process=\0\0\0\0\0\0");
    const __m128i process_most = WAY(load)("\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff");
    const uint64_t second_us = known->second_us;
    const Recent *recent = known->recent;
    size_t i = 0;
    for (; i < lines; i++) {
        const uint8_t *end = base + newlines[i];
        if (__builtin_expect((size_t)(end - line) < PLAIN_MIN, 0)) break;
        __builtin_prefetch(line + SCAN_BLOCK); /* the next block's newlines are looked for soon */

        size_t unmaps = line[1] == 'u';
        __m128i wrong = _mm_xor_si128(WAY(load)(line), WAY(load)(heads1[unmaps].text));
        wrong = _mm_subs_epu8(wrong, WAY(load)(heads1[unmaps].most));
        const uint8_t *at = line + 11 + unmaps;

        __m128i pid_digits = _mm_xor_si128(WAY(load)(at), zeros);
        size_t digits = (size_t)__builtin_ctz(WAY(others)(pid_digits) | 1 << 8);
        if (__builtin_expect(digits - 1 > 6, 0)) break;
        pid_digits = _mm_shuffle_epi8(pid_digits, WAY(load)(to_the_eighth + digits));
        at += digits;
        wrong = _mm_or_si128(wrong, _mm_subs_epu8(_mm_xor_si128(WAY(load)(at), process_text), process_most));
        at += 10;

        __m128i length_digits = _mm_xor_si128(WAY(load)(end - 16), zeros);
        size_t last = 31 - (size_t)__builtin_clz(WAY(others)(length_digits) | 1); /* the last byte that is none */
        if (__builtin_expect(last - 7 > 7, 0)) break;
        length_digits = _mm_and_si128(length_digits, WAY(load)(upper_bytes + 15 - last));
        const uint8_t *tail = end + last - 15 - 32;
        __m256i wrong_tail = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)tail), tail_text);
        wrong_tail = _mm256_subs_epu8(wrong_tail, tail_most);

        __m256i text = _mm256_castsi128_si256(_mm_blend_epi32(pid_digits, length_digits, 12));
        text = _mm256_xor_si256(_mm256_inserti128_si256(text, WAY(load)(tail + 7), 1), high_zeros);
        text = _mm256_maddubs_epi16(text, _mm256_set1_epi16(1 << 8 | 10));
        text = _mm256_madd_epi16(text, _mm256_set1_epi32(1 << 16 | 100));
        text = _mm256_madd_epi16(_mm256_packus_epi32(text, text), _mm256_set1_epi32(1 << 16 | 10000));
        uint64_t pid_and_length = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(text));
        uint64_t halves = (uint64_t)_mm_cvtsi128_si64(_mm256_extracti128_si256(text, 1));
        uint64_t time_us = (uint32_t)halves * (uint64_t)100000000 + (halves >> 32);
        uint32_t pid = (uint32_t)pid_and_length;
        if (__builtin_expect(pid > LARGEST_PID, 0)) break;
        if (__builtin_expect(time_us - second_us >= 1000000, 0)) break;

        size_t size = (size_t)(tail - at);
        if (__builtin_expect(size > 15, 0)) break;
        __m128i mask = WAY(load)(lower_bytes + 16 - size);
        __m128i comm = _mm_and_si128(WAY(load)(at), mask);
        wrong = _mm_or_si128(wrong, _mm_and_si128(_mm_cmpeq_epi8(comm, _mm_setzero_si128()), mask));
        uint64_t comm_low = (uint64_t)_mm_cvtsi128_si64(comm), comm_high = (uint64_t)_mm_extract_epi64(comm, 1);
        const Recent *name = &recent[recent_place(comm_low, comm_high)];
        wrong = _mm_or_si128(wrong, _mm_xor_si128(comm, WAY(load)(name)));
        wrong_tail = _mm256_or_si256(wrong_tail, _mm256_castsi128_si256(wrong));
        if (__builtin_expect(!_mm256_testz_si256(wrong_tail, wrong_tail), 0)) break;

        rows->time_us[i] = time_us;
        rows->length[i] = pid_and_length >> 32;
        rows->pid[i] = pid;
        rows->name[i] = (uint32_t)name->id;
        rows->call[i] = (uint8_t)unmaps;
        line = end + 1;
    }
    return i;
}

#undef TARGET
#undef WAY

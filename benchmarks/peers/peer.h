/* What the C readers share: the file in memory, the columns they fill, names to ids, and how one repetition is run
 * and checked. A reader says how lines become rows:
 *     void forget(void);                                  names are given ids from 0 again
 *     void open_lines(const char *data, size_t size);     64 readable bytes follow the data
 *     size_t read_rows(void);                             fills at most SLICE rows from row 0 on; 0 at the end
 * usage: READER FILE [REPEATS]
 * REPEATS is for instruction counters, which count all of a process: nothing is forgotten between them.
 * Without it there is one repetition for each line on standard input: "time" or "check". Each prints:
 *     seconds events sum-of-lengths distinct-names digest
 * Only read_rows is timed. Like memtap's parser, it writes 65,536 rows and then the same memory again: what stays in
 * the cache for one stays there for the other. The digest, 0 unless asked to check, is of every pid's requested and
 * released bytes, and of the sums of its times and names (see tally.py, which computes the same). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLICE = 65536, NAMES = 65536, PID_MAX = 1 << 22 };

typedef struct { uint64_t low, high; } Name; /* a comm, padded with zeros */

static uint64_t times[SLICE], lengths[SLICE];
static uint32_t pids[SLICE], ids[SLICE];
static uint8_t calls[SLICE]; /* 0 mmap2, 1 munmap */

static Name names[NAMES];
static uint32_t slots[2 * NAMES], name_count;

static void forget(void);
static void open_lines(const char *data, size_t size);
static size_t read_rows(void);

static inline uint32_t intern(Name name) {
    uint64_t h = (name.low * 0x9e3779b97f4a7c15u) ^ (name.high * 0xc2b2ae3d27d4eb4fu);
    uint32_t at = (h ^ h >> 32) % (2 * NAMES);
    while (slots[at]) {
        if (names[slots[at] - 1].low == name.low && names[slots[at] - 1].high == name.high) return slots[at] - 1;
        at = (at + 1) % (2 * NAMES);
    }
    names[name_count] = name;
    slots[at] = name_count + 1;
    return name_count++;
}

typedef struct { uint64_t events, requested, released, times, names; } Sums;
static Sums sums[PID_MAX + 1]; /* backed where a pid is seen */
static uint32_t seen[PID_MAX + 1], seen_count;

static uint64_t mix(uint64_t h, uint64_t value) {
    h = (h ^ value) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t sum_of_lengths(size_t rows) {
    uint64_t sum = 0;
    for (size_t i = 0; i < rows; i++) sum += lengths[i];
    return sum;
}

static void tally(size_t rows) {
    for (size_t i = 0; i < rows; i++) {
        Sums *of = &sums[pids[i]];
        if (!of->events++) seen[seen_count++] = pids[i];
        *(calls[i] ? &of->released : &of->requested) += lengths[i];
        of->times += times[i];
        of->names += names[ids[i]].low * 0x9e3779b97f4a7c15u ^ names[ids[i]].high * 0xc2b2ae3d27d4eb4fu;
    }
}

static uint64_t digest(void) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < seen_count; i++) {
        Sums *of = &sums[seen[i]];
        all += mix(mix(mix(mix(mix(0, seen[i]), of->requested), of->released), of->times), of->names);
        memset(of, 0, sizeof *of);
    }
    seen_count = 0;
    return all;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void repetition(const char *data, size_t size, int checked) {
    double seconds = 0;
    uint64_t events = 0, sum = 0;
    open_lines(data, size);
    for (;;) {
        double begun = now();
        size_t rows = read_rows();
        seconds += now() - begun;
        if (!rows) break;
        events += rows;
        sum += sum_of_lengths(rows);
        if (checked) tally(rows);
    }
    printf("%.9f %llu %llu %u %016llx\n", seconds, (unsigned long long)events, (unsigned long long)sum, name_count,
           (unsigned long long)digest());
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 3) return fprintf(stderr, "usage: %s FILE [REPEATS]\n", argv[0]), 2;
    FILE *file = fopen(argv[1], "rb");
    if (!file) return perror(argv[1]), 1;
    fseek(file, 0, SEEK_END);
    size_t size = ftell(file);
    rewind(file);
    char *data = calloc(size + 64, 1), go[16];
    if (!data || fread(data, 1, size, file) != size) return perror(argv[1]), 1;
    memset(times, 1, sizeof times), memset(lengths, 1, sizeof lengths); /* no page fault is measured */
    memset(pids, 1, sizeof pids), memset(ids, 1, sizeof ids), memset(calls, 1, sizeof calls);
    if (argc == 3)
        for (int left = atoi(argv[2]); left > 0; left--) repetition(data, size, 0);
    else
        while (fgets(go, sizeof go, stdin)) {
            name_count = 0;
            memset(slots, 0, sizeof slots);
            forget();
            repetition(data, size, go[0] == 'c');
        }
    return 0;
}

/* Calls of format 1 to their activities: what the ledger costs each call is here. adding.pxi says what an activity is,
 * and takes what ends this loop the long way. */
#ifndef MEMTAP_ADDING1_H
#define MEMTAP_ADDING1_H

#include "scan.h"

typedef struct {          /* of a pid */
    uint32_t latest;      /* local id + 1 of its latest process, with OVER if that has ended; OVER alone: none left */
    uint32_t number;      /* of that process's latest activity; not below `first_number` if it is in the open batch */
} Slot;

typedef struct {          /* 32 bytes: what each call of an activity changes */
    uint64_t bytes[2];    /* requested, released: where 64 bits do not do, there are two activities for the second */
    uint32_t calls[2];    /* requests, releases */
    uint32_t last;        /* microseconds since its second began */
    uint32_t name;        /* local id of the latest comm */
} Running;

typedef struct {          /* 16 bytes */
    uint64_t second_us;   /* where its second begins */
    uint32_t first;       /* microseconds since then; goes down only where a call comes later than one made after it */
    uint32_t process;     /* local id */
} Beginning;

#define RUN_LENGTH ((uint64_t)1 << 57) /* bytes: as many calls as a chunk has come to less than 64 bits */

typedef struct {
    const uint64_t *times, *lengths; /* columns, of which a chunk is added */
    const uint32_t *pids, *names;
    const uint8_t *calls;
    uint32_t *process;
    Slot *slots;
    uint32_t processes;    /* how many there are */
    uint32_t first_number; /* of the activities of the latest second, which are those below; the rest are zeros */
    uint32_t count;
    Running *open;
    Beginning *beginnings;
    uint64_t second_us;
} Adding1;

/* Begins an activity of process `i`, the next one, which is all zeros. */
static inline uint32_t begin1(Adding1 *to, Slot *slot, uint32_t i, uint32_t since) {
    uint32_t n = to->count++;
    slot->number = to->first_number + n;
    to->beginnings[n] = (Beginning){to->second_us, since, i};
    return n;
}

/* One call, `since` microseconds after the second's beginning, to activity `n`. False, and nothing changed, where its
 * sum would need more than 64 bits. */
static inline int add_call1(const Adding1 *to, uint32_t n, size_t row, uint32_t since) {
    Running *running = &to->open[n];
    size_t which = to->calls[row];
    uint64_t bytes;
    if (__builtin_expect(__builtin_add_overflow(running->bytes[which], to->lengths[row], &bytes), 0)) return 0;
    running->bytes[which] = bytes;
    running->calls[which]++;
    running->name = to->names[row];
    if (__builtin_expect(since >= running->last, 1)) {
        running->last = since;
    } else if (since < to->beginnings[n].first) {
        to->beginnings[n].first = since;
    }
    return 1;
}

/* Calls from `row` on that are of its pid, which is process `i` with activity `n`, go there as one sum, as far as they
 * are in the order of time. Returns the first row that is none: `row` where not all are in that second, or they are too
 * much. Not inlined: whoever calls it needs the registers. */
__attribute__((noinline)) static size_t add_burst1(const Adding1 *to, uint32_t n, uint32_t i, size_t row, size_t end) {
    Running *running = &to->open[n];
    const size_t begun = row;
    const uint32_t pid = to->pids[row];
    uint64_t latest_us = to->second_us + running->last, bytes = 0, released = 0, lengths = 0;
    uint32_t releases = 0;
    for (; row < end && to->pids[row] == pid && to->times[row] >= latest_us; row++) {
        uint64_t length = to->lengths[row], call = to->calls[row];
        latest_us = to->times[row];
        bytes += length;
        released += length & -call;
        lengths |= length;
        releases += (uint32_t)call;
        to->process[row] = i;
    }
    bytes -= released;
    if (__builtin_expect(latest_us - to->second_us >= 1000000 || lengths >= RUN_LENGTH, 0)) return begun;
    if (__builtin_expect(running->bytes[0] > ~bytes || running->bytes[1] > ~released, 0)) return begun;
    running->bytes[0] += bytes;
    running->bytes[1] += released;
    running->calls[0] += (uint32_t)(row - begun) - releases;
    running->calls[1] += releases;
    running->last = (uint32_t)(latest_us - to->second_us);
    running->name = to->names[row - 1];
    return row;
}

/* Calls in bursts of one process, as those of real programs come: a burst's sum is formed in registers. */
static size_t add_bursts1(Adding1 *to, size_t row, size_t end) {
    while (row < end) {
        Slot *slot = &to->slots[to->pids[row]];
        uint32_t i = slot->latest - 1, n = slot->number - to->first_number;
        uint64_t since = to->times[row] - to->second_us;
        size_t begun = row;
        if (__builtin_expect(i >= to->processes || since >= 1000000, 0)) break;
        if (n >= to->count) n = begin1(to, slot, i, (uint32_t)since);
        row = add_burst1(to, n, i, row, end);
        if (row != begun) continue;
        if (!add_call1(to, n, row, (uint32_t)since)) break;
        to->process[row++] = i;
    }
    return row;
}

/* Calls of one process and another. Whether a call is its process's first one in the second cannot be foreseen, so
 * there is no branch for it: all activities are looked up, those that are not there yet are begun, and then the calls
 * are added. Where one is not added, those behind it may have begun theirs; they come again. */
static size_t add_mixed1(Adding1 *to, size_t row, size_t end) {
    uint32_t activity[CHUNK], since[CHUNK];
    uint8_t fresh[CHUNK];
    const uint32_t *pids = to->pids + row;
    const uint64_t *times = to->times + row;
    uint32_t *process = to->process + row;
    Slot *slots = to->slots;
    const uint64_t second_us = to->second_us;
    const uint32_t first_number = to->first_number, processes = to->processes, count = to->count;
    size_t calls = end - row, begun = 0, k;
    for (k = 0; k < calls; k++) {
        const Slot *slot = &slots[pids[k]];
        uint32_t i = slot->latest - 1, n = slot->number - first_number;
        uint64_t late = times[k] - second_us;
        if (__builtin_expect(i >= processes || late >= 1000000, 0)) break;
        process[k] = i;
        since[k] = (uint32_t)late;
        activity[k] = n;
        fresh[begun] = (uint8_t)k;
        begun += n >= count;
    }
    calls = k;
    for (size_t j = 0; j < begun; j++) {
        k = fresh[j];
        Slot *slot = &slots[pids[k]];
        uint32_t n = slot->number - first_number;
        activity[k] = n < to->count ? n : begin1(to, slot, process[k], since[k]);
    }
    for (k = 0; k < calls; k++) {
        if (!add_call1(to, activity[k], row + k, since[k])) break;
    }
    return row + k;
}

/* Adds calls from `row` on, CHUNK at most, each of a process that lives, in the latest second. Returns the first row
 * that is no such call, or `end`. There must be room for the activities that they begin. */
static size_t add1(Adding1 *to, size_t row, size_t end) {
    size_t same = 0;
    for (size_t next = row + 1; next < end; next++) same += to->pids[next] == to->pids[next - 1];
    return 2 * same >= end - row ? add_bursts1(to, row, end) : add_mixed1(to, row, end);
}

#endif

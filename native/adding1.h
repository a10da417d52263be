/* Calls of format 1 to their activities: what the ledger costs each call is here. adding.pxi says what an activity is,
 * and takes what ends this loop the long way. */
#ifndef MEMTAP_ADDING1_H
#define MEMTAP_ADDING1_H

#include "scan.h"

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

/* Calls come in bursts: those from `row` on that are of the pid of the one before, which went to activity `n`, go there
 * as one sum, as far as they are in the order of time. Returns the first row that is none: `row` where not all are in
 * that second, or they are too much. Not inlined: the loop of single calls needs the registers. */
__attribute__((noinline)) static size_t add_run1(const Adding1 *to, uint32_t n, size_t row, size_t end) {
    Running *running = &to->open[n];
    const size_t begun = row;
    const uint32_t pid = to->pids[row], process = to->process[row - 1];
    uint64_t latest_us = to->second_us + running->last, bytes = 0, released = 0, lengths = 0;
    uint32_t releases = 0;
    for (; row < end && to->pids[row] == pid && to->times[row] >= latest_us; row++) {
        uint64_t length = to->lengths[row], call = to->calls[row];
        latest_us = to->times[row];
        bytes += length;
        released += length & -call;
        lengths |= length;
        releases += (uint32_t)call;
        to->process[row] = process;
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

/* Adds calls from `row` on, each of a process that lives, in the latest second. Returns the first row that is no such
 * call, or `end`. There must be room for as many more activities.
 *
 * Whether a call is its process's first one in the second cannot be foreseen, so there is no branch for it: where the
 * next activity would begin is written to in any case. */
static size_t add1(Adding1 *to, size_t row, size_t end) {
    const uint64_t *times = to->times, *lengths = to->lengths;
    const uint32_t *pids = to->pids, *names = to->names;
    const uint8_t *calls = to->calls;
    uint32_t *process = to->process;
    Slot *slots = to->slots;
    Running *open = to->open;
    Beginning *beginnings = to->beginnings;
    const uint64_t second_us = to->second_us;
    const uint32_t first_number = to->first_number, processes = to->processes;
    uint32_t count = to->count;
    while (row < end) {
        uint32_t n, pid = pids[row];
        do {
            Slot *slot = &slots[pid];
            uint32_t i = slot->latest - 1;
            uint64_t since = times[row] - second_us, length = lengths[row], bytes;
            if (__builtin_expect(i >= processes || since >= 1000000, 0)) goto done;
            n = slot->number - first_number;
            n = n < count ? n : count;
            Running *running = &open[n];
            size_t which = calls[row];
            if (__builtin_expect(__builtin_add_overflow(running->bytes[which], length, &bytes), 0)) goto done;
            beginnings[count].first = (uint32_t)since;
            beginnings[count].process = i;
            running->bytes[which] = bytes;
            running->calls[which]++;
            running->name = names[row];
            if (__builtin_expect(since >= running->last, 1)) {
                running->last = (uint32_t)since;
            } else if (since < beginnings[n].first) {
                beginnings[n].first = (uint32_t)since;
            }
            slot->number = first_number + n;
            count += n == count;
            process[row] = i;
            if (++row == end) goto done;
            uint32_t before = pid;
            pid = pids[row];
            if (before == pid) break;
        } while (1);
        row = add_run1(to, n, row, end);
    }
done:
    for (uint32_t n = to->count; n < count; n++) beginnings[n].second_us = second_us;
    to->count = count;
    return row;
}

#endif

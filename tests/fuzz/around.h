/* What stands between the native core and the C library while it is fuzzed, in one thread: allocations that fail when
 * told to, a file that is the input, and a wait that lets the other side work. Included before the core is. */
#ifndef MEMTAP_FUZZ_AROUND_H
#define MEMTAP_FUZZ_AROUND_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Says what did not hold; the fuzzer keeps the input. */
static void fuzz_require(int holds, const char *what) {
    if (__builtin_expect(!holds, 0)) {
        fprintf(stderr, "memtap fuzz: does not hold: %s\n", what);
        abort();
    }
}

/* Allocations `first` to `first + count - 1` from now on fail. */
static uint64_t fuzz_allocations, fuzz_first, fuzz_count;

static void fuzz_fail_allocations(uint64_t first, uint64_t count) {
    fuzz_allocations = 0;
    fuzz_first = first;
    fuzz_count = count;
}

static int fuzz_fails(void) {
    return fuzz_count && fuzz_allocations++ - fuzz_first < fuzz_count;
}

/* A defect made on purpose, by MEMTAP_FUZZ_DEFECT in the environment: the tests see that each is found. */
enum { FUZZ_SHORT = 1, FUZZ_PIECE, FUZZ_LEAK };
static int fuzz_defect;

__attribute__((constructor)) static void fuzz_choose_defect(void) {
    static const char *const names[] = {"", "short", "piece", "leak"};
    const char *name = getenv("MEMTAP_FUZZ_DEFECT");
    for (int i = 0; name && i < 4; i++) {
        if (strcmp(name, names[i]) == 0) fuzz_defect = i;
    }
}

static int64_t fuzz_live; /* blocks that are in use */

/* A large table that is used here and there: its mapping, whose end is a guard page, is kept for the next input, and the
 * kernel clears the pages that were touched. */
enum { FUZZ_LARGE = 1 << 20, FUZZ_TABLES = 8, FUZZ_PAGE = 4096 };
static struct { uint8_t *base, *table; size_t bytes, size; int used, clear; } fuzz_tables[FUZZ_TABLES];

static void *fuzz_table(size_t size) {
    size_t bytes = (size + FUZZ_PAGE - 1) / FUZZ_PAGE * FUZZ_PAGE;
    for (int i = 0; i < FUZZ_TABLES; i++) {
        if (fuzz_tables[i].used || (fuzz_tables[i].base && fuzz_tables[i].size != size)) continue;
        if (!fuzz_tables[i].base) {
            uint8_t *base = mmap(NULL, bytes + FUZZ_PAGE, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (base == MAP_FAILED) return NULL;
            madvise(base, bytes, MADV_NOHUGEPAGE);
            mprotect(base + bytes, FUZZ_PAGE, PROT_NONE);
            fuzz_tables[i].base = base;
            fuzz_tables[i].bytes = bytes;
            fuzz_tables[i].size = size;
            fuzz_tables[i].table = base + ((bytes - size) & ~(size_t)15);
        }
        fuzz_tables[i].used = 1;
        fuzz_live++;
        return fuzz_tables[i].table;
    }
    return NULL;
}

/* A table that holds zeros again, so that the kernel need not clear it. Now and then it does all the same. */
static void fuzz_cleared(void *table) {
    static unsigned times;
    for (int i = 0; i < FUZZ_TABLES; i++) {
        if (fuzz_tables[i].table == table) fuzz_tables[i].clear = ++times % 4096 != 0;
    }
}

/* Blocks that are free, by size, poisoned: AddressSanitizer's own allocation costs more than reading a line does. A
 * block has one size for ever, so a byte beyond it is in AddressSanitizer's red zone; the 16 bytes before it hold its
 * size, and are poisoned too. */
enum { FUZZ_HEAD = 16, FUZZ_KEPT = 256, FUZZ_NEAR = 8 };
static struct { size_t size; char *block; } fuzz_kept[FUZZ_KEPT]; /* each size's in FUZZ_NEAR places */
static unsigned fuzz_next_kept;

#define FUZZ_UNCHECKED __attribute__((no_sanitize("address", "undefined", "coverage"), noinline))

static inline unsigned fuzz_near(size_t size) {
    return (unsigned)(size * 0x9e3779b97f4a7c15u >> 32) % (FUZZ_KEPT / FUZZ_NEAR) * FUZZ_NEAR;
}

FUZZ_UNCHECKED static void *fuzz_buffer(size_t size) {
    char *block = NULL;
    unsigned near = fuzz_near(size);
    for (unsigned i = near; i < near + FUZZ_NEAR && !block; i++) {
        if (fuzz_kept[i].block && fuzz_kept[i].size == size) {
            block = fuzz_kept[i].block;
            fuzz_kept[i].block = NULL;
        }
    }
    if (!block) {
        block = malloc(FUZZ_HEAD + size);
        *(size_t *)block = size;
        __asan_poison_memory_region(block, FUZZ_HEAD);
    }
    __asan_unpoison_memory_region(block + FUZZ_HEAD, size);
    fuzz_live++;
    return block + FUZZ_HEAD;
}

FUZZ_UNCHECKED static size_t fuzz_size(void *memory) { return *(size_t *)((char *)memory - FUZZ_HEAD); }

FUZZ_UNCHECKED static void fuzz_release(void *memory) {
    char *block = (char *)memory - FUZZ_HEAD;
    unsigned near, place;
    if (memory == NULL) return;
    fuzz_require(!*(size_t *)block || !__asan_address_is_poisoned(memory), "a block is freed once");
    fuzz_live--;
    near = fuzz_near(*(size_t *)block);
    place = near + fuzz_next_kept % FUZZ_NEAR;
    for (unsigned i = near; i < near + FUZZ_NEAR; i++) {
        if (!fuzz_kept[i].block) place = i;
    }
    if (fuzz_kept[place].block) { /* an old one goes */
        __asan_unpoison_memory_region(fuzz_kept[place].block, FUZZ_HEAD + fuzz_kept[place].size);
        free(fuzz_kept[place].block);
        fuzz_next_kept++;
    }
    fuzz_kept[place].size = *(size_t *)block;
    fuzz_kept[place].block = block;
    __asan_poison_memory_region(memory, fuzz_kept[place].size);
}

/* From now on only the first `size` bytes of a buffer of `whole` may be touched. */
static void fuzz_shorten(void *buffer, size_t whole, size_t size) {
    __asan_unpoison_memory_region(buffer, size);
    __asan_poison_memory_region((char *)buffer + size, whole - size);
}

static void *fuzz_malloc(size_t size) {
    return fuzz_fails() ? NULL : fuzz_buffer(fuzz_defect == FUZZ_SHORT ? size / 2 : size);
}

static int fuzz_posix_memalign(void **memory, size_t alignment, size_t size) {
    (void)alignment;
    return (*memory = fuzz_malloc(size)) ? 0 : ENOMEM;
}

/* Always moves: who kept the old address reads poisoned memory. */
static void *fuzz_realloc(void *old, size_t size) {
    void *moved;
    if (fuzz_fails()) return NULL;
    moved = fuzz_buffer(size);
    if (old) memcpy(moved, old, fuzz_size(old) < size ? fuzz_size(old) : size);
    fuzz_release(old);
    return moved;
}

static void *fuzz_calloc(size_t count, size_t size) {
    return fuzz_fails() ? NULL : memset(fuzz_buffer(count * size), 0, count * size);
}

static void fuzz_free(void *memory) {
    if (fuzz_defect != FUZZ_LEAK) fuzz_release(memory);
}

static void *fuzz_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    void *table;
    if (size < FUZZ_LARGE || fd >= 0 || protection == PROT_NONE) return mmap(at, size, protection, flags, fd, offset);
    if (fuzz_fails()) return MAP_FAILED;
    table = fuzz_table(size);
    return table ? table : MAP_FAILED;
}

static int fuzz_munmap(void *memory, size_t size) {
    for (int i = 0; i < FUZZ_TABLES; i++) {
        if (fuzz_tables[i].table != memory) continue;
        fuzz_require(fuzz_tables[i].used && fuzz_tables[i].size == size, "a table is given back once, and whole");
        if (!fuzz_tables[i].clear) madvise(fuzz_tables[i].base, fuzz_tables[i].bytes, MADV_DONTNEED);
        fuzz_tables[i].clear = 0;
        fuzz_tables[i].used = 0;
        fuzz_live--;
        return 0;
    }
    return munmap(memory, size);
}

/* The input as a file: each read takes as much as `fuzz_piece` says, and before it the other side may work. */
static const uint8_t *fuzz_file;
static size_t fuzz_left;
static size_t (*fuzz_piece)(size_t left, void *argument);
static void (*fuzz_other_side)(void *argument);
static void *fuzz_argument;

static ssize_t fuzz_read(int fd, void *place, size_t room) {
    size_t size;
    (void)fd;
    if (fuzz_left == 0) return 0;
    size = fuzz_piece(fuzz_left, fuzz_argument);
    if (size == 0) { errno = EINTR; return -1; }
    if (size > room) size = room;
    memcpy(place, fuzz_file, size);
    fuzz_file += size;
    fuzz_left -= size;
    return (ssize_t)size;
}

/* The same, at any place. It is never mapped. */
static ssize_t fuzz_pread(int fd, void *place, size_t room, off_t offset) {
    size_t size;
    (void)fd;
    if (fuzz_left == (size_t)offset) return 0;
    size = fuzz_piece(fuzz_left - (size_t)offset, fuzz_argument);
    if (size == 0) { errno = EINTR; return -1; }
    if (size > room) size = room;
    memcpy(place, fuzz_file + offset, size);
    return (ssize_t)size;
}

static int fuzz_fstat(int fd, struct stat *found) {
    (void)fd, (void)found;
    return -1;
}

static int fuzz_poll(struct pollfd *fds, unsigned long count, int timeout_ms) {
    (void)timeout_ms;
    fds[count - 1].revents = count > 1 ? POLLIN : 0; /* the file has bytes, nobody says stop */
    if (fuzz_other_side) fuzz_other_side(fuzz_argument);
    return (int)count - 1;
}

static int fuzz_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex) {
    (void)cond;
    pthread_mutex_unlock(mutex);
    fuzz_require(fuzz_other_side != NULL, "nobody waits for room while nobody reads");
    fuzz_other_side(fuzz_argument);
    return pthread_mutex_lock(mutex);
}

static int fuzz_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    (void)cond, (void)mutex, (void)until;
    return ETIMEDOUT;
}

#define MEMTAP_RECENT 4 /* names that push each other out, and little to fill for each input */
#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define posix_memalign fuzz_posix_memalign
#define realloc fuzz_realloc
#define free fuzz_free
#define mmap fuzz_mmap
#define munmap fuzz_munmap
#define read fuzz_read
#define pread fuzz_pread
#define fstat fuzz_fstat
#define poll fuzz_poll
#define pthread_cond_wait fuzz_cond_wait
#define pthread_cond_timedwait fuzz_cond_timedwait

#endif

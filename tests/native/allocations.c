/* Lets one allocation of the native core fail: LD_PRELOAD=allocations.so. Python's own are let be. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static uintptr_t low, high; /* where the core's code is */
static long left = -1;      /* its allocations before the one that fails; negative: none does */
static long seen;

/* From now on the core's allocation number `first`, counted from 0, fails. */
void allocations_fail(uintptr_t begin, uintptr_t end, long first) {
    low = begin, high = end, left = first, seen = 0;
}

long allocations_seen(void) { return seen; }

static int fails(void *caller) {
    if ((uintptr_t)caller < low || (uintptr_t)caller >= high) return 0;
    seen++;
    if (left < 0 || left-- > 0) return 0;
    errno = ENOMEM;
    return 1;
}

#define FAILS fails(__builtin_return_address(0))

void *malloc(size_t size) { return FAILS ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return FAILS ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return FAILS ? NULL : __libc_realloc(old, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
    void *made = FAILS ? NULL : __libc_memalign(alignment, size);
    if (!made) return ENOMEM;
    *memory = made;
    return 0;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return FAILS ? MAP_FAILED : (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
}

void *mremap(void *old, size_t old_size, size_t size, int flags, ...) {
    return FAILS ? MAP_FAILED : (void *)syscall(SYS_mremap, old, old_size, size, flags);
}

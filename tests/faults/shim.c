/* Makes file operations fail or kill their process, and shifts the wall clock, as a page shared with a test says.
 *
 * LD_PRELOAD=shim.so FAULT_CONTROL=FILE program. The page's layout is in shim.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE, SYNC, OPEN, RENAME, UNLINK, TRUNCATE, OPS };
enum { NOTHING, FAIL, KILL_BEFORE, KILL_WITHIN, KILL_AFTER };

struct control {
    int64_t clock_us;          /* added to the wall clock */
    _Atomic int64_t countdown; /* operations that are let by first */
    uint32_t ops;              /* a bit for each operation that counts */
    uint32_t action;
    uint32_t error; /* of FAIL: what errno is to be */
    uint32_t times; /* of FAIL: how many fail; 0: all until disarmed */
    _Atomic uint64_t hits;
    _Atomic uint64_t seen[OPS];
    char path[256]; /* a part of the path of files that count; empty: none */
};

static struct control none, *control = &none;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULT_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        control = page;
}

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) \
        next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* What is to happen to this operation. */
static int fate(int op, const char *path)
{
    if (!control->path[0] || !strstr(path, control->path))
        return NOTHING;
    atomic_fetch_add(&control->seen[op], 1);
    if (!(control->ops & 1u << op) || control->action == NOTHING)
        return NOTHING;
    if (atomic_fetch_sub(&control->countdown, 1) > 0)
        return NOTHING;
    uint64_t before = atomic_fetch_add(&control->hits, 1);
    if (control->action == FAIL && control->times && before >= control->times)
        return NOTHING;
    if (control->action == KILL_BEFORE)
        die();
    errno = (int)control->error;
    return (int)control->action;
}

static int fate_of(int op, int fd)
{
    char link[32], path[512];
    if (!control->path[0])
        return NOTHING;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return NOTHING;
    path[length] = 0;
    return fate(op, path);
}

#define DO(fate_, whole, part) \
    do { \
        int now = fate_; \
        if (now == FAIL) \
            return -1; \
        if (now == KILL_WITHIN) { \
            (void)!(part); \
            die(); \
        } \
        __auto_type result = whole; \
        if (now == KILL_AFTER) \
            die(); \
        return result; \
    } while (0)

ssize_t write(int fd, const void *data, size_t size)
{
    NEXT(write);
    DO(fate_of(WRITE, fd), next(fd, data, size), next(fd, data, size / 2));
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    NEXT(pwrite);
    DO(fate_of(WRITE, fd), next(fd, data, size, at), next(fd, data, size / 2, at));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    NEXT(pwrite64);
    DO(fate_of(WRITE, fd), next(fd, data, size, at), next(fd, data, size / 2, at));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    NEXT(writev);
    DO(fate_of(WRITE, fd), next(fd, parts, count), next(fd, parts, 1));
}

int fsync(int fd)
{
    NEXT(fsync);
    DO(fate_of(SYNC, fd), next(fd), 0);
}

int fdatasync(int fd)
{
    NEXT(fdatasync);
    DO(fate_of(SYNC, fd), next(fd), 0);
}

int ftruncate(int fd, off_t size)
{
    NEXT(ftruncate);
    DO(fate_of(TRUNCATE, fd), next(fd, size), 0);
}

int ftruncate64(int fd, off64_t size)
{
    NEXT(ftruncate64);
    DO(fate_of(TRUNCATE, fd), next(fd, size), 0);
}

int rename(const char *from, const char *to)
{
    NEXT(rename);
    DO(fate(RENAME, to), next(from, to), 0);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    NEXT(renameat);
    DO(fate(RENAME, to), next(from_fd, from, to_fd, to), 0);
}

int unlink(const char *path)
{
    NEXT(unlink);
    DO(fate(UNLINK, path), next(path), 0);
}

int unlinkat(int fd, const char *path, int flags)
{
    NEXT(unlinkat);
    DO(fate(UNLINK, path), next(fd, path, flags), 0);
}

/* Only what may make a file counts as opening one. */
#define OPENER(name, ...) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    } \
    NEXT(name); \
    DO(flags & O_CREAT ? fate(OPEN, path) : NOTHING, next(__VA_ARGS__, flags, mode), 0)

int open(const char *path, int flags, ...) { OPENER(open, path); }
int open64(const char *path, int flags, ...) { OPENER(open64, path); }
int openat(int fd, const char *path, int flags, ...) { OPENER(openat, fd, path); }
int openat64(int fd, const char *path, int flags, ...) { OPENER(openat64, fd, path); }

int clock_gettime(clockid_t clock, struct timespec *now)
{
    NEXT(clock_gettime);
    int result = next(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && control->clock_us) {
        int64_t us = control->clock_us + now->tv_nsec / 1000, seconds = us / 1000000;
        if ((us %= 1000000) < 0) {
            us += 1000000;
            seconds--;
        }
        now->tv_sec += seconds;
        now->tv_nsec = us * 1000;
    }
    return result;
}

time_t time(time_t *to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    (void)zone;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}

/* A process whose memory calls are known. Reads commands from standard input, a line each, and answers each with the
 * calls it made, as the tap should print them, `done` last:
 *
 *     CALL length=N freed=N errno=N kind=K vm=N
 *
 * `vm` is VmSize of /proc/self/status, read right after the call. It allocates nothing and prints with write(2), so
 * that it makes no call but these. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char answer[1 << 16];
static size_t answered;

static void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    answered += vsnprintf(answer + answered, sizeof answer - answered, format, arguments);
    va_end(arguments);
}

static void send_answer(void) {
    for (size_t at = 0; at < answered;) {
        ssize_t written = write(1, answer + at, answered - at);
        if (written < 0) _exit(99);
        at += written;
    }
    answered = 0;
}

/* A line of /proc/self/status that says kB, in bytes. */
static unsigned long held(const char *what) {
    static char status[8192];
    int fd = open("/proc/self/status", O_RDONLY);
    ssize_t size = read(fd, status, sizeof status - 1);
    close(fd);
    if (size < 0) _exit(98);
    status[size] = 0;
    return strtoul(strstr(status, what) + strlen(what), NULL, 10) * 1024;
}

static void made(const char *call, size_t length, size_t freed, int error, const char *kind) {
    unsigned long now = held("VmSize:");
    say("%s length=%zu freed=%zu errno=%d kind=%s vm=%lu\n", call, length, freed, error, kind, now);
}

static char *map(size_t length, int prot, int flags, int fd, const char *kind) {
    void *at = mmap(NULL, length, prot, flags, fd, 0);
    int error = at == MAP_FAILED ? errno : 0;
    made("mmap", length, 0, error, error ? "none" : kind);
    return at;
}

static void unmap(char *at, size_t length, size_t freed) {
    int error = munmap(at, length) ? errno : 0;
    made("munmap", length, freed, error, "none");
}

static char *remap(char *at, size_t old, size_t length, int flags, size_t freed) {
    void *moved = mremap(at, old, length, flags);
    int error = moved == MAP_FAILED ? errno : 0;
    made("mremap", length, freed, error, "none");
    return moved;
}

/* The plain system call: sbrk(3) may ask first. `by` may be negative. */
static void move_break(long by, int error) {
    char *now = (char *)syscall(SYS_brk, 0);
    made("brk", 0, 0, 0, "none");
    syscall(SYS_brk, now + by);
    made("brk", by > 0 ? by : 0, by < 0 && !error ? -by : 0, error, by > 0 && !error ? "anonymous" : "none");
}

static void all_calls(void) {
    const int both = PROT_READ | PROT_WRITE, mine = MAP_PRIVATE | MAP_ANONYMOUS;
    char *at = map(8192, both, mine, -1, "anonymous");
    unmap(at, 8192, 8192);

    at = map(35583, both, mine, -1, "anonymous"); /* rounded up to 9 pages */
    unmap(at, 35583, 36864);
    unmap(at, 36864, 0);   /* nothing there any more */
    unmap(at + 1, 4096, 0); /* EINVAL */

    at = map(20 * 4096, both, mine, -1, "anonymous");
    unmap(at + 5 * 4096, 5 * 4096, 5 * 4096);
    unmap(at, 20 * 4096, 15 * 4096); /* over the hole */

    int fd = open("/proc/self/exe", O_RDONLY);
    at = map(4096, PROT_READ, MAP_PRIVATE, fd, "file");
    unmap(at, 4096, 4096);
    map(0, both, mine, -1, "none");                 /* EINVAL */
    map(4096, both, MAP_PRIVATE, -1, "none");       /* EBADF */
    map(1UL << 46, both, mine, -1, "none");         /* ENOMEM: more than an address space */
    map(~0UL - 4095, both, mine, -1, "none");       /* ENOMEM: a length of more than 2^63 */
    close(fd);

    at = map(1UL << 30, PROT_NONE, mine | MAP_NORESERVE, -1, "reserved");
    void *fixed = mmap(at + 4096, 8192, both, mine | MAP_FIXED, -1, 0); /* within: the kernel counts it once */
    made("mmap", 8192, 0, fixed == MAP_FAILED ? errno : 0, "anonymous");
    unmap(at, 1UL << 30, 1UL << 30);

    at = map(8192, both, mine, -1, "anonymous");
    at = remap(at, 8192, 64 * 4096, MREMAP_MAYMOVE, 8192);
    at = remap(at, 64 * 4096, 4096, 0, 64 * 4096);
    remap(at, 4096, 1UL << 46, MREMAP_MAYMOVE, 0); /* ENOMEM */
    char *other = remap(at, 4096, 4096, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
    unmap(at, 4096, 4096);
    unmap(other, 4096, 4096);

    move_break(3 * 4096, 0);
    move_break(100, 0);
    move_break(-100, 0);
    move_break(-2 * 4096, 0);
    move_break(1L << 45, ENOMEM);

    int segment = shmget(IPC_PRIVATE, 5 * 4096 - 1, IPC_CREAT | 0600);
    at = shmat(segment, NULL, 0);
    shmctl(segment, IPC_RMID, NULL);
    made("shmat", 5 * 4096, 0, 0, "anonymous");
    int error = shmdt(at) ? errno : 0;
    made("shmdt", 0, 5 * 4096, error, "none");
    error = shmdt(at) ? errno : 0;
    made("shmdt", 0, 0, error, "none"); /* EINVAL */
    errno = 0;
    shmat(segment, NULL, 0);
    made("shmat", 0, 0, errno, "none"); /* EINVAL: the segment is gone */
}

static void once(size_t length) {
    munmap(mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), length);
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) _exit(97);
}

static void *thread(void *length) {
    prctl(PR_SET_NAME, "a thread");
    for (int i = 0; i < 100; i++) once((size_t)length);
    return NULL;
}

/* Writes to `length` bytes and answers what is in RAM then, as of a call that changes nothing of it. */
static void touch(size_t length) {
    char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) _exit(95);
    memset(memory, 1, length);
    once(length);
    say("%lu\n", held("VmRSS:"));
    munmap(memory, length);
}

/* `count` threads at once: thread I makes 100 mappings of I + 1 times `length` bytes. */
static void threads(size_t length, int count) {
    pthread_t started[64];
    for (long i = 0; i < count; i++) pthread_create(&started[i], NULL, thread, (void *)(length * (i + 1)));
    for (int i = 0; i < count; i++) pthread_join(started[i], NULL);
}

/* `count` processes, up to 16 at once: process I maps I + 1 pages and exits with I modulo 256. Answers their pids. */
static void forks(int count) {
    for (int i = 0, running = 0; i < count || running;) {
        if (i < count && running < 16) {
            pid_t pid = fork();
            if (pid < 0) _exit(96);
            if (!pid) {
                once((i + 1) * 4096UL);
                _exit(i % 256);
            }
            say("%d\n", pid);
            if (answered > sizeof answer - 64) send_answer();
            i++;
            running++;
        } else {
            wait(NULL);
            running--;
        }
    }
}

/* Names, 2 hexadecimal digits a byte: sets each and maps as many pages as it is, from 1. */
static void names(char *hex, int from) {
    char name[17];
    int i = from;
    for (char *word = strtok(hex, " \n"); word; word = strtok(NULL, " \n")) {
        memset(name, 0, sizeof name);
        for (size_t at = 0; word[0] != '-' && at < strlen(word) / 2; at++) sscanf(word + 2 * at, "%2hhx", name + at);
        prctl(PR_SET_NAME, name);
        once(++i * 4096UL);
    }
}

int main(void) {
    static char line[1 << 16];
    char word[32];
    size_t size = 0;
    for (;;) {
        ssize_t got = read(0, line + size, 1);
        if (got <= 0) return 0;
        if (line[size++] != '\n') continue;
        line[size] = 0;
        size = 0;
        unsigned long a = 0, b = 0;
        int rest = 0;
        sscanf(line, "%31s %lu %lu %n", word, &a, &b, &rest);
        if (!strcmp(word, "calls")) all_calls();
        if (!strcmp(word, "once")) { pin(a); once(b); }
        if (!strcmp(word, "storm")) for (unsigned long i = 0; i < a; i++) once(b);
        if (!strcmp(word, "touch")) touch(a);
        if (!strcmp(word, "threads")) threads(a, b);
        if (!strcmp(word, "forks")) forks(a);
        if (!strcmp(word, "names")) names(strchr(line, ':') + 1, a);
        say("done\n");
        send_answer();
    }
}

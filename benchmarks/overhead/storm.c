/* A storm of mmap + munmap: usage: STORM MILLISECONDS CPU...
 * One process a CPU, pinned to it. Prints a line for each: pid, calls it made, seconds it took. A worker makes no other
 * call that maps or unmaps between its fork and its exit, so what a tracer saw of its pid can be held against it. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CPUS = 64, PAIRS = 64, LENGTH = 4096 };

struct worker {
    pid_t pid;
    unsigned long calls;
    double seconds;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void work(struct worker *own, int cpu, double seconds) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) _exit(1);
    double begun = now();
    do {
        for (int i = 0; i < PAIRS; i++) {
            void *at = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (at == MAP_FAILED || munmap(at, LENGTH)) _exit(1);
        }
        own->calls += 2 * PAIRS;
        own->seconds = now() - begun;
    } while (own->seconds < seconds);
    _exit(0);
}

int main(int count, char **arguments) {
    int cpus = count - 2, failed = 0;
    if (cpus < 1 || cpus > MOST_CPUS) return 2;
    struct worker *workers =
        mmap(NULL, MOST_CPUS * sizeof *workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED) return 1;
    for (int i = 0; i < cpus; i++) {
        pid_t pid = fork();
        if (pid < 0) return 1;
        if (pid == 0) work(&workers[i], atoi(arguments[i + 2]), atof(arguments[1]) / 1000);
        workers[i].pid = pid;
    }
    for (int i = 0; i < cpus; i++) {
        int status;
        if (wait(&status) < 0 || status) failed = 1;
    }
    for (int i = 0; i < cpus; i++) printf("%d %lu %.6f\n", workers[i].pid, workers[i].calls, workers[i].seconds);
    return failed;
}

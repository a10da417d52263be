/* Does what processes do to their memory, says "ready" and waits for its standard input to end.
 * usage: workload CHILDREN [PAGES]      forks as many children, each of which does the same and waits too; at the end
 *                                       the stack grows by so many pages, and no call tells of it */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static void *map(void *at, size_t size, int prot, int flags) { return mmap(at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0); }

static void *thread(void *unused) {
    (void)unused;
    for (int i = 0; i < 200; i++) {
        char *p = map(NULL, 65536 + 4096 * (i % 7), PROT_READ | PROT_WRITE, 0);
        munmap(p, 65536); /* leaves its end */
    }
    return NULL;
}

static int deep(int left) { /* a page of stack each time, which no call announces */
    volatile char room[4096];
    memset((char *)room, left, sizeof room);
    return left ? deep(left - 1) + room[7] : 0;
}

static void work(void) {
    char *p = map(NULL, 1 << 20, PROT_READ | PROT_WRITE, 0);
    map(p + 65536, 65536, PROT_READ, MAP_FIXED);       /* over itself */
    munmap(p + 4096, 8192);                            /* a hole */
    munmap(p, 65536);                                  /* over the hole */
    munmap(map(NULL, 123, PROT_NONE, 0), 1);           /* rounded up to a page */
    map(NULL, 1 << 30, PROT_NONE, MAP_NORESERVE);      /* reserved */
    map(NULL, SIZE_MAX - 4095, PROT_READ, 0);          /* fails: ENOMEM */
    map(NULL, 0, PROT_READ, 0);                        /* fails: EINVAL */
    p = mremap(map(NULL, 1 << 20, PROT_READ, 0), 1 << 20, 5 << 20, MREMAP_MAYMOVE);
    mremap(p, 5 << 20, 1 << 16, 0);
    sbrk(3 << 20);
    sbrk(-(1 << 20));
    int id = shmget(IPC_PRIVATE, 2 << 20, 0600);
    void *first = shmat(id, NULL, 0), *second = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    shmdt(first);
    (void)second;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, thread, NULL);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    deep(1000);
}

int main(int argc, char **argv) {
    int children = argc > 1 ? atoi(argv[1]) : 0;
    for (; children > 0 && fork(); children--);
    work();
    map(NULL, 4096, PROT_READ, 0); /* tells of the stack */
    if (argc > 2) deep(atoi(argv[2]));
    if (write(1, "ready\n", 6) != 6) return 1;
    char end;
    while (read(0, &end, 1) > 0);
    while (wait(NULL) > 0);
    return 0;
}

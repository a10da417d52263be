/* A window of a file in memory, and what happens where the file is cut off, or its disk fails, under who reads there:
 * the kernel sends SIGBUS to that thread. Its window goes on with zeros then, which hold no newline and so no line, and
 * `cut` says so. Any other SIGBUS goes to whoever would have got it. */
#ifndef MEMTAP_WINDOW_H
#define MEMTAP_WINDOW_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    uint8_t *base; /* whole pages */
    size_t size;   /* bytes */
    int cut;       /* written by the handler, in the thread that reads */
} Window;

static __thread Window *volatile window_read_here;
static struct sigaction before_windows;
static unsigned windows_read;
static uintptr_t page_bytes;
static pthread_mutex_t windows_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_bus_error(int number, siginfo_t *info, void *context) {
    Window *window = window_read_here;
    uintptr_t at = (uintptr_t)info->si_addr & ~(page_bytes - 1), base = window ? (uintptr_t)window->base : 0;
    int saved = errno;
    if (window && at >= base && at < base + window->size &&
        mmap((void *)at, base + window->size - at, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
            MAP_FAILED) {
        window->cut = 1;
        errno = saved;
    } else if (before_windows.sa_flags & SA_SIGINFO) {
        before_windows.sa_sigaction(number, info, context);
    } else if (before_windows.sa_handler == SIG_DFL || before_windows.sa_handler == SIG_IGN) {
        signal(SIGBUS, SIG_DFL); /* what was read is read again, and ends the program */
    } else {
        before_windows.sa_handler(number);
    }
}

/* Between these two the calling thread may read in its window, from the page where it begins to its last byte. */
static inline void window_enter(Window *window) {
    struct sigaction ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    window_read_here = window;
    pthread_mutex_lock(&windows_lock);
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (windows_read++ == 0) sigaction(SIGBUS, &ours, &before_windows);
    pthread_mutex_unlock(&windows_lock);
}

static inline void window_leave(void) {
    pthread_mutex_lock(&windows_lock);
    if (--windows_read == 0) sigaction(SIGBUS, &before_windows, NULL);
    pthread_mutex_unlock(&windows_lock);
    window_read_here = NULL;
}

#endif

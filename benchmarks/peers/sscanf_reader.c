/* The original reader's way: fgets and sscanf, a line at a time. sscanf cannot read an empty name or one with a comma;
 * such a line is then read from the right, as memtap does. peer.h says how it is run. */
#define _GNU_SOURCE
#include "peer.h"

static FILE *in;

static void forget(void) {}

static void open_lines(const char *data, size_t size) {
    if (in) fclose(in);
    in = fmemopen((void *)data, size, "rb"); /* from memory: no disk and no pipe is measured */
    setvbuf(in, NULL, _IOFBF, 1 << 16);
}

/* From the end to the beginning, for names that sscanf cannot read. */
static int read_from_the_right(const char *line, char *call, unsigned *pid, char *name, unsigned long long *time,
                               unsigned long long *length) {
    char kind[8];
    int begin = 0;
    const char *end = NULL;
    if (sscanf(line, "%7[a-z2]: PID=%u, process=%n", kind, pid, &begin) != 2 || !begin) return 0;
    for (const char *p = line + begin; (p = strstr(p, ", time=")); p++) end = p;
    if (!end || end - (line + begin) > 15) return 0;
    if (sscanf(end, ", time=%llu, length=%llu", time, length) != 2) return 0;
    memcpy(name, line + begin, end - (line + begin));
    name[end - (line + begin)] = 0;
    strcpy(call, kind);
    return 1;
}

static size_t read_rows(void) {
    char line[512];
    size_t n = 0;
    while (n < SLICE && fgets(line, sizeof line, in)) {
        char call[8], name[16] = {0};
        unsigned pid;
        unsigned long long time, length;
        if (sscanf(line, "%7[a-z2]: PID=%u, process=%15[^,], time=%llu, length=%llu", call, &pid, name, &time,
                   &length) != 5 &&
            !read_from_the_right(line, call, &pid, name, &time, &length))
            continue;
        if (pid > PID_MAX) continue;
        Name comm = {0, 0};
        memcpy(&comm, name, strnlen(name, 15));
        times[n] = time, lengths[n] = length, pids[n] = pid, ids[n] = intern(comm), calls[n] = call[1] == 'u';
        n++;
    }
    return n;
}

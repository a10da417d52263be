/* libFuzzer's side: begins Python with the module in it, and changes inputs in ways that know what a line is. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

PyMODINIT_FUNC PyInit_harness(void);
extern int fuzz_input(const uint8_t *input, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    PyPreConfig before;
    PyConfig config;
    PyStatus status;
    (void)argc, (void)argv;
    PyPreConfig_InitIsolatedConfig(&before);
    before.allocator = PYMEM_ALLOCATOR_MALLOC; /* so that AddressSanitizer sees each object */
    status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status)) Py_ExitStatusException(status);
    PyImport_AppendInittab("harness", PyInit_harness);
    PyConfig_InitIsolatedConfig(&config);
    config.install_signal_handlers = 0;
    config.site_import = 0;
    status = Py_InitializeFromConfig(&config);
    if (PyStatus_Exception(status)) Py_ExitStatusException(status);
    PyConfig_Clear(&config);
    if (PyImport_ImportModule("harness") == NULL) {
        PyErr_Print();
        return 1;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_input(data, size); }

enum { CHOICES = 16 }; /* as in chance.pxi: bytes before the stream */

static const char *const PIECES[] = {
    "memtap: format=2, tap=bpftrace, version=0.1.0, host=\"vm\", boot=6ab3, clock=realtime, page=4096, memory=1\n",
    "mmap2: PID=8120, process=bash, time=1795411501956689, length=8192\n",
    "munmap: PID=8120, process=bash, time=1795411501957441, length=35583\n",
    "mmap: pid=8120, start=51234567890, uid=1000, cgroup=4711, time=1795411501956689, length=8192, freed=0, errno=0, "
    "kind=anonymous, vm=5914624, rss=3145728, process=\"bash\"\n",
    "munmap: pid=8120, start=51234567890, uid=1000, cgroup=4711, time=1795411501957441, length=36864, freed=36864, "
    "errno=0, kind=none, vm=5877760, rss=3145728, process=62617368000000000000000000000000\n",
    "mremap: pid=8120, start=51234567890, uid=1000, cgroup=4711, time=1795411501957442, length=4096, freed=36864, "
    "errno=12, kind=file, vm=5877760, rss=0, process=\"a\\\"\\\\\\n\\u00e9\"\n",
    "brk: pid=1, start=1, uid=0, cgroup=0, time=1, length=1, freed=0, errno=0, kind=reserved, vm=0, rss=0, "
    "process=\"\\U0001f41a\"\n",
    "shmat: pid=1, start=1, uid=0, cgroup=0, time=1, length=1, freed=0, errno=0, kind=none, vm=0, rss=0, process=\"\"\n",
    "shmdt: pid=1, start=1, uid=0, cgroup=0, time=1, length=0, freed=9, errno=0, kind=none, vm=0, rss=0, process=\"x\"\n",
    "fork: pid=8121, start=51234999999, uid=1000, cgroup=4711, time=1795411501958000, parent=8120, vm=5877760, "
    "rss=1048576, process=\"bash\"\n",
    "exec: pid=8121, start=51234999999, uid=1000, cgroup=4711, time=1795411501958800, vm=2781184, rss=724992, "
    "process=\"\\377\\376\"\n",
    "exit: pid=8121, start=51234999999, uid=1000, cgroup=4711, time=1795411501961111, status=256, vm=2781184, "
    "rss=724992, process=\"ls\"\n",
    "proc: pid=8120, start=51230000000, uid=0, cgroup=12, time=1795411501970000, vm=22536192, rss=13107200, "
    "process=\"bash\"\n",
    "Attaching 12 probes...\n", "Attaching 1 probe...\n", "Lost 7 events\n", "\n",
    "mmap2: PID=1, process=x\n", ", time=1, length=2\n", "memtap: format=3, tap=x\n",
};
static const char *const NUMBERS[] = {
    "0", "1", "9", "10", "4095", "4096", "4194304", "4194305", "9999999", "10000000", "99999999", "100000000",
    "4294967295", "4294967296", "999999999999999", "1000000000000000", "9999999999999999", "10000000000000000",
    "9223372036854775808", "18446744073709551615", "18446744073709551616", "99999999999999999999",
    "100000000000000000000", "1795411501999999", "1795411502000000", "00000000000000000001", "-4096", "",
};
static const char *const WORDS[] = {
    "mmap2", "munmap", "mmap", "mremap", "brk", "shmat", "shmdt", "fork", "exec", "exit", "proc", ": PID=", ": pid=",
    ", process=", ", time=", ", length=", ", length=-", ", start=", ", uid=", ", cgroup=", ", freed=", ", errno=",
    ", kind=", "anonymous", "file", "reserved", "none", ", vm=", ", rss=", ", parent=", ", status=", "\"", "\\", "\\n",
    "\\377", "\\000", "\\u0041", "\\uD800", "\\U0010ffff", "\\U00110000", "\n", "\n\n", "\xff", "memtap: format=2,",
    "Lost ", " events", "Attaching ", " probes...", "62617368000000000000000000000000",
};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static uint64_t state;

static size_t below(size_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return limit ? (size_t)(state >> 33) % limit : 0;
}

/* Puts `text` in place of `size` bytes at `at`. Returns the new size of the whole. */
static size_t put(uint8_t *data, size_t whole, size_t max, size_t at, size_t size, const void *text, size_t length) {
    if (whole - size + length > max) return whole;
    memmove(data + at + length, data + at + size, whole - at - size);
    memcpy(data + at, text, length);
    return whole - size + length;
}

/* Where a line begins that is chosen at random. */
static size_t some_line(const uint8_t *data, size_t size) {
    size_t at = CHOICES + below(size - CHOICES + 1);
    while (at > CHOICES && data[at - 1] != '\n') at--;
    return at;
}

static size_t line_end(const uint8_t *data, size_t size, size_t at) {
    const uint8_t *newline = at < size ? memchr(data + at, '\n', size - at) : NULL;
    return newline ? (size_t)(newline + 1 - data) : size;
}

static size_t change_number(uint8_t *data, size_t size, size_t max) {
    size_t at = CHOICES + below(size - CHOICES), end;
    const char *number;
    char near[24];
    while (at < size && (data[at] < '0' || data[at] > '9')) at++;
    if (at == size) return size;
    while (at > CHOICES && data[at - 1] >= '0' && data[at - 1] <= '9') at--;
    for (end = at; end < size && data[end] >= '0' && data[end] <= '9';) end++;
    number = NUMBERS[below(COUNT(NUMBERS))];
    if (below(3) == 0) {
        snprintf(near, sizeof near, "%llu", (unsigned long long)(strtoull(number, NULL, 10) + below(5) - 2));
        number = near;
    } else if (below(4) == 0) {
        snprintf(near, sizeof near, "%llu", (unsigned long long)below(6));
        number = near;
    }
    return put(data, size, max, at, end - at, number, strlen(number));
}

static size_t change_lines(uint8_t *data, size_t size, size_t max) {
    static uint8_t line[4096];
    size_t at = some_line(data, size), end = line_end(data, size, at), to;
    const char *piece;
    switch (below(4)) {
    case 0: return put(data, size, max, at, end - at, "", 0);
    case 1:
        if (end - at > sizeof line) return size;
        memcpy(line, data + at, end - at);
        to = some_line(data, size);
        return put(data, size, max, to, 0, line, end - at);
    default:
        piece = PIECES[below(COUNT(PIECES))];
        return put(data, size, max, at, 0, piece, strlen(piece));
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed) {
    const char *text;
    size_t at, times;
    state = seed * 0x9e3779b97f4a7c15u + 1;
    if (max < CHOICES + 64) return LLVMFuzzerMutate(data, size, max);
    if (size <= CHOICES) {
        memset(data + size, 0, CHOICES - size);
        text = PIECES[below(COUNT(PIECES))];
        return put(data, CHOICES, max, CHOICES, 0, text, strlen(text));
    }
    for (times = 1 + below(3); times && size > CHOICES; times--) {
        switch (below(10)) {
        case 0: data[below(CHOICES)] = (uint8_t)below(256); break;
        case 1: case 2: size = CHOICES + LLVMFuzzerMutate(data + CHOICES, size - CHOICES, max - CHOICES); break;
        case 3: case 4: case 5: size = change_number(data, size, max); break;
        case 6: case 7: size = change_lines(data, size, max); break;
        case 8:
            text = WORDS[below(COUNT(WORDS))];
            size = put(data, size, max, CHOICES + below(size - CHOICES + 1), 0, text, strlen(text));
            break;
        default:
            text = WORDS[below(COUNT(WORDS))];
            at = CHOICES + below(size - CHOICES);
            size = put(data, size, max, at, below(size - at < 8 ? size - at + 1 : 8), text, strlen(text));
        }
    }
    /* what takes its time: a few of them will do */
    if (below(4)) data[6] = (uint8_t)(data[6] & 0x3f) | (below(2) ? 0x40 : 0x80);
    if (below(64)) data[13] = data[15] = 0;
    if (below(64)) data[12] = 1;
    if (below(4)) data[11] |= 1;
    return size;
}

/* Takes names in hexadecimal, one a line, and calls mmap once under each: line i asks for 2^33 + i pages. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

int main(void) {
    char line[64];
    for (size_t i = 0; fgets(line, sizeof line, stdin); i++) {
        char name[16] = {0};
        for (size_t at = 0; at < 15 && line[2 * at] != '\n'; at++) {
            unsigned byte;
            sscanf(line + 2 * at, "%2x", &byte);
            name[at] = (char)byte;
        }
        prctl(PR_SET_NAME, name);
        if (mmap(0, (1ull << 33) + i * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
            return 1;
    }
    return 0;
}

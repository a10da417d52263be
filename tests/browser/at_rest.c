// Maps, then waits without a call. With each byte on its standard input its stack grows, which is no call: /proc alone
// knows of it.
#include <alloca.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MAPPED = 12 << 20, GROWN = 3 << 19 };

int main(void)
{
    char byte;
    prctl(PR_SET_NAME, "at rest");
    if (mmap(0, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        return 1;
    while (write(1, "\n", 1) == 1 && read(0, &byte, 1) == 1) {
        volatile char *grown = alloca(GROWN);
        grown[0] = 1;
    }
    return 0;
}

// Writes to address 0, which no program has mapped: #PF, and the kernel's answer is SIGSEGV.

#include <unistd.h>

int main(void) {
    static const char line[] = "segv: writing to address 0\n";
    write(1, line, sizeof line - 1);
    *(volatile int *)0 = 1;
    static const char after[] = "segv: still here\n";
    write(1, after, sizeof after - 1);
    return 0;
}

// Hello, world for i386 through a C library, which makes its system calls by __kernel_vsyscall and keeps its thread's data in a segment
// that set_thread_area describes. The last line is that segment's.
#include <stdio.h>

static _Thread_local int calls = 41;

int main(void) {
    unsigned selector;
    __asm__("mov %%gs, %0" : "=r"(selector));
    calls++;
    printf("Hello, world!\n");
    printf("a thread's variable is %d, by way of GDT entry %u\n", calls, selector >> 3);
    return 0;
}

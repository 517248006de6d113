// The null system call in a loop: getppid asks for one number and touches nothing, so what is measured is the crossing.
// Usage: getppid [iterations]

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

static inline long getppidCall(void) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getppid) : "rcx", "r11", "memory");
    return result;
}

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1000;
    long first = getppidCall();
    unsigned long same = 0;
    for (unsigned long i = 0; i < iterations; i++) same += getppidCall() == first;
    printf("getppid %lu: %lu alike\n", iterations, same);
    return 0;
}

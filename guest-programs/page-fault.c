// Shows demand paging: mmap only promises memory, and the first touch of each page is a page fault (#PF)
// that the kernel answers with a frame. The second touch is not.

#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { PAGES = 16, PAGE_SIZE = 4096 };

static long minorFaults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

static void touch(volatile char *memory) {
    for (int page = 0; page < PAGES; page++) memory[page * PAGE_SIZE] = 1;
}

int main(void) {
    // The counts are taken before anything is printed: printf touches fresh pages of its own.
    minorFaults();
    long start = minorFaults();
    char *memory = mmap(0, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    madvise(memory, PAGES * PAGE_SIZE, MADV_NOHUGEPAGE);
    long mapped = minorFaults();
    touch(memory);
    long first = minorFaults();
    touch(memory);
    long second = minorFaults();

    printf("mmap of %d pages: %ld page faults\n", PAGES, mapped - start);
    printf("first touch of each: %ld page faults\n", first - mapped);
    printf("second touch of each: %ld page faults\n", second - first);
    return 0;
}

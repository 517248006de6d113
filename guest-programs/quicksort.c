// Benchmark: quicksort with unpredictable branches, recursion and an array that outgrows a first-level cache.
// Usage: quicksort [iterations]    one iteration = 65536 numbers

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 65536 };

static uint32_t numbers[COUNT];

static void sort(uint32_t *low, uint32_t *high) {
    while (low < high) {
        uint32_t pivot = low[(high - low) / 2];
        uint32_t *left = low, *right = high;
        while (left <= right) {
            while (*left < pivot) left++;
            while (*right > pivot) right--;
            if (left > right) break;
            uint32_t swap = *left;
            *left++ = *right;
            *right-- = swap;
        }
        // The smaller part by recursion, the larger one by the loop: the stack stays logarithmic.
        if (right - low < high - left) {
            sort(low, right);
            low = left;
        } else {
            sort(left, high);
            high = right;
        }
    }
}

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1;
    uint32_t x = 1, checksum = 0;
    for (unsigned long i = 0; i < iterations; i++) {
        for (int n = 0; n < COUNT; n++) numbers[n] = x = x * 1664525 + 1013904223;
        sort(numbers, numbers + COUNT - 1);
        for (int n = 0; n < COUNT; n++) {
            if (n && numbers[n - 1] > numbers[n]) return 1;
            checksum = checksum * 31 + numbers[n];
        }
    }
    printf("quicksort %lu: %08x\n", iterations, checksum);
    return 0;
}

// Benchmark: a loop that lives in registers (multiply, shift, xor, add, one branch that cannot be predicted).
// Usage: int-loop [iterations]     one iteration = 1000 rounds

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1000;
    uint64_t x = 0x9e3779b97f4a7c15u, sum = 0;
    for (unsigned long i = 0; i < iterations * 1000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        if (x & 64) sum += x * 0x2545f4914f6cdd1du;
        else sum = (sum << 5 | sum >> 59) - i;
    }
    printf("int-loop %lu: %016llx\n", iterations, (unsigned long long)sum);
    return 0;
}

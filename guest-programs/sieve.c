// Benchmark: the sieve of Eratosthenes over one byte per number, mostly strided stores.
// Usage: sieve [iterations]        one iteration = the primes below 2^20

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 20 };

static unsigned char composite[LIMIT];

static unsigned countPrimes(void) {
    memset(composite, 0, sizeof composite);
    unsigned count = 0;
    for (unsigned i = 2; i < LIMIT; i++) {
        if (composite[i]) continue;
        count++;
        for (unsigned long multiple = (unsigned long)i * i; multiple < LIMIT; multiple += i) composite[multiple] = 1;
    }
    return count;
}

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1;
    unsigned long total = 0;
    for (unsigned long i = 0; i < iterations; i++) total += countPrimes();
    printf("sieve %lu: %lu\n", iterations, total);
    return 0;
}

// Benchmark: recursive Fibonacci, all calls and returns.
// Usage: fib [iterations]          one iteration = fib(25)

#include <stdio.h>
#include <stdlib.h>

// noinline: gcc would unfold the recursion several levels deep and leave few calls to measure.
static __attribute__((noinline, optimize("no-optimize-sibling-calls"))) unsigned fib(unsigned n) {
    if (n < 2) return n;
    return fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1;
    volatile unsigned n = 25;
    unsigned long total = 0;
    for (unsigned long i = 0; i < iterations; i++) total += fib(n);
    printf("fib %lu: %lu\n", iterations, total);
    return 0;
}

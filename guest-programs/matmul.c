// Benchmark: the product of two matrices of doubles, multiply and add over three arrays.
// Usage: matmul [iterations]       one iteration = 96 x 96 by 96 x 96

#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 96 };

static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

static __attribute__((noinline)) void multiply(void) {
    for (int i = 0; i < SIZE; i++) {
        for (int j = 0; j < SIZE; j++) {
            double sum = 0;
            for (int k = 0; k < SIZE; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
    }
}

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1;
    for (int i = 0; i < SIZE; i++) {
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (i * 7 + j * 3) % 11 / 8.0 - 0.3;
            b[i][j] = (i * 5 + j * 13) % 17 / 9.0 - 0.7;
        }
    }
    double trace = 0;
    for (unsigned long n = 0; n < iterations; n++) {
        multiply();
        for (int i = 0; i < SIZE; i++) {
            trace += c[i][i];
            a[i][i] = c[i][SIZE - 1 - i] / 64;
        }
    }
    printf("matmul %lu: %.17g\n", iterations, trace);
    return 0;
}

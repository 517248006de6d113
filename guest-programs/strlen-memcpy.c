// Benchmark: string and memory loops as a C library without vector code has them: bytes for short strings, words for long
// ones. Its own functions, so that every libc and compiler gives the same work.
// Usage: strlen-memcpy [iterations]   one iteration = 4096 strings of 0 to 255 bytes measured, copied, compared and searched

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { STRINGS = 4096, LONGEST = 255 };

static char texts[STRINGS * (LONGEST + 1)];
static char copies[STRINGS * (LONGEST + 1)];

// gcc would turn the loops into calls of the library's functions.
#define LOOP __attribute__((noinline, optimize("no-tree-loop-distribute-patterns")))

typedef uint64_t __attribute__((may_alias)) word;

static LOOP size_t length(const char *s) {
    const char *p = s;
    for (; (uintptr_t)p % sizeof(word); p++) if (!*p) return p - s;
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    const word *w = (const word *)p;
    while (!((*w - ones) & ~*w & highs)) w++;
    for (p = (const char *)w; *p; p++) continue;
    return p - s;
}

static LOOP void copy(char *to, const char *from, size_t bytes) {
    for (; bytes >= sizeof(word); bytes -= sizeof(word), to += sizeof(word), from += sizeof(word)) *(word *)to = *(const word *)from;
    while (bytes--) *to++ = *from++;
}

static LOOP int compare(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

static LOOP const char *find(const char *s, char wanted) {
    for (; *s != wanted; s++) if (!*s) return NULL;
    return s;
}

static LOOP void reverse(char *s, size_t bytes) {
    for (size_t i = 0, j = bytes; i + 1 < j; i++) {
        char c = s[i];
        s[i] = s[--j];
        s[j] = c;
    }
}

int main(int argc, char **argv) {
    unsigned long iterations = argc > 1 ? strtoul(argv[1], 0, 10) : 1;
    uint32_t x = 1, sum = 0;
    char *end = texts;
    for (int i = 0; i < STRINGS; i++) {
        x = x * 1664525 + 1013904223;
        for (unsigned n = x >> 24; n; n--) *end++ = 'a' + (x = x * 1664525 + 1013904223, x >> 16) % 26;
        *end++ = 0;
    }
    for (unsigned long i = 0; i < iterations; i++) {
        const char *s = texts;
        char *t = copies;
        for (int n = 0; n < STRINGS; n++) {
            size_t bytes = length(s);
            copy(t, s, bytes + 1);
            sum = sum * 31 + (uint32_t)bytes + (compare(s, t) == 0);
            const char *found = find(t, 'q');
            if (found) sum += (uint32_t)(found - t);
            if (n % 4 == 0) reverse(t, bytes);
            sum ^= (unsigned char)t[bytes / 2];
            s += bytes + 1;
            t += bytes + 1;
        }
    }
    printf("strlen-memcpy %lu: %08x\n", iterations, sum);
    return 0;
}

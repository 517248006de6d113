// What a just-in-time compiler does with code: writes it, runs it, writes over it, through the page itself and through another
// mapping of the same page, across two pages, and behind mprotect. Every line is a check; the program ends with how many held.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int (*Function)(int);

static int held, wanted;

static void check(const char *what, int got, int expected) {
    wanted++;
    if (got == expected) held++;
    else printf("%s: %d, not %d\n", what, got, expected);
}

/** lea n(%rdi), %eax; ret: seven bytes. */
static void emit(uint8_t *at, int32_t n) {
    static const uint8_t LEA[] = {0x8d, 0x87};
    memcpy(at, LEA, 2);
    memcpy(at + 2, &n, 4);
    at[6] = 0xc3;
}

static uint8_t *pages(int count, int protection) {
    uint8_t *p = mmap(NULL, count * 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) perror("mmap"), exit(1);
    return p;
}

static void rewritten(void) {
    uint8_t *code = pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    for (int n = 0; n < 2000; n++) {
        emit(code, n);
        check("rewritten code", ((Function)code)(1), n + 1);
    }
}

/** Code that changes the immediate of the instruction behind it, in its own block. */
static void ownBlock(void) {
    uint8_t *code = pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    static const uint8_t TEXT[] = {
        0x89, 0x3d, 0x01, 0x00, 0x00, 0x00, //  0: mov %edi, 1(%rip)     the immediate at 7
        0xb8, 0x00, 0x00, 0x00, 0x00,       //  6: mov $0, %eax
        0xc3,                               // 11: ret
    };
    memcpy(code, TEXT, sizeof TEXT);
    for (int n = 1; n < 500; n++) check("code that changes the next instruction", ((Function)code)(n), n);
}

/** A loop whose body patches itself in each turn. */
static void ownLoop(void) {
    uint8_t *code = pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    static const uint8_t TEXT[] = {
        0x31, 0xc0,                         //  0: xor %eax, %eax
        0x05, 0x00, 0x00, 0x00, 0x00,       //  2: add $0, %eax
        0xff, 0x05, 0xf6, 0xff, 0xff, 0xff, //  7: incl -10(%rip)        the immediate at 3
        0xff, 0xcf,                         // 13: dec %edi
        0x75, 0xf1,                         // 15: jnz 2
        0xc3,                               // 17: ret
    };
    memcpy(code, TEXT, sizeof TEXT);
    check("a loop that patches itself", ((Function)code)(100), 4950);
}

static void acrossPages(void) {
    uint8_t *code = pages(2, PROT_READ | PROT_WRITE | PROT_EXEC);
    for (int back = 1; back < 7; back++)
        for (int n = 0; n < 100; n++) {
            emit(code + 4096 - back, n << 20 | n);
            check("an instruction across two pages", ((Function)(code + 4096 - back))(0), n << 20 | n);
        }
}

static int write_all(int fd, const uint8_t *bytes) { return write(fd, bytes, 7) != 7; }

static void alias(void) {
    char name[] = "/tmp/jit-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0 || ftruncate(fd, 4096)) perror("mkstemp"), exit(1);
    unlink(name);
    uint8_t *writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint8_t *run = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (writable == MAP_FAILED || run == MAP_FAILED) perror("mmap"), exit(1);
    for (int n = 0; n < 1000; n++) {
        emit(writable + 64 * (n & 7), n);
        check("code written through an alias", ((Function)(run + 64 * (n & 7)))(2), n + 2);
    }
    emit(writable, 5);
    check("before the kernel writes", ((Function)run)(0), 5);
    uint8_t fresh[7];
    emit(fresh, 77);
    if (pwrite(fd, fresh, sizeof fresh, 0) != sizeof fresh) perror("pwrite");
    check("code written by pwrite", ((Function)run)(0), 77);
    // read() into the page: the kernel writes to the alias's memory.
    int ends[2];
    emit(fresh, 88);
    if (pipe(ends) || write_all(ends[1], fresh) || read(ends[0], writable, sizeof fresh) != sizeof fresh) perror("pipe");
    check("code read from a pipe", ((Function)run)(0), 88);
    close(fd);
}

static sigjmp_buf away;
static void leave(int signal) { siglongjmp(away, signal); }

static void protection(void) {
    uint8_t *code = pages(1, PROT_READ | PROT_WRITE);
    signal(SIGSEGV, leave);
    for (int n = 0; n < 50; n++) {
        emit(code, n);
        if (mprotect(code, 4096, PROT_READ | PROT_EXEC)) perror("mprotect");
        check("code behind mprotect", ((Function)code)(3), n + 3);
        int caught = sigsetjmp(away, 1);
        if (!caught) emit(code, 999);
        check("a write to it", caught, SIGSEGV);
        check("the code after that", ((Function)code)(3), n + 3);
        if (mprotect(code, 4096, PROT_READ | PROT_WRITE)) perror("mprotect");
        caught = sigsetjmp(away, 1);
        if (!caught) check("no call", ((Function)code)(3), -1);
        check("a call without PROT_EXEC", caught, SIGSEGV);
    }
    munmap(code, 4096);
    uint8_t *again = mmap(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    emit(again, 4321);
    check("a new page in the old place", ((Function)again)(0), 4321);
}

/** An expression compiled: x = (x + a) * b ^ c, a thousand times over. */
static void compiled(void) {
    uint8_t *code = pages(4, PROT_READ | PROT_WRITE | PROT_EXEC), *p = code;
    unsigned expected = 12345;
    *p++ = 0x89, *p++ = 0xf8; // mov %edi, %eax
    for (int i = 0; i < 800; i++) {
        int32_t a = i * 7 - 3, b = i * 2 + 1, c = i * 2654435761u;
        *p++ = 0x05, memcpy(p, &a, 4), p += 4;                // add $a, %eax
        *p++ = 0x69, *p++ = 0xc0, memcpy(p, &b, 4), p += 4;   // imul $b, %eax, %eax
        *p++ = 0x35, memcpy(p, &c, 4), p += 4;                // xor $c, %eax
        expected = ((expected + a) * b) ^ c;
    }
    *p++ = 0xc3;
    for (int i = 0; i < 20; i++) check("a compiled expression", ((Function)code)(12345), (int)expected);
}

int main(void) {
    rewritten();
    ownBlock();
    ownLoop();
    acrossPages();
    alias();
    protection();
    compiled();
    printf("jit: %d of %d checks hold\n", held, wanted);
    return held == wanted ? 0 : 1;
}

// Segments of a program's own: modify_ldt, in 64-bit and in 32-bit code, and set_thread_area, which i386 alone has.
#include <asm/ldt.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// The register that the C library leaves alone.
#ifdef __i386__
#define FREE "fs"
#else
#define FREE "gs"
#endif

static int words[16] = {11, 22, 33, 44};

static int modify(int operation, struct user_desc *entry) {
    errno = 0;
    return (int)syscall(SYS_modify_ldt, operation, entry, sizeof *entry);
}

#ifdef __i386__
static int set(struct user_desc *entry) {
    errno = 0;
    return (int)syscall(SYS_set_thread_area, entry);
}

static void threadAreas(void) {
    struct user_desc area = {.entry_number = -1, .base_addr = (unsigned)words + 4, .limit = 0xfffff, .limit_in_pages = 1, .seg_32bit = 1};
    int first, moved;
    int got = set(&area);
    printf("set_thread_area: %d, entry %d\n", got, area.entry_number);
    __asm__ volatile("mov %1, %%fs; mov %%fs:0, %0" : "=r"(first) : "r"(area.entry_number * 8 + 3));
    area.base_addr += 4;
    got = set(&area);
    __asm__ volatile("mov %%fs:0, %0" : "=r"(moved));
    printf("fs:0 is %d, and %d when its descriptor has changed\n", first, moved);
    struct user_desc told = {.entry_number = area.entry_number};
    got = (int)syscall(SYS_get_thread_area, &told);
    printf("get_thread_area: %d, the same: %d\n", got, !memcmp(&area, &told, sizeof told));
    area.entry_number = -1;
    got = set(&area);
    printf("the third: %d, entry %d\n", got, area.entry_number);
    area.entry_number = -1;
    got = set(&area);
    printf("a fourth: %d %s\n", got, strerror(errno));
    area.entry_number = 5;
    got = set(&area);
    printf("not a TLS entry: %d %s\n", got, strerror(errno));
    area.entry_number = 13;
    area.contents = 2;
    got = set(&area);
    printf("a code segment: %d %s\n", got, strerror(errno));
}
#endif

int main(void) {
    unsigned long long table[4] = {1, 1, 1, 1};
    printf("read without an LDT: %d\n", (int)syscall(SYS_modify_ldt, 0, table, sizeof table));
    struct user_desc entry = {
        .entry_number = 2, .base_addr = (unsigned)(unsigned long)words, .limit = sizeof words - 1, .seg_32bit = 1, .useable = 1,
    };
    printf("write: %d\n", modify(0x11, &entry));
    int value, limit;
    __asm__ volatile("mov %2, %%" FREE "; mov %%" FREE ":8, %0; lsl %2, %1" : "=&r"(value), "=&r"(limit) : "r"(2 * 8 + 7));
    printf("the third word is %d, the limit %d\n", value, limit);
    syscall(SYS_getppid);
    __asm__ volatile("mov %%" FREE ":12, %0; mov %1, %%" FREE : "=&r"(value) : "r"(0));
    printf("behind a system call the fourth is %d\n", value);
    int got = (int)syscall(SYS_modify_ldt, 0, table, sizeof table);
    printf("read: %d, third %016llx without its base, fourth %llx\n", got, table[2] & ~0xff0000ffffff0000ull, table[3]);
    entry.entry_number = 8192;
    got = modify(0x11, &entry);
    printf("an entry too far: %d %s\n", got, strerror(errno));
    entry.entry_number = 1;
    entry.contents = 3;
    got = modify(0x11, &entry);
    printf("a conforming code segment: %d %s\n", got, strerror(errno));
    memset(&entry, 0, sizeof entry);
    entry.entry_number = 2;
    entry.read_exec_only = 1;
    entry.seg_not_present = 1;
    got = modify(0x11, &entry);
    syscall(SYS_modify_ldt, 0, table, sizeof table);
    printf("cleared: %d, third %llx\n", got, table[2]);
#ifdef __i386__
    threadAreas();
#endif
    return 0;
}

// Asks the operating system for one thing, by one door, a given number of times: what `ring3 bench` counts and times.
//
//   crossings OPERATION DOOR COUNT...
//
//   operation  null (getppid), clock_gettime, gettimeofday, time, getcpu
//   door       loop (nothing at all), call (an empty function), syscall, vdso, vsyscall, int80, sysenter
//
// For each COUNT the door is gone through so many times between two one-byte writes, a dot each: whoever gives us standard
// output knows when a batch began and ended. Afterwards come lines of "COUNT NANOSECONDS", by CLOCK_MONOTONIC, for when nobody
// does. Before it all, the door's answer is held against the system call's: exit status 3 when they differ, 4 when the vDSO
// has no such function or no such door can exist, 2 for a mistake in the arguments. A door that is not built ends us by a signal.
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 64, WRONG_ANSWER = 3, NO_SUCH_DOOR = 4 };

// Below 4 GiB, since 32-bit doors take 32-bit pointers.
static uint64_t out[4];

// A loop of two instructions, DEC and JNZ, around a door: the same one for all doors, so that it can be subtracted.
//   rbx calls to go    rbp the function    r12 first argument    r13 second    r14 number of the system call
// The stack is aligned at the door as the ABI wants it at a CALL.
#define LOOP(name, door)                                                              \
    long name(long calls, uintptr_t function, long first, long second, long number); \
    __asm__(".text\n" #name ":\n"                                                     \
            "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n"             \
            "mov %rdi, %rbx\n mov %rsi, %rbp\n mov %rdx, %r12\n mov %rcx, %r13\n mov %r8, %r14\n" \
            "jmp 1f\n .p2align 6\n"                                                   \
            "1:\n" door "dec %rbx\n jnz 1b\n"                                         \
            "pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n")

LOOP(loop_loop, "");
LOOP(loop_call, "call *%rbp\n");
LOOP(loop_syscall, "mov %r12, %rdi\n mov %r13, %rsi\n mov %r14d, %eax\n syscall\n");
LOOP(loop_function, "mov %r12, %rdi\n mov %r13, %rsi\n xor %edx, %edx\n call *%rbp\n");
// The 32-bit ABI: number in EAX, arguments in EBX and ECX. The count waits in RDI, which the kernel keeps.
LOOP(loop_int80, "mov %rbx, %rdi\n mov %r12d, %ebx\n mov %r13d, %ecx\n xor %edx, %edx\n mov %r14d, %eax\n int $0x80\n mov %rdi, %rbx\n");
LOOP(loop_sysenter, "mov %rbx, %rdi\n mov %r12d, %ebx\n mov %r13d, %ecx\n xor %edx, %edx\n mov %r14d, %eax\n push %rbp\n mov %esp, %ebp\n"
                    " sysenter\n pop %rbp\n mov %rdi, %rbx\n");

void empty_function(void);
__asm__(".text\n .p2align 4\nempty_function: ret\n");

struct operation {
    const char *name, *symbol;
    int number, number32;
    uintptr_t vsyscall; // arch/x86/include/uapi/asm/vsyscall.h
    int first_is_clock;
};

static const struct operation operations[] = {
    {"null", NULL, 110, 64, 0, 0},
    {"clock_gettime", "__vdso_clock_gettime", 228, 265, 0, 1},
    {"gettimeofday", "__vdso_gettimeofday", 96, 78, 0xffffffffff600000, 0},
    {"time", "__vdso_time", 201, 13, 0xffffffffff600400, 0},
    {"getcpu", "__vdso_getcpu", 309, 318, 0xffffffffff600800, 0},
};

// The vDSO by its ELF header, as a loader finds a symbol: AT_SYSINFO_EHDR, PT_DYNAMIC, DT_SYMTAB, as many symbols as DT_HASH says.
static uintptr_t vdso_function(const char *name)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
    if (!header) return 0;
    const Elf64_Phdr *segment = (const Elf64_Phdr *)((const char *)header + header->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    uintptr_t bias = 0;
    for (int i = 0; i < header->e_phnum; i++) {
        if (segment[i].p_type == PT_LOAD && segment[i].p_offset == 0) bias = (uintptr_t)header - segment[i].p_vaddr;
        if (segment[i].p_type == PT_DYNAMIC) dynamic = (const Elf64_Dyn *)((const char *)header + segment[i].p_offset);
    }
    if (!dynamic) return 0;
    const Elf64_Sym *symbols = NULL;
    const char *strings = NULL;
    const uint32_t *hash = NULL, *gnu = NULL;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t value = dynamic->d_un.d_ptr + bias;
        if (dynamic->d_tag == DT_SYMTAB) symbols = (const Elf64_Sym *)value;
        if (dynamic->d_tag == DT_STRTAB) strings = (const char *)value;
        if (dynamic->d_tag == DT_HASH) hash = (const uint32_t *)value;
        if (dynamic->d_tag == DT_GNU_HASH) gnu = (const uint32_t *)value;
    }
    if (!symbols || !strings) return 0;
    // Newer kernels have DT_GNU_HASH alone: there the last symbol is the end of the longest chain.
    uint32_t count = hash ? hash[1] : 0;
    if (!hash && gnu) {
        const uint32_t *buckets = gnu + 4 + 2 * gnu[2], *chains = buckets + gnu[0];
        for (uint32_t i = 0; i < gnu[0]; i++)
            if (buckets[i] > count) count = buckets[i];
        if (count) while (!(chains[count++ - gnu[1]] & 1)) {}
    }
    for (uint32_t i = 0; i < count; i++)
        if (symbols[i].st_shndx != SHN_UNDEF && strcmp(strings + symbols[i].st_name, name) == 0) return symbols[i].st_value + bias;
    return 0;
}

typedef long loop(long calls, uintptr_t function, long first, long second, long number);

struct way {
    loop *loop;
    uintptr_t function;
    long first, second, number;
};

static int is(const char *door, const char *name) { return strcmp(door, name) == 0; }

/** How to go through this door for this operation. Answers 0, or the exit status that says why not. */
static int find_way(const struct operation *op, const char *door, struct way *way)
{
    way->first = op->first_is_clock ? CLOCK_MONOTONIC : (long)out;
    way->second = op->first_is_clock ? (long)out : op->number == 309 ? (long)(out + 1) : 0;
    way->number = op->number;
    if (is(door, "loop")) way->loop = loop_loop;
    else if (is(door, "call")) way->loop = loop_call, way->function = (uintptr_t)empty_function;
    else if (is(door, "syscall")) way->loop = loop_syscall;
    else if (is(door, "int80")) way->loop = loop_int80, way->number = op->number32;
    else if (is(door, "sysenter")) way->loop = loop_sysenter, way->number = op->number32;
    else if (is(door, "vsyscall")) way->loop = loop_function, way->function = op->vsyscall;
    else if (is(door, "vdso")) way->loop = loop_function, way->function = op->symbol ? vdso_function(op->symbol) : 0;
    else return 2;
    return way->loop == loop_function && !way->function ? NO_SUCH_DOOR : 0;
}

/** What the operation gives: seconds, a process number, a CPU. 32-bit doors write 32-bit structures. */
static long answer(const struct operation *op, long result, int narrow)
{
    switch (op->number) {
    case 110: return result;
    case 201: return narrow ? (int32_t)result : result;
    case 309: return (uint32_t)out[0];
    default: return result != 0 ? -1 : narrow ? (long)(uint32_t)out[0] : (long)out[0];
    }
}

static void check(const struct operation *op, const char *door, const struct way *way)
{
    if (is(door, "loop") || is(door, "call")) return;
    long number = op->number;
    memset(out, 0xff, sizeof out);
    long result = loop_syscall(1, 0, way->first, way->second, number);
    long expected = answer(op, result, 0);
    memset(out, 0, sizeof out);
    result = way->loop(1, way->function, way->first, way->second, way->number);
    long got = answer(op, result, is(door, "int80") || is(door, "sysenter"));
    if (got != expected && got != expected + 1 && op->number != 309) {
        fprintf(stderr, "crossings: %s by %s answers %ld, by system call %ld\n", op->name, door, got, expected);
        exit(WRONG_ANSWER);
    }
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

int main(int argc, char **argv)
{
    static long counts[BATCHES];
    static int64_t times[BATCHES];
    struct way way = {0};
    const struct operation *op = NULL;
    int batches = argc - 3;
    for (size_t i = 0; argc > 1 && i < sizeof operations / sizeof *operations; i++)
        if (is(argv[1], operations[i].name)) op = &operations[i];
    if (!op || batches < 1 || batches > BATCHES) {
        fprintf(stderr, "usage: crossings null|clock_gettime|gettimeofday|time|getcpu loop|call|syscall|vdso|vsyscall|int80|sysenter COUNT...\n");
        return 2;
    }
    for (int i = 0; i < batches; i++)
        if ((counts[i] = strtol(argv[i + 3], NULL, 10)) < 1) return 2;
    int refused = find_way(op, argv[2], &way);
    if (refused) return refused;
    check(op, argv[2], &way);
    for (int i = 0; i < batches; i++) {
        if (write(1, ".", 1) != 1) return 1;
        int64_t begun = now();
        way.loop(counts[i], way.function, way.first, way.second, way.number);
        times[i] = now() - begun;
        if (write(1, ".", 1) != 1) return 1;
    }
    putchar('\n');
    for (int i = 0; i < batches; i++) printf("%ld %lld\n", counts[i], (long long)times[i]);
    return 0;
}

// What a program keeps over each way into the kernel and back: flags, RCX and R11, segment registers and their bases; and what
// single-stepping sees of each. One line for each thing; "hardware" in front of those in which the processor has a part.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum { DF = 0x400, NT = 0x4000, AC = 0x40000, ID = 0x200000, ARITHMETIC = 0x8d5, ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004 };
#define HWCAP2_FSGSBASE 2

static sigjmp_buf away;
unsigned long flags_in, flags_out, flags_of_frame, flags_of_handler, rcx_out, r11_out, rcx_wanted, pointer;
volatile long alarms;
int pid;

static void handle(int signal, void (*handler)(int, siginfo_t *, void *)) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(signal, &action, NULL);
}

/** Notes the flags that it finds, and those of its frame; for UD2 it goes on behind it. */
static void look(int signal, siginfo_t *info, void *context) {
  unsigned long mine;
  asm volatile("pushfq; popq %0; pushq $0x202; popfq" : "=r"(mine)::"memory", "cc");
  greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
  (void)info;
  flags_of_handler = mine;
  flags_of_frame = gregs[REG_EFL];
  if (signal == SIGILL) gregs[REG_RIP] += 2;
  if (signal == SIGALRM) alarms++;
}

static void leave(int signal, siginfo_t *info, void *context) {
  asm volatile("pushq $0x202; popfq" ::: "memory", "cc");
  (void)info;
  (void)context;
  siglongjmp(away, signal);
}

// --- flags

#define WITH_FLAGS(body)                                                                           \
  asm volatile("pushq flags_in; popfq\n" body "\npushfq; popq flags_out; pushq $0x202; popfq" ::: \
               "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc")

static void by_syscall(void) {
  WITH_FLAGS("leaq 1f(%%rip), %%rdx; movl $110, %%eax; syscall; 1: movq %%rcx, rcx_out; movq %%r11, r11_out; movq %%rdx, rcx_wanted");
}
static void by_int80(void) { WITH_FLAGS("movl $64, %%eax; int $0x80"); }
static void by_page_fault(void) { WITH_FLAGS("movq pointer, %%rax; movb $1, (%%rax)"); }
static void by_vsyscall(void) { WITH_FLAGS("xorl %%edi, %%edi; movabs $0xffffffffff600400, %%rax; pushq flags_in; popfq; call *%%rax"); }
static void by_exception(void) { WITH_FLAGS("ud2"); }
static void by_signal(void) { WITH_FLAGS("movl pid, %%edi; movl $10, %%esi; movl $200, %%eax; syscall"); }
static void by_interrupt(void) { WITH_FLAGS("1: movq alarms, %%rcx; jrcxz 1b"); }

struct door {
  const char *name;
  void (*pass)(void);
  int signals;
};

static void flags(const struct door *door) {
  static const unsigned long sets[] = {0, DF, AC, ID, ARITHMETIC, DF | AC | ID | ARITHMETIC, NT, NT | DF | AC | ID | ARITHMETIC};
  for (unsigned i = 0; i < sizeof sets / sizeof *sets; i++) {
    flags_in = 0x202 | sets[i];
    flags_out = flags_of_frame = flags_of_handler = 0;
    pointer = (unsigned long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    alarms = 0;
    if (door->pass == by_interrupt) setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 2000}}, NULL);
    printf("%s%s with flags %lx: ", sets[i] & NT || door->pass == by_int80 ? "hardware: " : "", door->name, flags_in);
    int signal = sigsetjmp(away, 1);
    if (signal) {
      printf("signal %d\n", signal);
      continue;
    }
    door->pass();
    printf("%lx", flags_out);
    if (door->signals) printf(", in the frame %lx, in the handler %lx", flags_of_frame, flags_of_handler);
    if (door->pass == by_syscall) printf(", R11 has them: %d, RCX is RIP: %d", r11_out == flags_in, rcx_out == rcx_wanted);
    printf("\n");
  }
}

// --- single-stepping

static unsigned long steps[64];
static int stepped;

static void note_step(int signal, siginfo_t *info, void *context) {
  greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
  (void)signal;
  (void)info;
  if (stepped < 64) steps[stepped++] = gregs[REG_RIP];
}

/** Prints where each trap stood: bytes behind the POPFQ that set TF. */
#define STEPS(name, body)                                                                                                     \
  do {                                                                                                                        \
    unsigned long start;                                                                                                      \
    stepped = 0;                                                                                                              \
    asm volatile("leaq 1f(%%rip), %0; pushq $0x302; popfq; 1:" body "; pushq $0x202; popfq"                                   \
                 : "=&b"(start)                                                                                               \
                 :                                                                                                            \
                 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r11", "memory", "cc");                                           \
    printf("hardware: steps of %s:", name);                                                                                   \
    for (int i = 0; i < stepped; i++) printf(" %ld", steps[i] - start);                                                       \
    printf("\n");                                                                                                             \
  } while (0)

char bytes_from[16], bytes_to[16];

static void single_steps(void) {
  handle(SIGTRAP, note_step);
  STEPS("NOP", "nop; nop");
  STEPS("SYSCALL", "movl $110, %%eax; syscall; nop; nop");
  STEPS("UD2, mended by its handler", "nop; ud2; nop; nop");
  STEPS("a signal", "movl pid, %%edi; movl $10, %%esi; movl $200, %%eax; syscall; nop; nop");
  pointer = (unsigned long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  STEPS("a store that faults its page in", "movq pointer, %%rax; movb $1, (%%rax); nop");
  STEPS("REP MOVSB of 3 bytes", "movl $3, %%ecx; leaq bytes_from, %%rsi; leaq bytes_to, %%rdi; rep movsb; nop");
  STEPS("MOV to SS", "movl %%ss, %%eax; movl %%eax, %%ss; nop; nop");
  STEPS("PUSHFQ and POPFQ", "pushfq; popfq; nop");
  STEPS("the vsyscall page", "xorl %%edi, %%edi; movabs $0xffffffffff600400, %%rax; call *%%rax; nop");
}

// --- segment registers and bases. Nothing of the C library while FS is not its own.

static long sys(long number, long a, long b, long c) {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static const char *const ways[] = {"a system call", "a signal", "the timer", "a page fault"};
enum { WAYS = 4 };
static unsigned long cell = 0x1122334455667788, other = 0x99;
static struct itimerval soon = {.it_value = {0, 2000}};
static char *fresh;

static void pass(int way) {
  alarms = 0;
  if (way == 0) sys(SYS_getppid, 0, 0, 0);
  if (way == 1) sys(SYS_tkill, pid, SIGUSR1, 0);
  if (way == 2) {
    sys(SYS_setitimer, ITIMER_REAL, (long)&soon, 0);
    while (!alarms) {}
  }
  if (way == 3) {
    *(volatile char *)fresh = 1;
    fresh += 4096;
  }
}

#define GET(segment) ({ unsigned value; asm volatile("movl %%" #segment ", %0" : "=r"(value)); value; })
#define SET(segment, value) asm volatile("movl %0, %%" #segment : : "r"(value) : "memory")
#define READ(segment) ({ unsigned long value; asm volatile("movq %%" #segment ":0, %0" : "=r"(value)); value; })

static unsigned long base(int which) {
  unsigned long value;
  sys(SYS_arch_prctl, which, (long)&value, 0);
  return value;
}

static void change_gs(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  (void)context;
  sys(SYS_arch_prctl, ARCH_SET_GS, (long)&other, 0);
}

#define SELECTOR(segment)                                                   \
  do {                                                                      \
    unsigned got[2];                                                        \
    for (int i = 0; i < 2; i++) {                                           \
      SET(segment, i ? 0x2b : 0);                                           \
      pass(way);                                                            \
      got[i] = GET(segment);                                                \
    }                                                                       \
    SET(segment, before_##segment);                                         \
    sys(SYS_arch_prctl, ARCH_SET_FS, own, 0);                               \
    printf("hardware: " #segment " over %s: %x %x\n", ways[way], got[0], got[1]); \
  } while (0)

static void segments(int way) {
  unsigned long own = base(ARCH_GET_FS), by_fs, base_fs, by_gs, base_gs;
  unsigned before_ds = GET(ds), before_es = GET(es), before_fs = GET(fs), before_gs = GET(gs);
  sys(SYS_arch_prctl, ARCH_SET_FS, (long)&cell, 0);
  pass(way);
  by_fs = READ(fs);
  base_fs = base(ARCH_GET_FS);
  sys(SYS_arch_prctl, ARCH_SET_FS, own, 0);
  sys(SYS_arch_prctl, ARCH_SET_GS, (long)&cell, 0);
  pass(way);
  by_gs = READ(gs);
  base_gs = base(ARCH_GET_GS);
  sys(SYS_arch_prctl, ARCH_SET_GS, 0, 0);
  printf("hardware: bases over %s: FS %d %d, GS %d %d, selectors %x %x\n", ways[way], by_fs == cell, base_fs == (unsigned long)&cell, by_gs == cell,
         base_gs == (unsigned long)&cell, before_fs, before_gs);
  SELECTOR(ds);
  SELECTOR(es);
  SELECTOR(fs);
  SELECTOR(gs);
  SET(gs, 0x2b);
  pass(way);
  printf("hardware: GS with a selector over %s: base %lx\n", ways[way], base(ARCH_GET_GS));
  SET(gs, 0);
  if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
    printf("hardware: no FSGSBASE\n");
    return;
  }
  // The two registers are apart: a selector of the program's own, and a base that is not its descriptor's.
  SET(gs, 0x2b);
  asm volatile("wrgsbase %0" : : "r"(&cell));
  pass(way);
  asm volatile("rdgsbase %0" : "=r"(base_gs));
  by_gs = READ(gs);
  unsigned selector = GET(gs);
  asm volatile("wrgsbase %0" : : "r"(0xffff800000000000));
  pass(way);
  asm volatile("rdgsbase %0" : "=r"(base_fs));
  SET(gs, 0);
  printf("hardware: WRGSBASE over %s: %d %d, selector %x, a base of the kernel's half %lx\n", ways[way], base_gs == (unsigned long)&cell, by_gs == cell, selector,
         base_fs);
  asm volatile("wrfsbase %0" : : "r"(&cell));
  pass(way);
  asm volatile("rdfsbase %0" : "=r"(base_fs));
  by_fs = READ(fs);
  asm volatile("wrfsbase %0" : : "r"(own));
  printf("hardware: WRFSBASE over %s: %d %d\n", ways[way], base_fs == (unsigned long)&cell, by_fs == cell);
}

int main(void) {
  static const struct door doors[] = {
      {"SYSCALL", by_syscall, 0}, {"a page fault", by_page_fault, 0}, {"the vsyscall page", by_vsyscall, 0},
      {"UD2", by_exception, 1},   {"a signal", by_signal, 1},         {"the timer", by_interrupt, 1},
  };
  static const struct door int80 = {"INT 0x80", by_int80, 0};
  setvbuf(stdout, NULL, _IONBF, 0);
  pid = getpid();
  handle(SIGILL, look);
  handle(SIGUSR1, look);
  handle(SIGALRM, look);
  handle(SIGSEGV, leave);
  for (unsigned i = 0; i < sizeof doors / sizeof *doors; i++) flags(doors + i);
  unsigned access = 0;
  asm volatile("lar %1, %0" : "+r"(access) : "r"(0x23));
  if (access == 0) printf("hardware: no 32-bit code segment\n");
  flags(&int80);
  single_steps();
  fresh = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int way = 0; way < WAYS; way++) segments(way);
  handle(SIGUSR1, change_gs);
  sys(SYS_arch_prctl, ARCH_SET_GS, (long)&cell, 0);
  pass(1);
  printf("hardware: a handler's own GS base stays: %d\n", READ(gs) == other);
  return 0;
}

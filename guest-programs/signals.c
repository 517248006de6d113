// Everything a signal handler can see and do, one line for each thing, the same lines on any x86-64 Linux.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int count, depth, deepest;
static volatile siginfo_t seen;
static volatile long long registers[23];
static volatile unsigned long flags_seen;
static sigjmp_buf away;

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  sigemptyset(&action.sa_mask);
  if (sigaction(signal, &action, NULL)) perror("sigaction");
}

static void note(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  memcpy((void *)&seen, info, sizeof seen);
  count++;
}

/** A handler inherits AC; what it calls need not be made for it: copies by 16 bytes are checked on AMD's chips (APM Vol. 2 8.2.18). */
static void clear_alignment_check(void) { asm volatile("pushfq; andl $~0x40000, (%%rsp); popfq" ::: "memory", "cc"); }

static void note_and_leave(int signal, siginfo_t *info, void *context) {
  clear_alignment_check();
  ucontext_t *uc = context;
  // A handler inherits AC, and some processors check 16 bytes of MOVUPS too.
  asm volatile("pushfq; andl $~0x40000, (%%rsp); popfq" ::: "memory", "cc");
  note(signal, info, context);
  memcpy((void *)registers, uc->uc_mcontext.gregs, sizeof registers);
  flags_seen = uc->uc_flags & 6;
  siglongjmp(away, 1);
}

// --- what a fault tells

static void fault(const char *what, int signal, void (*cause)(void), long address) {
  handle(signal, note_and_leave, 0);
  memset((void *)&seen, 0, sizeof seen);
  if (!sigsetjmp(away, 1)) {
    cause();
    printf("%s: nothing happened\n", what);
    return;
  }
  printf("%s: signal %d, code %d, trapno %lld, err %llx, flags %lx", what, seen.si_signo, seen.si_code, registers[REG_TRAPNO], registers[REG_ERR], flags_seen);
  if (address == -1) printf(", si_addr is rip: %d", (long)seen.si_addr == registers[REG_RIP]);
  else printf(", si_addr %lx", (long)seen.si_addr - address);
  if (registers[REG_TRAPNO] == 14) printf(", cr2 is si_addr: %d", registers[REG_CR2] == (long long)(long)seen.si_addr);
  printf(", cs %llx, ss %llx\n", registers[REG_CSGSFS] & 0xffff, (unsigned long long)registers[REG_CSGSFS] >> 48);
}

static char *page;
static volatile int zero;
static void read_null(void) { *(volatile char *)0; }
static void write_read_only(void) { *(volatile char *)page = 1; }
static void jump_no_exec(void) { ((void (*)(void))page)(); }
static void read_kernel(void) { *(volatile char *)0xffffffff81000000; }
static void non_canonical(void) { *(volatile char *)0x800000000000; }
static void divide(void) { asm volatile("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; idivl %%ecx" ::: "rax", "rcx", "rdx"); }
static void undefined(void) { asm volatile("ud2"); }
static void breakpoint(void) { asm volatile("int3"); }
static void privileged(void) { asm volatile("hlt"); }
static void single_step(void) { asm volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; pushfq; andl $~0x100, (%%rsp); popfq" ::: "memory", "cc"); }
static void sse_divide(void) {
  unsigned mxcsr = 0x1f80 & ~0x200;
  double one = 1, nil = 0;
  asm volatile("ldmxcsr %0; divsd %2, %1" : "+m"(mxcsr), "+x"(one) : "x"(nil));
}
static void x87_divide(void) {
  unsigned short control = 0x37f & ~4;
  asm volatile("fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(control) : "st", "st(1)");
}
static void alignment(void) { asm volatile("pushfq; orl $0x40000, (%%rsp); popfq; movl 1(%%rsp), %%eax; pushfq; andl $~0x40000, (%%rsp); popfq" ::: "rax", "memory", "cc"); }

static void faults(void) {
  page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fault("read of a null pointer", SIGSEGV, read_null, 0);
  fault("write to a read-only page", SIGSEGV, write_read_only, (long)page);
  fault("jump to a page without exec", SIGSEGV, jump_no_exec, (long)page);
  fault("read of a kernel address", SIGSEGV, read_kernel, 0);
  fault("non-canonical address", SIGSEGV, non_canonical, 0);
  fault("division by zero", SIGFPE, divide, -1);
  fault("ud2", SIGILL, undefined, -1);
  fault("int3", SIGTRAP, breakpoint, 0);
  fault("hlt", SIGSEGV, privileged, 0);
  fault("single step", SIGTRAP, single_step, -1);
  fault("SSE division by zero", SIGFPE, sse_divide, -1);
  fault("alignment check", SIGBUS, alignment, 0);
  // The address of an x87 fault is that of the instruction which noticed.
  handle(SIGFPE, note_and_leave, 0);
  if (!sigsetjmp(away, 1)) x87_divide();
  printf("x87 division by zero: code %d, trapno %lld\n", seen.si_code, registers[REG_TRAPNO]);
}

// --- a handler that repairs its caller

static void skip_division(int signal, siginfo_t *info, void *context) {
  greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
  (void)signal;
  (void)info;
  gregs[REG_RIP] += 2;
  gregs[REG_RAX] = 42;
  gregs[REG_RDX] = 7;
  gregs[REG_EFL] |= 1;
}

static void fixup(void) {
  int quotient = 1, remainder = 0;
  unsigned char carry;
  handle(SIGFPE, skip_division, 0);
  asm volatile("xorl %%ecx, %%ecx; idivl %%ecx; setc %2" : "+a"(quotient), "+d"(remainder), "=r"(carry) : : "rcx", "cc");
  printf("fixup: quotient %d, remainder %d, carry %d\n", quotient, remainder, carry);
}

// --- masks, nesting, order

static void nest(int signal, siginfo_t *info, void *context) {
  (void)info;
  (void)context;
  if (++depth > deepest) deepest = depth;
  if (++count < 5) raise(signal);
  depth--;
}

static void nest_other(int signal, siginfo_t *info, void *context) {
  static const int next[65] = {[SIGUSR1] = SIGUSR2, [SIGUSR2] = SIGTERM, [SIGTERM] = SIGINT};
  sigset_t mask;
  (void)info;
  (void)context;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  printf("  handler of %d at depth %d, blocked: USR1 %d USR2 %d TERM %d INT %d\n", signal, ++depth, sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2),
         sigismember(&mask, SIGTERM), sigismember(&mask, SIGINT));
  if (next[signal]) raise(next[signal]);
  depth--;
}

static int order[32], ordered;
static void remember(int signal, siginfo_t *info, void *context) {
  (void)context;
  order[ordered++] = signal >= SIGRTMIN ? info->si_value.sival_int : signal;
}

static void masks(void) {
  sigset_t set, old, pending;
  depth = deepest = count = 0;
  handle(SIGUSR1, nest, 0);
  raise(SIGUSR1);
  printf("a handler's own signal waits: depth %d, run %d times\n", deepest, count);
  depth = deepest = count = 0;
  handle(SIGUSR1, nest, SA_NODEFER);
  raise(SIGUSR1);
  printf("with SA_NODEFER it does not: depth %d, run %d times\n", deepest, count);
  depth = 0;
  printf("nested handlers:\n");
  handle(SIGUSR1, nest_other, 0);
  handle(SIGUSR2, nest_other, 0);
  handle(SIGTERM, nest_other, SA_NODEFER);
  handle(SIGINT, nest_other, 0);
  raise(SIGUSR1);

  handle(SIGUSR1, note, SA_RESETHAND);
  count = 0;
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, NULL, &now);
  printf("SA_RESETHAND: run %d times, then default: %d, flags kept: %d\n", count, now.sa_handler == SIG_DFL, (now.sa_flags & SA_RESETHAND) != 0);

  int signals[] = {SIGUSR2, SIGINT, SIGUSR1, SIGTERM};
  sigemptyset(&set);
  for (int i = 0; i < 4; i++) {
    handle(signals[i], remember, 0);
    sigaddset(&set, signals[i]);
  }
  handle(SIGRTMIN + 1, remember, 0);
  sigaddset(&set, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &set, &old);
  for (int i = 0; i < 4; i++) raise(signals[i]), raise(signals[i]);
  for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 100 + i});
  sigpending(&pending);
  printf("pending: USR1 %d, HUP %d, RTMIN+1 %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGHUP), sigismember(&pending, SIGRTMIN + 1));
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("unblocked:");
  for (int i = 0; i < ordered; i++) printf(" %d", order[i]);
  printf("\n");

  sigprocmask(SIG_BLOCK, &set, &old);
  raise(SIGTERM);
  signal(SIGTERM, SIG_IGN);
  sigpending(&pending);
  printf("ignoring forgets: %d\n", sigismember(&pending, SIGTERM));
  sigprocmask(SIG_SETMASK, &old, NULL);

  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  siginfo_t info;
  struct timespec none = {0, 0}, soon = {0, 1000000};
  printf("sigtimedwait: %d", sigtimedwait(&set, &info, &none));
  printf(" %s", strerror(errno));
  printf(", %d", sigtimedwait(&set, &info, &soon));
  sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = 77});
  int got = sigtimedwait(&set, &info, &soon);
  printf(", RTMIN+%d, code %d, value %d, own pid: %d\n", got - SIGRTMIN, info.si_code, info.si_value.sival_int, info.si_pid == getpid());
  raise(SIGRTMIN + 2);
  got = sigwaitinfo(&set, &info);
  printf("raise: code %d\n", info.si_code);
  kill(getpid(), SIGRTMIN + 2);
  sigwaitinfo(&set, &info);
  printf("kill: code %d\n", info.si_code);
}

// --- stacks

static char other_stack[65536] __attribute__((aligned(4096)));
static stack_t stack_seen;
static unsigned long red_zone_kept;

static void where(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char here;
  unsigned long frame = (unsigned long)info - 312;
  (void)signal;
  stack_seen = uc->uc_stack;
  stack_t now;
  sigaltstack(NULL, &now);
  printf("  on the other stack: %d, flags of uc_stack %d, of sigaltstack %d, frame %% 16 = %lu, fpstate %% 64 = %lu\n",
         &here > other_stack && &here < other_stack + sizeof other_stack, uc->uc_stack.ss_flags, now.ss_flags, frame % 16, (unsigned long)uc->uc_mcontext.fpregs % 64);
  if (count++ == 0) raise(SIGUSR2);
}

static void where_off_stack(int signal, siginfo_t *info, void *context) {
  printf(" in a nested handler without SA_ONSTACK:\n");
  where(signal, info, context);
}

static int deep(int n) {
  volatile char room[4096];
  room[0] = n;
  return n == 0 ? 0 : deep(n - 1) + room[0];
}
static void overflow(void) { deep(1 << 20); }

static void red_zone(int signal, siginfo_t *info, void *context) {
  (void)info;
  greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
  red_zone_kept = *(unsigned long *)(gregs[REG_RSP] - 128);
  (void)signal;
}

static void stacks(void) {
  stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack}, old;
  printf("alternate stack:\n");
  sigaltstack(NULL, &old);
  printf("  at first: flags %d, size %zu\n", old.ss_flags, old.ss_size);
  stack_t small = {.ss_sp = other_stack, .ss_size = 2047}, odd = {.ss_sp = other_stack, .ss_size = 65536, .ss_flags = 8};
  int first = sigaltstack(&small, NULL), why = errno;
  printf("  too small: %d %s", first, strerror(why));
  first = sigaltstack(&odd, NULL), why = errno;
  printf("; odd flags: %d %s\n", first, strerror(why));
  sigaltstack(&stack, NULL);
  handle(SIGUSR1, where, SA_ONSTACK);
  handle(SIGUSR2, where_off_stack, 0);
  count = 0;
  raise(SIGUSR1);
  stack.ss_flags = 1u << 31;
  sigaltstack(&stack, NULL);
  printf(" with SS_AUTODISARM:\n");
  count = 0;
  raise(SIGUSR1);
  sigaltstack(NULL, &old);
  printf("  after it: flags %x, size %zu\n", old.ss_flags, old.ss_size);
  stack.ss_flags = 0;
  sigaltstack(&stack, NULL);
  // The stack grows up to its limit and the handler still has one to run on.
  handle(SIGSEGV, note_and_leave, SA_ONSTACK);
  if (!sigsetjmp(away, 1)) overflow();
  printf("  stack overflow: signal %d, code %d, trapno %lld\n", seen.si_signo, seen.si_code == SEGV_MAPERR || seen.si_code == SEGV_ACCERR, registers[REG_TRAPNO]);
  handle(SIGUSR1, red_zone, 0);
  unsigned long before = 0x1122334455667788, after;
  asm volatile("movq %1, -128(%%rsp); movl %2, %%edi; movl %3, %%esi; movl $200, %%eax; syscall; movq -128(%%rsp), %0"
               : "=r"(after) : "r"(before), "r"(getpid()), "i"(SIGUSR1) : "rax", "rcx", "rdi", "rsi", "r11", "memory");
  printf("red zone: %lx in the handler, %lx after it\n", red_zone_kept, after);
}

// --- calls that are cut short

static void alarm_in(long microseconds) {
  struct itimerval in = {.it_value = {0, microseconds}};
  setitimer(ITIMER_REAL, &in, NULL);
}

static int ends[2];
static void feed(int signal, siginfo_t *info, void *context) {
  note(signal, info, context);
  if (write(ends[1], "x", 1) != 1) perror("write");
}

static void report(const char *what, long result) {
  int why = errno;
  printf("%s: %ld%s%s, handler run %d times\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(why) : "", count);
  count = 0;
}

static int word;

static void cut_short(void) {
  char byte;
  if (pipe(ends)) perror("pipe");
  count = 0;
  handle(SIGALRM, note, 0);
  alarm_in(10000);
  report("read of an empty pipe", read(ends[0], &byte, 1));
  handle(SIGALRM, feed, SA_RESTART);
  alarm_in(10000);
  report("with SA_RESTART, fed by the handler", read(ends[0], &byte, 1));
  handle(SIGALRM, note, SA_RESTART);
  struct pollfd wait = {.fd = ends[0], .events = POLLIN};
  alarm_in(10000);
  report("poll", poll(&wait, 1, 10000));
  alarm_in(10000);
  report("poll without end", poll(&wait, 1, -1));
  alarm_in(10000);
  report("pause", pause());
  fd_set reads;
  FD_ZERO(&reads);
  FD_SET(ends[0], &reads);
  struct timeval long_time = {10, 0};
  alarm_in(10000);
  report("select", syscall(SYS_select, ends[0] + 1, &reads, NULL, NULL, &long_time));
  printf("  about all is left: %d\n", long_time.tv_sec == 9);
  struct timespec sleep = {10, 0}, left = {0, 0};
  alarm_in(10000);
  report("nanosleep", nanosleep(&sleep, &left));
  printf("  about all is left: %d\n", left.tv_sec == 9);
  clock_gettime(CLOCK_MONOTONIC, &sleep);
  sleep.tv_sec += 10;
  alarm_in(10000);
  errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &sleep, &left);
  report("clock_nanosleep to a moment", -(errno != 0));
  word = 0;
  handle(SIGALRM, note, 0);
  alarm_in(10000);
  report("futex", syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0));
  sleep = (struct timespec){10, 0};
  alarm_in(10000);
  report("futex with a timeout", syscall(SYS_futex, &word, 0, 0, &sleep, NULL, 0));
}

static void change_word(int signal, siginfo_t *info, void *context) {
  note(signal, info, context);
  word = 1;
}

static void own_masks(void) {
  sigset_t set, none, now;
  sigemptyset(&none);
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  handle(SIGALRM, note, SA_RESTART);
  count = 0;
  raise(SIGALRM);
  report("sigsuspend", sigsuspend(&none));
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("  blocked again: %d\n", sigismember(&now, SIGALRM));
  struct timespec time = {5, 0};
  raise(SIGALRM);
  report("ppoll", ppoll(NULL, 0, &time, &none));
  raise(SIGALRM);
  report("pselect", pselect(0, NULL, NULL, NULL, &time, &none));
  time.tv_sec = 0;
  report("ppoll that has no time", ppoll(NULL, 0, &time, &none));
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("  blocked again: %d\n", sigismember(&now, SIGALRM));
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR1);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  alarm_in(10000);
  siginfo_t info;
  report("sigtimedwait cut short by another", syscall(SYS_rt_sigtimedwait, &wanted, &info, NULL, 8));
  handle(SIGALRM, change_word, SA_RESTART);
  alarm_in(10000);
  report("futex whose word the handler changed", syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0));
  signal(SIGCHLD, SIG_DFL);
  time = (struct timespec){0, 20000000};
  count = 0;
  raise(SIGCHLD);
  report("what is ignored by default disturbs nobody", nanosleep(&time, NULL));
}

// --- floating point

static void use_fpu(int signal, siginfo_t *info, void *context) {
  struct _fpstate *fp = ((ucontext_t *)context)->uc_mcontext.fpregs;
  unsigned short control;
  unsigned mxcsr;
  double sum = 0;
  (void)signal;
  (void)info;
  asm volatile("fnstcw %0; stmxcsr %1" : "=m"(control), "=m"(mxcsr));
  printf("  in the handler: control %x, mxcsr %x; interrupted: control %x, status %x, tags %x, mxcsr %x, xmm3 %x\n", control, mxcsr, fp->cwd,
         fp->swd & 0x3800, fp->ftw, fp->mxcsr, fp->_xmm[3].element[0]);
  printf("  st0 %04x%04x%04x%04x %04x\n", fp->_st[0].significand[3], fp->_st[0].significand[2], fp->_st[0].significand[1], fp->_st[0].significand[0],
         fp->_st[0].exponent);
  for (int i = 0; i < 100; i++) sum += i * 1.5;
  asm volatile("fninit; fldpi; fldpi; fldpi; fmulp; fstp %%st(0); fldl2e; pxor %%xmm3, %%xmm3; pxor %%xmm15, %%xmm15" ::: "xmm3", "xmm15");
  // What the handler stores in the frame is what the program goes on with.
  fp->_xmm[15].element[1] = 0xabcd;
  if (sum != 7425) printf("  sum %f\n", sum);
}

static void floating(void) {
  unsigned long xmm3 = 0x0123456789abcdef, xmm15 = 0x1111, after3, after15[2];
  long double kept, pi;
  unsigned short control = 0x27f, control_after;
  unsigned mxcsr = 0x1f80 | 0x6000, mxcsr_after, plain = 0x1f80;
  printf("floating point across a handler:\n");
  handle(SIGUSR1, use_fpu, 0);
  int pid = getpid();
  asm volatile(
      "fldcw %[control]; ldmxcsr %[mxcsr]; movq %[x3], %%xmm3; movq %[x15], %%xmm15; fldpi; fldln2; fldl2t\n"
      "movl %[pid], %%edi; movl %[sig], %%esi; movl $200, %%eax; syscall\n"
      "fstpt %[kept]; fstp %%st(0); fstpt %[pi]; movq %%xmm3, %[a3]; movdqu %%xmm15, %[a15]; fnstcw %[ca]; stmxcsr %[ma]; fninit; ldmxcsr %[plain]"
      : [kept] "=m"(kept), [pi] "=m"(pi), [a3] "=&r"(after3), [a15] "=m"(after15), [ca] "=m"(control_after), [ma] "=m"(mxcsr_after)
      : [control] "m"(control), [mxcsr] "m"(mxcsr), [x3] "r"(xmm3), [x15] "r"(xmm15), [pid] "r"(pid), [sig] "i"(SIGUSR1), [plain] "m"(plain)
      : "rax", "rcx", "rdi", "rsi", "r11", "memory", "xmm3", "xmm15");
  printf("  after it: control %x, mxcsr %x, xmm3 %lx, xmm15 %lx, log2(10) %.17Lf, pi %.17Lf\n", control_after, mxcsr_after, after3, after15[0], kept, pi);
}

// --- registers through a return by the frame

static void all_registers(void) {
  static unsigned long before[15], after[15];
  handle(SIGUSR1, note, 0);
  for (int i = 0; i < 15; i++) before[i] = 0x0101010101010101ul * (i + 1);
  int pid = getpid();
  // tkill(pid, SIGUSR1): RAX, RCX and R11 are the call's own.
  asm volatile(
      "pushq %%rbp; pushq %%rbx; movq %1, %%rax; leaq %2, %%rcx; pushq %%rcx; movl %0, %%edi; movl $10, %%esi\n"
      "movq 0(%%rax), %%rbx; movq 8(%%rax), %%rdx; movq 16(%%rax), %%rbp; movq 24(%%rax), %%r8; movq 32(%%rax), %%r9\n"
      "movq 40(%%rax), %%r10; movq 48(%%rax), %%r12; movq 56(%%rax), %%r13; movq 64(%%rax), %%r14; movq 72(%%rax), %%r15\n"
      "movl $200, %%eax; std; stc; syscall; popq %%rcx; pushfq; cld\n"
      "movq %%rbx, 0(%%rcx); movq %%rdx, 8(%%rcx); movq %%rbp, 16(%%rcx); movq %%r8, 24(%%rcx); movq %%r9, 32(%%rcx)\n"
      "movq %%r10, 40(%%rcx); movq %%r12, 48(%%rcx); movq %%r13, 56(%%rcx); movq %%r14, 64(%%rcx); movq %%r15, 72(%%rcx); popq 80(%%rcx)\n"
      "popq %%rbx; popq %%rbp"
      :
      : "r"(pid), "r"(before), "m"(after[0])
      : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
  printf("registers after a handler: %s, flags %lx\n", memcmp(before, after, 80) ? "changed" : "kept", after[10] & 0x401);
}

// --- what the kernel takes, and what it keeps of it

struct kernel_sigaction {
  void (*handler)(int, siginfo_t *, void *);
  unsigned long flags;
  void (*restorer)(void);
  unsigned long mask;
};

static void say(const char *what, long result) {
  int why = errno;
  printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(why) : "");
}

static char third_stack[16384];

static void change_stack(int signal, siginfo_t *info, void *context) {
  stack_t third = {.ss_sp = third_stack, .ss_size = sizeof third_stack}, none = {.ss_flags = SS_DISABLE}, now = {0};
  (void)signal;
  (void)info;
  (void)context;
  say("  another stack", sigaltstack(&third, &now));
  printf("  before: flags %x, size %zu\n", now.ss_flags, now.ss_size);
  say("  none", sigaltstack(&none, &now));
  printf("  before: flags %x, size %zu\n", now.ss_flags, now.ss_size);
}

static void on_least_stack(int signal) { (void)signal; count++; }

static void alternate_stacks(void) {
  stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack}, now;
  handle(SIGUSR1, change_stack, SA_ONSTACK);
  printf("changing the alternate stack on it:\n");
  sigaltstack(&stack, NULL);
  raise(SIGUSR1);
  printf("on one that disarms itself:\n");
  stack.ss_flags = 1u << 31;
  sigaltstack(&stack, NULL);
  raise(SIGUSR1);
  sigaltstack(NULL, &now);
  printf("after it: flags %x, size %zu, the first: %d\n", now.ss_flags, now.ss_size, now.ss_sp == other_stack);
  stack.ss_flags = 1u << 31 | SS_ONSTACK;
  say("SS_ONSTACK and SS_AUTODISARM", sigaltstack(&stack, NULL));
  sigaltstack(NULL, &now);
  printf("shown: flags %x\n", now.ss_flags);
  stack.ss_flags = 1u << 31 | SS_DISABLE;
  say("SS_DISABLE and SS_AUTODISARM", sigaltstack(&stack, NULL));
  sigaltstack(NULL, &now);
  printf("shown: flags %x, size %zu\n", now.ss_flags, now.ss_size);
  say("a stack that cannot be read", syscall(SYS_sigaltstack, 8, NULL));
  say("one that cannot be written to", syscall(SYS_sigaltstack, NULL, 8));
  // What the kernel says is enough for a frame, and some more for the handler.
  stack = (stack_t){.ss_sp = other_stack, .ss_size = getauxval(51) + 256};
  sigaltstack(&stack, NULL);
  struct sigaction least = {.sa_handler = on_least_stack, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &least, NULL);
  count = 0;
  raise(SIGUSR1);
  printf("AT_MINSIGSTKSZ is enough: %d\n", count);
}

// A stop wakes a call that has a timeout; without a handler it goes on by restart_syscall, to the end that it had at first.
static void stopped(void) {
  struct sigevent stop = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGSTOP}, go_on = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
  // SIGCONT again and again: on a busy computer the first may come before the stop.
  struct itimerspec in_10_ms = {.it_value = {0, 10000000}}, each_20_ms = {{0, 20000000}, {0, 20000000}}, never = {0};
  timer_t stops, goes_on;
  if (timer_create(CLOCK_MONOTONIC, &stop, &stops) || timer_create(CLOCK_MONOTONIC, &go_on, &goes_on)) return perror("timer_create");
  struct timespec before, after, time = {0, 60000000};
  for (int i = 0; i < 3; i++) {
    count = 0;
    clock_gettime(CLOCK_MONOTONIC, &before);
    timer_settime(goes_on, 0, &each_20_ms, NULL);
    timer_settime(stops, 0, &in_10_ms, NULL);
    if (i == 0) report("nanosleep over a stop", syscall(SYS_nanosleep, &time, &time));
    if (i == 1) report("poll over a stop", poll(NULL, 0, 60));
    if (i == 2) report("futex over a stop", syscall(SYS_futex, &word, 0, word, &time, NULL, 0));
    clock_gettime(CLOCK_MONOTONIC, &after);
    timer_settime(stops, 0, &never, NULL);
    timer_settime(goes_on, 0, &never, NULL);
    long passed = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    printf("  as long as it should: %d\n", passed >= 59 && passed < 10000);
    time = (struct timespec){0, 60000000};
  }
}

static void actions(void) {
  struct kernel_sigaction all = {.handler = note, .flags = ~0ul, .restorer = (void *)8, .mask = ~0ul}, now;
  say("every flag", syscall(SYS_rt_sigaction, SIGUSR2, &all, NULL, 8));
  syscall(SYS_rt_sigaction, SIGUSR2, NULL, &now, 8);
  printf("kept: flags %lx, mask %lx, restorer %lx\n", now.flags, now.mask, (long)now.restorer);
  signal(SIGUSR2, SIG_DFL);
  say("SIGKILL", syscall(SYS_rt_sigaction, SIGKILL, &all, NULL, 8));
  say("SIGKILL, only asked", syscall(SYS_rt_sigaction, SIGKILL, NULL, &now, 8));
  say("signal 0", syscall(SYS_rt_sigaction, 0, NULL, &now, 8));
  say("signal 64", syscall(SYS_rt_sigaction, 64, NULL, &now, 8));
  say("signal 65", syscall(SYS_rt_sigaction, 65, NULL, &now, 8));
  say("a mask of 4 bytes", syscall(SYS_rt_sigaction, SIGUSR2, NULL, &now, 4));
  say("a bad way to change the mask", syscall(SYS_rt_sigprocmask, 99, &all.mask, NULL, 8));
  say("with nothing to change", syscall(SYS_rt_sigprocmask, 99, NULL, NULL, 8));
  say("pending, 4 bytes of it", syscall(SYS_rt_sigpending, &now.mask, 4));
  say("pending, 16 bytes of it", syscall(SYS_rt_sigpending, &now.mask, 16));
}

static void queued(int code, int last_byte) {
  union {
    siginfo_t info;
    char bytes[128];
  } sent = {.info = {.si_code = code}};
  sent.info.si_value.sival_int = 5;
  sent.bytes[127] = last_byte;
  memset((void *)&seen, 0, sizeof seen);
  long result = syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &sent);
  int why = errno;
  printf("queued with code %d%s: %ld%s%s, code %d, value %d, last byte %d\n", code, last_byte ? " and a byte at the end" : "", result, result ? " " : "",
         result ? strerror(why) : "", seen.si_code, seen.si_value.sival_int, ((volatile char *)&seen)[127]);
}

static void queues(void) {
  static const int codes[] = {SI_QUEUE, SI_TIMER, SI_TKILL, SI_USER, SI_KERNEL, 1, 6, 7, -7, -8, -60, -100};
  handle(SIGUSR1, note, 0);
  for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) queued(codes[i], 0), queued(codes[i], 1);
  // Those for the task come before those for the process, and each of them by number; the one set up last runs first.
  sigset_t set, old;
  int signals[] = {SIGINT, SIGTERM, SIGUSR2, SIGSEGV, SIGWINCH};
  sigemptyset(&set);
  for (int i = 0; i < 5; i++) handle(signals[i], remember, 0), sigaddset(&set, signals[i]);
  sigprocmask(SIG_BLOCK, &set, &old);
  ordered = 0;
  kill(getpid(), SIGTERM);
  kill(getpid(), SIGINT);
  syscall(SYS_tkill, getpid(), SIGWINCH);
  syscall(SYS_tkill, getpid(), SIGUSR2);
  syscall(SYS_tkill, getpid(), SIGSEGV);
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("handlers ran:");
  for (int i = 0; i < ordered; i++) printf(" %d", order[i]);
  printf("\n");
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  faults();
  fixup();
  masks();
  stacks();
  floating();
  all_registers();
  own_masks();
  cut_short();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  alternate_stacks();
  stopped();
  actions();
  queues();
  return 0;
}

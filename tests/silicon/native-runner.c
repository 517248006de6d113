/* The chip's side of the silicon oracle: reads cases from stdin, executes one instruction for each, writes results to stdout.
 * Started by native.ts, which builds it with gcc; the records are those of case-format.ts, which draws them.
 *
 * All cases run inside this one process. The state of a case is put into the signal frame of the handler that
 * recorded the case before it, so that one rt_sigreturn loads every register, flag and floating-point word at
 * once, RSP included. The instruction is followed by INT3 bytes: whatever it does, it ends in a trap or a fault, the
 * kernel saves the whole state after it into a new frame, and the handler reads it there. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

/* The windows of case-format.ts: CODE_BASE, DATA_BASE and their sizes. */
#define CODE_BASE 0x10000000ul
#define CODE_SIZE 0x1000ul
#define DATA_BASE 0x20000000ul
#define DATA_RW_SIZE 0x2000ul
#define DATA_SIZE 0x3000ul
#define MAGIC 0x49533352u
#define FX_BYTES 416
#define PATCH_BYTES 64
#define RESULT_MAX (0x270 + 16 * (DATA_RW_SIZE / 8))

struct patch { uint32_t offset, length; uint8_t bytes[PATCH_BYTES]; };

struct test_case {
  uint8_t code_length, patch_count;
  uint16_t code_offset;
  uint32_t index;
  uint8_t code[16];
  uint64_t gpr[16]; /* RAX RCX RDX RBX RSP RBP RSI RDI R8..R15 */
  uint64_t rflags, fs_base, gs_base, unused[2];
  uint8_t fx[FX_BYTES];
  struct patch patches[];
};

struct diff { uint32_t offset, unused; uint64_t bytes; };

struct result {
  uint32_t index, signal, code, trap;
  uint64_t error;
  uint64_t gpr[16];
  uint64_t rflags, fs_base, gs_base, rip, address;
  uint8_t fx[FX_BYTES];
  uint64_t cr2;
  uint32_t diff_count, unused;
  struct diff diffs[];
};

_Static_assert(offsetof(struct test_case, fx) == 0xc0, "case record");
_Static_assert(offsetof(struct test_case, patches) == 0x260, "case record");
_Static_assert(offsetof(struct result, fx) == 0xc0, "result record");
_Static_assert(offsetof(struct result, diffs) == 0x270, "result record");

static const int sigcontext_register[16] = {
  REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
  REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static uint8_t *input, *next_case, *input_end;
static uint8_t *output, *output_at;
static const size_t output_size = 1 << 20;
static uint8_t *code_alias;               /* the code page, writable at another address */
static const uint8_t *baseline;           /* what the data window holds before patches */
static uint8_t expected[DATA_RW_SIZE];    /* ... and after them */
static struct test_case *running;
static const struct test_case *seen_by_alarm;
static int kernel_has_fsgsbase, has_fsgsbase;
static char alternate_stack[1 << 16];

/* The handler may run with any FS base: no libc in it, so neither errno nor write(2)'s wrapper. */
static long raw_syscall(long number, long a, long b, long c) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return r;
}

static void flush_output(void) {
  for (uint8_t *p = output; p < output_at;) {
    long n = raw_syscall(SYS_write, 1, (long)p, output_at - p);
    if (n <= 0) raw_syscall(SYS_exit_group, 3, 0, 0);
    p += n;
  }
  output_at = output;
}

/* A kernel that does not offer FSGSBASE in AT_HWCAP2 would lose a base set in user mode at its next task switch: it has to be told.
 * Only when a base changes, since that costs as much as the case. Whether user mode can read them is CR4's affair alone. */
static uint64_t loaded_fs_base = -1, loaded_gs_base = -1;

static void set_bases(uint64_t fs, uint64_t gs) {
  if (!kernel_has_fsgsbase) {
    if (fs != loaded_fs_base) raw_syscall(SYS_arch_prctl, ARCH_SET_FS, fs, 0);
    if (gs != loaded_gs_base) raw_syscall(SYS_arch_prctl, ARCH_SET_GS, gs, 0);
  }
  if (has_fsgsbase) __asm__("wrfsbase %0\n\twrgsbase %1" : : "r"(fs), "r"(gs));
  loaded_fs_base = fs;
  loaded_gs_base = gs;
}

static void get_bases(uint64_t *fs, uint64_t *gs) {
  if (has_fsgsbase) {
    __asm__("rdfsbase %0\n\trdgsbase %1" : "=r"(*fs), "=r"(*gs));
  } else {
    raw_syscall(SYS_arch_prctl, ARCH_GET_FS, (long)fs, 0);
    raw_syscall(SYS_arch_prctl, ARCH_GET_GS, (long)gs, 0);
  }
  loaded_fs_base = *fs;
  loaded_gs_base = *gs;
}

static void record(const struct test_case *c, int signal, const siginfo_t *info, const ucontext_t *uc) {
  if (output_at + RESULT_MAX > output + output_size) flush_output();
  struct result *r = (struct result *)output_at;
  const greg_t *g = uc->uc_mcontext.gregs;
  r->index = c->index;
  r->signal = signal;
  r->code = info->si_code;
  r->trap = g[REG_TRAPNO];
  r->error = g[REG_ERR];
  for (int i = 0; i < 16; i++) r->gpr[i] = g[sigcontext_register[i]];
  r->rflags = g[REG_EFL];
  r->fs_base = r->gs_base = 0;
  get_bases(&r->fs_base, &r->gs_base);
  r->rip = g[REG_RIP];
  r->address = (uint64_t)info->si_addr;
  memcpy(r->fx, uc->uc_mcontext.fpregs, FX_BYTES);
  r->cr2 = g[REG_CR2];
  r->diff_count = 0;
  r->unused = 0;
  const uint64_t *now = (const uint64_t *)DATA_BASE, *was = (const uint64_t *)expected;
  if (memcmp(now, was, DATA_RW_SIZE)) {
    for (uint32_t i = 0; i < DATA_RW_SIZE / 8; i++) {
      if (now[i] == was[i]) continue;
      r->diffs[r->diff_count++] = (struct diff){ i * 8, 0, now[i] };
    }
    memcpy((void *)DATA_BASE, baseline, DATA_RW_SIZE);
  }
  output_at += sizeof *r + r->diff_count * sizeof(struct diff);
}

static void unpatch(const struct test_case *c) {
  for (int i = 0; i < c->patch_count; i++) {
    const struct patch *p = &c->patches[i];
    memcpy(expected + p->offset, baseline + p->offset, p->length);
    memcpy((void *)(DATA_BASE + p->offset), baseline + p->offset, p->length);
  }
  memset(code_alias + c->code_offset, 0xcc, c->code_length);
}

static void load(struct test_case *c, ucontext_t *uc) {
  for (int i = 0; i < c->patch_count; i++) {
    const struct patch *p = &c->patches[i];
    memcpy(expected + p->offset, p->bytes, p->length);
    memcpy((void *)(DATA_BASE + p->offset), p->bytes, p->length);
  }
  memcpy(code_alias + c->code_offset, c->code, c->code_length);
  greg_t *g = uc->uc_mcontext.gregs;
  for (int i = 0; i < 16; i++) g[sigcontext_register[i]] = c->gpr[i];
  g[REG_RIP] = CODE_BASE + c->code_offset;
  g[REG_EFL] = c->rflags;
  g[REG_TRAPNO] = g[REG_ERR] = g[REG_CR2] = 0;
  /* XSAVE area, standard format: legacy region, header at 512 whose first word says which components are not initial. */
  uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;
  memcpy(fx, c->fx, FX_BYTES);
  uint32_t magic;
  memcpy(&magic, fx + 464, 4);
  if (magic == 0x46505853) { /* FP_XSTATE_MAGIC1 */
    uint64_t components = 3;
    memcpy(fx + 512, &components, 8);
  }
  set_bases(c->fs_base, c->gs_base);
}

__attribute__((used)) static void on_signal(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  if (signal == SIGALRM) {
    if (!running || seen_by_alarm != running) {
      seen_by_alarm = running;
      return;
    }
  }
  if (running) {
    record(running, signal, info, uc);
    unpatch(running);
  }
  if (next_case >= input_end) {
    flush_output();
    raw_syscall(SYS_exit_group, 0, 0, 0);
  }
  running = (struct test_case *)next_case;
  next_case += sizeof *running + running->patch_count * sizeof(struct patch);
  load(running, uc);
}

/* AC, NT and ID stay as the case had them when the kernel enters a handler: C code may make misaligned accesses, and
 * rt_sigreturn would leave NT and ID to the next case. */
void signal_entry(int, siginfo_t *, void *);
__asm__("signal_entry:\n\tpushfq\n\tandl $~0x244000, (%rsp)\n\tpopfq\n\tjmp on_signal\n");

static void die(const char *what) {
  perror(what);
  exit(2);
}

/* A case's code may contain SYSCALL or INT 0x80: a system call made from the code page becomes SIGSYS. */
static void forbid_system_calls_of_cases(void) {
  struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, CODE_BASE, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("PR_SET_NO_NEW_PRIVS");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) die("PR_SET_SECCOMP");
}

static void map_windows(void) {
  int fd = memfd_create("code", 0);
  if (fd < 0 || ftruncate(fd, CODE_SIZE)) die("memfd");
  const int fixed = MAP_FIXED_NOREPLACE;
  if (mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | fixed, fd, 0) == MAP_FAILED) die("code page");
  code_alias = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (code_alias == MAP_FAILED) die("code alias");
  memset(code_alias, 0xcc, CODE_SIZE);
  if (mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0) == MAP_FAILED) die("data window");
  memcpy((void *)DATA_BASE, baseline, DATA_SIZE);
  memcpy(expected, baseline, DATA_RW_SIZE);
  if (mprotect((void *)(DATA_BASE + DATA_RW_SIZE), DATA_SIZE - DATA_RW_SIZE, PROT_READ)) die("mprotect");
}

static void read_input(void) {
  size_t room = 1 << 20, have = 0;
  input = malloc(room);
  for (;;) {
    if (have == room && !(input = realloc(input, room *= 2))) die("realloc");
    ssize_t n = read(0, input + have, room - have);
    if (n < 0) die("read");
    if (n == 0) break;
    have += n;
  }
  uint32_t magic;
  memcpy(&magic, input, 4);
  if (have < 8 + DATA_SIZE || magic != MAGIC) {
    fputs("native-runner: stdin is not a batch of cases\n", stderr);
    exit(2);
  }
  baseline = input + 8;
  next_case = input + 8 + DATA_SIZE;
  input_end = input + have;
}

static sigjmp_buf no_such_instruction;

static void on_probe(int signal) {
  siglongjmp(no_such_instruction, signal);
}

/* CR4.FSGSBASE, by trying. */
static int fsgsbase_executes(void) {
  signal(SIGILL, on_probe);
  if (sigsetjmp(no_such_instruction, 1)) return 0;
  uint64_t base;
  __asm__ volatile("rdfsbase %0" : "=r"(base));
  return 1;
}

int main(void) {
  read_input();
  map_windows();
  output = output_at = malloc(output_size);
  kernel_has_fsgsbase = getauxval(AT_HWCAP2) >> 1 & 1;
  has_fsgsbase = fsgsbase_executes();
  if (next_case == input_end) return 0;
  stack_t stack = { .ss_sp = alternate_stack, .ss_size = sizeof alternate_stack };
  if (sigaltstack(&stack, NULL)) die("sigaltstack");
  struct sigaction action = { .sa_sigaction = signal_entry, .sa_flags = SA_SIGINFO | SA_ONSTACK };
  sigfillset(&action.sa_mask);
  const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGALRM };
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  struct itimerval tick = { { 0, 100000 }, { 0, 100000 } };
  setitimer(ITIMER_REAL, &tick, NULL);
  forbid_system_calls_of_cases();
  __asm__ volatile("int3");
  return 4;
}

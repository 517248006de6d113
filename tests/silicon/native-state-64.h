/* native-runner.c in 64-bit mode: state in and out of the signal frame, FS and GS bases, system calls of cases forbidden. */

#include <asm/prctl.h>

#define TICK { 0, 100000 }

static const int sigcontext_register[16] = {
  REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
  REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static uint8_t *code_alias;               /* the code page, writable at another address */
static int kernel_has_fsgsbase, has_fsgsbase;

/* The handler may run with any FS base: no libc in it, so neither errno nor write(2)'s wrapper. */
static long raw_syscall(long number, long a, long b, long c) {
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return r;
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

static void read_state(struct result *r, const struct test_case *c, const ucontext_t *uc) {
  (void)c;
  const greg_t *g = uc->uc_mcontext.gregs;
  r->trap = g[REG_TRAPNO];
  r->error = g[REG_ERR];
  for (int i = 0; i < 16; i++) r->gpr[i] = g[sigcontext_register[i]];
  r->rflags = g[REG_EFL];
  r->fs_base = r->gs_base = 0;
  get_bases(&r->fs_base, &r->gs_base);
  r->rip = g[REG_RIP];
  memcpy(r->fx, uc->uc_mcontext.fpregs, FX_BYTES);
  r->cr2 = g[REG_CR2];
}

static void load_state(const struct test_case *c, ucontext_t *uc) {
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

static void write_code(uint32_t offset, const uint8_t *bytes, uint32_t length) {
  memcpy(code_alias + offset, bytes, length);
}

static void map_code(void) {
  int fd = memfd_create("code", 0);
  if (fd < 0 || ftruncate(fd, CODE_SIZE)) die("memfd");
  if (mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == MAP_FAILED) die("code page");
  code_alias = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (code_alias == MAP_FAILED) die("code alias");
  memset(code_alias, 0xcc, CODE_SIZE);
}

/* AC, NT and ID stay as the case had them when the kernel enters a handler: C code may make misaligned accesses, and
 * rt_sigreturn would leave NT and ID to the next case. */
void signal_entry(int, siginfo_t *, void *);
__asm__("signal_entry:\n\tpushfq\n\tandl $~0x244000, (%rsp)\n\tpopfq\n\tjmp on_signal\n");

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

static void prepare(void) {
  kernel_has_fsgsbase = getauxval(AT_HWCAP2) >> 1 & 1;
  has_fsgsbase = fsgsbase_executes();
}

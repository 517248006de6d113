/* native-runner.c in compatibility mode: state in and out of the signal frame, which holds the selectors too. The two words that are
 * FS and GS base in 64-bit mode hold selectors here: DS ES FS GS, and CS SS. General instructions only: the floating-point state is
 * neither loaded nor looked at, and the answer repeats the case's.
 *
 * Linux of 64 bits and qemu-i386 have the same flat selectors. A case makes no system call: there are no INT 80h and SYSENTER among them
 * (qemu-i386 has no seccomp to forbid them with). */

/* Much slower than silicon where it is emulated. */
#define TICK { 1, 0 }

static const int sigcontext_register[8] = { REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI };
static const int data_selector[4] = { REG_DS, REG_ES, REG_FS, REG_GS };

/* GS may be anything in the handler: no libc in it, so neither errno nor write(2)'s wrapper. */
static long raw_syscall(long number, long a, long b, long c) {
  long r;
  __asm__ volatile("int $0x80" : "=a"(r) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
  return r;
}

static void read_state(struct result *r, const struct test_case *c, const ucontext_t *uc) {
  const greg_t *g = uc->uc_mcontext.gregs;
  r->trap = g[REG_TRAPNO];
  r->error = (uint32_t)g[REG_ERR];
  for (int i = 0; i < 16; i++) r->gpr[i] = i < 8 ? (uint32_t)g[sigcontext_register[i]] : 0;
  r->rflags = (uint32_t)g[REG_EFL];
  r->fs_base = 0;
  for (int i = 0; i < 4; i++) r->fs_base |= (uint64_t)(g[data_selector[i]] & 0xffff) << (16 * i);
  r->gs_base = (g[REG_CS] & 0xffff) | (uint64_t)(g[REG_SS] & 0xffff) << 16;
  r->rip = (uint32_t)g[REG_EIP];
  r->cr2 = uc->uc_mcontext.cr2;
  memcpy(r->fx, c->fx, FX_BYTES);
}

static void load_state(const struct test_case *c, ucontext_t *uc) {
  greg_t *g = uc->uc_mcontext.gregs;
  for (int i = 0; i < 8; i++) g[sigcontext_register[i]] = c->gpr[i];
  g[REG_EIP] = CODE_BASE + c->code_offset;
  g[REG_EFL] = c->rflags;
  g[REG_TRAPNO] = g[REG_ERR] = 0;
  for (int i = 0; i < 4; i++) g[data_selector[i]] = c->fs_base >> (16 * i) & 0xffff;
  g[REG_CS] = c->gs_base & 0xffff;
  g[REG_SS] = c->gs_base >> 16 & 0xffff;
}

/* Not through an alias: an emulator notices new code by the page's protection. */
static void write_code(uint32_t offset, const uint8_t *bytes, uint32_t length) {
  raw_syscall(SYS_mprotect, CODE_BASE, CODE_SIZE, PROT_READ | PROT_WRITE);
  memcpy((void *)(CODE_BASE + offset), bytes, length);
  raw_syscall(SYS_mprotect, CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC);
}

static void map_code(void) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  if (mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) != (void *)CODE_BASE) die("code page");
  memset((void *)CODE_BASE, 0xcc, CODE_SIZE);
  if (mprotect((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_EXEC)) die("mprotect");
}

/* AC, NT and ID stay as the case had them when the kernel enters a handler (native-state-64.h), and an emulator may leave DF too;
 * the arguments are on the stack. */
void signal_entry(int, siginfo_t *, void *);
__asm__("signal_entry:\n\tcld\n\tpushfl\n\tandl $~0x244000, (%esp)\n\tpopfl\n\tjmp on_signal\n");

static void forbid_system_calls_of_cases(void) {}

static void prepare(void) {
  uint16_t cs, ds;
  __asm__("movw %%cs, %0\n\tmovw %%ds, %1" : "=r"(cs), "=r"(ds));
  if (cs == 0x23 && ds == 0x2b) return;
  fprintf(stderr, "native-runner: flat selectors %x and %x, not those of a 64-bit Linux\n", cs, ds);
  exit(2);
}

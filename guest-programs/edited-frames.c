// What becomes of a program whose signal handler edits its frame: one line for each edit, "hardware" in front of it where the
// processor's IRETQ has a part in the answer and not the kernel alone.
//
// Each case takes SIGUSR1 by tkill, with known values in flags, FPU and the last exception (an UD2, so that trapno 6 in a frame means
// "left as it was"). Its handler edits the frame; rt_sigreturn then leads to `landing`, to a signal, or elsewhere.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define UC_STRICT_RESTORE_SS 4
enum { MAGIC1 = 464, EXTENDED_SIZE = 468, XFEATURES = 472, XSTATE_SIZE = 480, XSTATE_BV = 512, XCOMP_BV = 520 };

// asm/ldt.h, which musl does not have.
struct user_desc {
  unsigned entry_number, base, limit;
  unsigned seg_32bit : 1, contents : 2, read_exec_only : 1, limit_in_pages : 1, seg_not_present : 1, useable : 1, lm : 1;
};

void landing(void);
extern char landing_32[], after_syscall[];

static char alternate[65536] __attribute__((aligned(64)));
static char room[16384] __attribute__((aligned(4096)));
static sigjmp_buf away;
static void (*edit)(ucontext_t *, greg_t *);
static ucontext_t *frame_of_fault;
static volatile siginfo_t info_of_fault;
struct { unsigned long rax, rcx, r11, rsp, flags, ss, cs; } landed;
static unsigned short control, control_before = 0x27f;
static unsigned mxcsr, mxcsr_before = 0x3f80, mxcsr_plain = 0x1f80;
static unsigned long xmm3, xmm3_before = 0x1234567890;

__asm__(
    ".text\nlanding: nop\n movq %rsp, landed+24\n nop\n pushfq\n popq landed+32\n movq %rax, landed\n movq %rcx, landed+8\n movq %r11, landed+16\n"
    " movq %ss, %rax\n movq %rax, landed+40\n movq %cs, %rax\n movq %rax, landed+48\n movq rsp_before, %rsp\n pushq $0x202\n popfq\n jmp *back\n"
    // In 32-bit code these bytes are INC EAX; NOP; INT3: in 64-bit code a REX prefix.
    "landing_32: .byte 0x40, 0x90, 0xcc\n");
void *back;
unsigned long rsp_before;

/** SIGUSR1 with flags and FPU as set up; goes on at after_syscall, or behind landing by way of `back`. */
static __attribute__((noinline)) void interrupted(unsigned long flags) {
  landed.flags = 0;
  asm volatile(
      "fninit; fldcw %[cw]; fldpi; ldmxcsr %[mx]; movq %[x3], %%xmm3\n"
      "leaq 1f(%%rip), %%rax; movq %%rax, back; movq %%rsp, rsp_before\n"
      "pushq %[flags]; popfq; movl %[pid], %%edi; movl %[sig], %%esi; movl $200, %%eax; syscall\n"
      ".globl after_syscall\nafter_syscall: jmp landing\n"
      "1:\n"
      :
      : [cw] "m"(control_before), [mx] "m"(mxcsr_before), [x3] "m"(xmm3_before), [flags] "r"(flags), [pid] "r"(getpid()), [sig] "i"(SIGUSR1)
      : "rax", "rcx", "rsi", "rdi", "r11", "memory", "cc", "xmm3");
  asm volatile("fnstcw %0; stmxcsr %1; movq %%xmm3, %2; fninit; ldmxcsr %3" : "=m"(control), "=m"(mxcsr), "=m"(xmm3) : "m"(mxcsr_plain));
}

static void edits(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  edit(context, ((ucontext_t *)context)->uc_mcontext.gregs);
}

static void faults(int signal, siginfo_t *info, void *context) {
  (void)signal;
  asm volatile("pushq $0x202; popfq" ::: "memory", "cc");
  memcpy((void *)&info_of_fault, info, sizeof *info);
  frame_of_fault = context;
  siglongjmp(away, 1);
}

static void undefined(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  sigaction(signal, &action, NULL);
}

static void print_address(const char *name, unsigned long address) {
  unsigned long there = (unsigned long)landing, there_32 = (unsigned long)landing_32;
  if (address - there < 64) printf(" %s landing+%lu", name, address - there);
  else if (address - there_32 < 16) printf(" %s landing_32+%lu", name, address - there_32);
  else if (address == (unsigned long)after_syscall) printf(" %s after_syscall", name);
  else if (address - (unsigned long)room < sizeof room) printf(" %s room+%lu", name, address - (unsigned long)room);
  else printf(" %s %lx", name, address);
}

static void print_fault(void) {
  greg_t *gregs = frame_of_fault->uc_mcontext.gregs;
  unsigned long selectors = gregs[REG_CSGSFS];
  printf("signal %d, code %d,", info_of_fault.si_signo, info_of_fault.si_code);
  print_address("addr", (unsigned long)info_of_fault.si_addr);
  printf(", trapno %lld, err %llx;", gregs[REG_TRAPNO], gregs[REG_ERR]);
  print_address("rip", gregs[REG_RIP]);
  printf(", cs %lx, ss %lx, flags %llx, uc_flags %lx\n", selectors & 0xffff, selectors >> 48, gregs[REG_EFL], frame_of_fault->uc_flags & 6);
}

static unsigned long flags_before = 0x202;

static void prepare(void) {
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, NULL);
  handle(SIGILL, undefined, SA_ONSTACK);
  asm volatile("ud2");
  handle(SIGUSR1, edits, 0);
  int all[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
  for (int i = 0; i < 5; i++) handle(all[i], faults, SA_ONSTACK | SA_NODEFER);
}

static void run(const char *name, void (*how)(ucontext_t *, greg_t *)) {
  prepare();
  edit = how;
  printf("%s: ", name);
  if (sigsetjmp(away, 1)) {
    print_fault();
    return;
  }
  interrupted(flags_before);
  printf("goes on, cs %lx, ss %lx, flags %lx", landed.cs, landed.ss, landed.flags);
  if (landed.rsp != rsp_before) printf(", another stack");
  if (landed.rax) printf(", rax %lx", landed.rax);
  if (control != control_before || mxcsr != mxcsr_before || xmm3 != xmm3_before) printf(", control %x, mxcsr %x, xmm3 %lx", control, mxcsr, xmm3);
  printf("\n");
}

#define EDIT(name, statement)                            \
  static void name(ucontext_t *uc, greg_t *gregs) {      \
    (void)uc;                                            \
    (void)gregs;                                         \
    statement;                                           \
  }

// --- instruction pointer and stack pointer
EDIT(nothing, )
EDIT(rip_not_canonical, gregs[REG_RIP] = 0x800000000000)
EDIT(rip_not_canonical_high, gregs[REG_RIP] = (long long)0xffff7fffffffffff)
EDIT(rip_of_kernel, gregs[REG_RIP] = (long long)0xffffffff81000000)
EDIT(rip_past_user_space, gregs[REG_RIP] = 0x7ffffffff000)
EDIT(rip_null, gregs[REG_RIP] = 0)
EDIT(rip_without_exec, gregs[REG_RIP] = (long long)room)
EDIT(rip_into_vsyscall, gregs[REG_RIP] = (long long)0xffffffffff600010)
EDIT(rsp_null, gregs[REG_RSP] = 0)
EDIT(rsp_not_canonical, gregs[REG_RSP] = 0x900000000000)
EDIT(rsp_at_end, gregs[REG_RSP] = 0x800000000000)
EDIT(rsp_of_kernel, gregs[REG_RSP] = (long long)0xffffffff81000000)
EDIT(rsp_odd, gregs[REG_RSP] -= 1001)
EDIT(rax_restart, gregs[REG_RAX] = -512)
EDIT(rcx_r11, (gregs[REG_RCX] = 1, gregs[REG_R11] = 2))

// --- selectors
static void selectors(greg_t *gregs, int cs, int ss) {
  unsigned long long word = gregs[REG_CSGSFS];
  gregs[REG_CSGSFS] = (word & 0x0000ffffffff0000) | (unsigned)cs | (unsigned long long)ss << 48;
}
EDIT(cs_null, selectors(gregs, 0, 0x2b))
EDIT(cs_of_kernel, selectors(gregs, 0x10, 0x2b))
EDIT(cs_32_of_kernel, selectors(gregs, 0x08, 0x2b))
EDIT(cs_is_data, selectors(gregs, 0x2b, 0x2b))
EDIT(cs_is_tss, selectors(gregs, 0x40, 0x2b))
EDIT(cs_past_gdt, selectors(gregs, 0xfff8, 0x2b))
EDIT(cs_in_no_ldt, selectors(gregs, 0x7f, 0x2b))
EDIT(cs_without_rpl, selectors(gregs, 0x30, 0x28))
EDIT(cs_32, (selectors(gregs, 0x23, 0x2b), gregs[REG_RIP] = (long long)landing_32))
EDIT(cs_32_high_rip, (selectors(gregs, 0x23, 0x2b), gregs[REG_RIP] = (long long)landing_32 + 0x100000000))
EDIT(cs_32_ss_null, (selectors(gregs, 0x23, 0), gregs[REG_RIP] = (long long)landing_32))
EDIT(ss_null, selectors(gregs, 0x33, 0))
EDIT(ss_of_kernel, selectors(gregs, 0x33, 0x18))
EDIT(ss_is_code, selectors(gregs, 0x33, 0x33))
EDIT(ss_is_code_32, selectors(gregs, 0x33, 0x23))
EDIT(ss_read_only, selectors(gregs, 0x33, 0x7b))
EDIT(ss_past_gdt, selectors(gregs, 0x33, 0xffff))
EDIT(ss_in_no_ldt, selectors(gregs, 0x33, 0x7f))
EDIT(ss_without_rpl, selectors(gregs, 0x33, 0x28))
EDIT(ss_data_of_ldt, selectors(gregs, 0x33, 0x07))
EDIT(ss_not_present, selectors(gregs, 0x33, 0x0f))
EDIT(cs_and_ss_bad, selectors(gregs, 0xfff8, 0xffff))
#define LENIENT(edit) (uc->uc_flags &= ~UC_STRICT_RESTORE_SS, edit)
EDIT(ss_null_lenient, LENIENT(selectors(gregs, 0x33, 0)))
EDIT(ss_is_code_lenient, LENIENT(selectors(gregs, 0x33, 0x33)))
EDIT(ss_read_only_lenient, LENIENT(selectors(gregs, 0x33, 0x7b)))
EDIT(ss_data_of_ldt_lenient, LENIENT(selectors(gregs, 0x33, 0x07)))
EDIT(ss_not_present_lenient, LENIENT(selectors(gregs, 0x33, 0x0f)))
EDIT(ss_32_lenient, LENIENT((selectors(gregs, 0x23, 0), gregs[REG_RIP] = (long long)landing_32)))

/** LDT 0: writable data; 1: the same, not present. False when the kernel has none. */
static int make_ldt(void) {
  struct user_desc data = {.entry_number = 0, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .useable = 1};
  struct user_desc absent = data;
  absent.entry_number = 1;
  absent.seg_not_present = 1;
  return syscall(SYS_modify_ldt, 1, &data, sizeof data) == 0 && syscall(SYS_modify_ldt, 1, &absent, sizeof absent) == 0;
}

// --- flags: CF PF AF ZF SF TF IF DF OF IOPL NT RF VM AC VIF VIP ID are bits 0 2 4 6 7 8 9 10 11 12-13 14 16 17 18 19 20 21
EDIT(flags_arithmetic, gregs[REG_EFL] |= 0x8d5)
EDIT(flags_none, gregs[REG_EFL] = 0)
EDIT(flags_df, gregs[REG_EFL] |= 0x400)
EDIT(flags_tf, gregs[REG_EFL] |= 0x100)
EDIT(flags_rf, gregs[REG_EFL] |= 0x10000)
EDIT(flags_nt, gregs[REG_EFL] |= 0x4000)
EDIT(flags_not_nt, gregs[REG_EFL] &= ~0x4000)
EDIT(flags_ac, gregs[REG_EFL] |= 0x40000)
EDIT(flags_ac_rsp_odd, (gregs[REG_EFL] |= 0x40000, gregs[REG_RSP] -= 1001))
EDIT(flags_iopl, gregs[REG_EFL] |= 0x3000)
EDIT(flags_not_if, gregs[REG_EFL] &= ~0x200)
EDIT(flags_id, gregs[REG_EFL] |= 0x200000)
EDIT(flags_vm, gregs[REG_EFL] |= 0x20000)
EDIT(flags_vif_vip, gregs[REG_EFL] |= 0x180000)
EDIT(flags_all_but_tf_ac, gregs[REG_EFL] = (long long)~0x40100ull)

// --- floating point
static char *fp(ucontext_t *uc) { return (char *)uc->uc_mcontext.fpregs; }
static unsigned *word(ucontext_t *uc, int offset) { return (unsigned *)(fp(uc) + offset); }
static unsigned size_of(ucontext_t *uc) { return *word(uc, EXTENDED_SIZE); }
/** fpstate moves to `place`, for as many bytes as there is room. */
static void move_to(ucontext_t *uc, char *place, unsigned long bytes) {
  memcpy(place, fp(uc), bytes < size_of(uc) ? bytes : size_of(uc));
  uc->uc_mcontext.fpregs = (void *)place;
}
EDIT(fp_null, uc->uc_mcontext.fpregs = NULL)
EDIT(fp_nowhere, uc->uc_mcontext.fpregs = (void *)64)
EDIT(fp_of_kernel, uc->uc_mcontext.fpregs = (void *)0xffffffff81000000)
EDIT(fp_not_canonical, uc->uc_mcontext.fpregs = (void *)0x800000000000)
EDIT(fp_moved, move_to(uc, room, 4096))
EDIT(fp_by_8, move_to(uc, room + 8, 4096))
EDIT(fp_by_16, move_to(uc, room + 16, 4096))
EDIT(fp_plain_by_16, (move_to(uc, room + 16, 4096), *word(uc, MAGIC1) = 0))
EDIT(fp_plain_by_8, (move_to(uc, room + 8, 4096), *word(uc, MAGIC1) = 0))
EDIT(fp_half_there, move_to(uc, room + 8192 - 576, 576))
EDIT(fp_plain_before_end, (move_to(uc, room + 8192 - 512, 512), *word(uc, MAGIC1) = 0))
EDIT(fp_mxcsr_bad, *word(uc, 24) = 0xffffffff)
EDIT(fp_mxcsr_edited, *word(uc, 24) = 0x5f80)
EDIT(fp_plain_mxcsr_bad, (*word(uc, MAGIC1) = 0, *word(uc, 24) |= 0x10000))
EDIT(fp_magic1_bad, *word(uc, MAGIC1) = 0)
EDIT(fp_magic2_bad, *word(uc, size_of(uc) - 4) = 0)
EDIT(fp_size_small, *word(uc, XSTATE_SIZE) = 575)
EDIT(fp_size_large, *word(uc, XSTATE_SIZE) += 64)
EDIT(fp_size_past_extended, *word(uc, EXTENDED_SIZE) = *word(uc, XSTATE_SIZE) - 1)
EDIT(fp_features_none, *word(uc, XFEATURES) = 0)
EDIT(fp_features_x87, *word(uc, XFEATURES) = 1)
EDIT(fp_features_sse, *word(uc, XFEATURES) = 2)
EDIT(fp_features_x87_sse, *word(uc, XFEATURES) = 3)
EDIT(fp_features_avx, *word(uc, XFEATURES) = 4)
EDIT(fp_features_all, memset(word(uc, XFEATURES), 0xff, 8))
EDIT(fp_present_none, *word(uc, XSTATE_BV) = 0)
EDIT(fp_present_unknown, *word(uc, XSTATE_BV + 4) = 0x40000000)
EDIT(fp_xcomp_low, *word(uc, XCOMP_BV) = 1)
EDIT(fp_compact, (*word(uc, XCOMP_BV) = *word(uc, XSTATE_BV), *word(uc, XCOMP_BV + 4) = 0x80000000))
EDIT(fp_compact_less, (*word(uc, XCOMP_BV) = 1, *word(uc, XCOMP_BV + 4) = 0x80000000))
EDIT(fp_compact_unknown, (*word(uc, XCOMP_BV) = *word(uc, XSTATE_BV), *word(uc, XCOMP_BV + 4) = 0xc0000000))
EDIT(fp_compact_none, (*word(uc, XSTATE_BV) = 0, *word(uc, XCOMP_BV) = 3, *word(uc, XCOMP_BV + 4) = 0x80000000))
EDIT(fp_compact_mxcsr_bad, (*word(uc, 24) = 0xffffffff, *word(uc, XSTATE_BV) = 1, *word(uc, XCOMP_BV) = 3, *word(uc, XCOMP_BV + 4) = 0x80000000))
EDIT(fp_compact_header_16, (*word(uc, XCOMP_BV) = *word(uc, XSTATE_BV), *word(uc, XCOMP_BV + 4) = 0x80000000, *word(uc, XSTATE_BV + 16) = 1))
EDIT(fp_compact_header_56, (*word(uc, XCOMP_BV) = *word(uc, XSTATE_BV), *word(uc, XCOMP_BV + 4) = 0x80000000, *word(uc, XSTATE_BV + 56) = 1))
EDIT(fp_header_56, *word(uc, XSTATE_BV + 56) = 1)
EDIT(fp_header_16, *word(uc, XSTATE_BV + 16) = 1)
EDIT(fp_control, *word(uc, 0) = (*word(uc, 0) & 0xffff0000) | 0xf07f)
EDIT(fp_pending, (*word(uc, 0) &= 0xfffffffb, *word(uc, 0) |= 0x00040000))

// --- mask and alternate stack
EDIT(mask_all, memset(&uc->uc_sigmask, 0xff, 8))
EDIT(altstack_disable, uc->uc_stack.ss_flags = SS_DISABLE)
EDIT(altstack_odd_flags, uc->uc_stack.ss_flags = 8)
EDIT(altstack_small, uc->uc_stack.ss_size = 2047)
EDIT(altstack_least, uc->uc_stack.ss_size = 2048)
EDIT(altstack_autodisarm, uc->uc_stack.ss_flags = 1 << 31)
EDIT(altstack_beneath, (gregs[REG_RSP] = (long long)alternate + 4096, uc->uc_stack.ss_flags = SS_DISABLE))

struct row {
  const char *name;
  void (*edit)(ucontext_t *, greg_t *);
};

static const struct row by_kernel[] = {
    {"nothing", nothing},
    {"RIP null", rip_null},
    {"RIP without exec", rip_without_exec},
    {"RSP null", rsp_null},
    {"RSP of the kernel", rsp_of_kernel},
    {"RSP odd", rsp_odd},
    {"RAX a restart code", rax_restart},
    {"RCX and R11", rcx_r11},
    {"CS and SS without RPL", cs_without_rpl},
    {"SS without RPL", ss_without_rpl},
    {"SS null, not strict", ss_null_lenient},
    {"SS code, not strict", ss_is_code_lenient},
    {"arithmetic flags", flags_arithmetic},
    {"no flag", flags_none},
    {"DF", flags_df},
    {"RF", flags_rf},
    {"NT", flags_nt},
    {"AC", flags_ac},
    {"AC and RSP odd", flags_ac_rsp_odd},
    {"IOPL 3", flags_iopl},
    {"IF clear", flags_not_if},
    {"ID", flags_id},
    {"VM", flags_vm},
    {"VIF and VIP", flags_vif_vip},
    {"all flags but TF and AC", flags_all_but_tf_ac},
    {"fpstate null", fp_null},
    {"fpstate unmapped", fp_nowhere},
    {"fpstate of the kernel", fp_of_kernel},
    {"fpstate not canonical", fp_not_canonical},
    {"fpstate moved", fp_moved},
    {"fpstate at 8 mod 64", fp_by_8},
    {"fpstate at 16 mod 64", fp_by_16},
    {"FXSAVE image at 16 mod 64", fp_plain_by_16},
    {"fpstate half unmapped", fp_half_there},
    {"FXSAVE image at the end of its page", fp_plain_before_end},
    {"MXCSR with bits that do not exist", fp_mxcsr_bad},
    {"MXCSR edited", fp_mxcsr_edited},
    {"FXSAVE image, MXCSR with bits that do not exist", fp_plain_mxcsr_bad},
    {"magic1 bad", fp_magic1_bad},
    {"magic2 bad", fp_magic2_bad},
    {"xstate_size too small", fp_size_small},
    {"xstate_size too large", fp_size_large},
    {"xstate_size past extended_size", fp_size_past_extended},
    {"xfeatures none", fp_features_none},
    {"xfeatures x87", fp_features_x87},
    {"xfeatures SSE", fp_features_sse},
    {"xfeatures x87, SSE", fp_features_x87_sse},
    {"xfeatures AVX", fp_features_avx},
    {"xfeatures all ones", fp_features_all},
    {"XSTATE_BV none", fp_present_none},
    {"XSTATE_BV unknown", fp_present_unknown},
    {"XCOMP_BV without bit 63", fp_xcomp_low},
    {"XCOMP_BV compact", fp_compact},
    {"XCOMP_BV compact, less than XSTATE_BV", fp_compact_less},
    {"XCOMP_BV compact, unknown", fp_compact_unknown},
    {"XCOMP_BV compact, XSTATE_BV none", fp_compact_none},
    {"XCOMP_BV compact, XSTATE_BV without SSE, MXCSR bad", fp_compact_mxcsr_bad},
    {"XCOMP_BV compact, header at 16", fp_compact_header_16},
    {"XCOMP_BV compact, header at 56", fp_compact_header_56},
    {"XSAVE header at 16", fp_header_16},
    {"XSAVE header at 56", fp_header_56},
    {"x87 control word", fp_control},
};

static const struct row by_hardware[] = {
    {"RIP not canonical", rip_not_canonical},
    {"RIP not canonical, high", rip_not_canonical_high},
    {"RIP past user space", rip_past_user_space},
    {"RIP of the kernel", rip_of_kernel},
    {"RIP between vsyscall slots", rip_into_vsyscall},
    {"RSP not canonical", rsp_not_canonical},
    {"RSP at the end of the canonical addresses", rsp_at_end},
    {"CS null", cs_null},
    {"CS of the kernel", cs_of_kernel},
    {"CS of the kernel, 32-bit", cs_32_of_kernel},
    {"CS data", cs_is_data},
    {"CS the TSS", cs_is_tss},
    {"CS past the GDT", cs_past_gdt},
    {"CS in no LDT", cs_in_no_ldt},
    {"CS 32-bit", cs_32},
    {"CS 32-bit, RIP above 4 GiB", cs_32_high_rip},
    {"CS 32-bit, SS null", cs_32_ss_null},
    {"CS 32-bit, SS null, not strict", ss_32_lenient},
    {"SS null", ss_null},
    {"SS of the kernel", ss_of_kernel},
    {"SS code", ss_is_code},
    {"SS 32-bit code", ss_is_code_32},
    {"SS read-only data", ss_read_only},
    {"SS read-only data, not strict", ss_read_only_lenient},
    {"SS past the GDT", ss_past_gdt},
    {"SS in no LDT", ss_in_no_ldt},
    {"CS and SS bad", cs_and_ss_bad},
    {"FXSAVE image at 8 mod 16", fp_plain_by_8},
    {"TF", flags_tf},
};

static const struct row by_ldt[] = {
    {"SS data of the LDT", ss_data_of_ldt},
    {"SS data of the LDT, not strict", ss_data_of_ldt_lenient},
    {"SS not present", ss_not_present},
    {"SS not present, not strict", ss_not_present_lenient},
};

#define ROWS(table) (sizeof table / sizeof *table)

static void mask_and_stack(void) {
  static const struct row rows[] = {
      {"mask of all ones", mask_all},
      {"uc_stack disabled", altstack_disable},
      {"uc_stack with odd flags", altstack_odd_flags},
      {"uc_stack too small", altstack_small},
      {"uc_stack of 2048 bytes", altstack_least},
      {"uc_stack with SS_AUTODISARM", altstack_autodisarm},
      {"Linux 6.1: uc_stack disabled while RSP is on it", altstack_beneath},
  };
  for (unsigned i = 0; i < ROWS(rows); i++) {
    unsigned long mask = 0, none = 0;
    stack_t stack;
    run(rows[i].name, rows[i].edit);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, &mask, 8);
    sigaltstack(NULL, &stack);
    printf("  mask %lx, alternate stack: here %d, size %zu, flags %x\n", mask, stack.ss_sp == alternate, stack.ss_size, stack.ss_flags);
  }
}

static void pending_exception(void) {
  prepare();
  edit = fp_pending;
  printf("x87 exception flagged and unmasked: ");
  if (sigsetjmp(away, 1)) {
    greg_t *gregs = frame_of_fault->uc_mcontext.gregs;
    printf("signal %d, code %d, trapno %lld, err %llx\n", info_of_fault.si_signo, info_of_fault.si_code, gregs[REG_TRAPNO], gregs[REG_ERR]);
    return;
  }
  int pid = getpid();
  asm volatile("fninit; movl %0, %%edi; movl %1, %%esi; movl $200, %%eax; syscall; fldz; fninit" : : "r"(pid), "i"(SIGUSR1) : "rax", "rcx", "rdi", "rsi", "r11", "memory");
  printf("nothing\n");
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  mprotect(room + 8192, 4096, PROT_NONE);
  for (unsigned i = 0; i < ROWS(by_kernel); i++) run(by_kernel[i].name, by_kernel[i].edit);
  pending_exception();
  mask_and_stack();
  unsigned access = 0;
  asm volatile("lar %1, %0" : "+r"(access) : "r"(0x23));
  if (access == 0) printf("hardware: no 32-bit code segment\n");
  for (unsigned i = 0; i < ROWS(by_hardware); i++) {
    printf("hardware: ");
    run(by_hardware[i].name, by_hardware[i].edit);
  }
  if (!make_ldt()) printf("hardware: no LDT\n");
  for (unsigned i = 0; i < ROWS(by_ldt); i++) {
    printf("hardware: ");
    run(by_ldt[i].name, by_ldt[i].edit);
  }
  static const struct row with_nt[] = {{"NT before, nothing", nothing}, {"NT before, NT clear", flags_not_nt}, {"NT before, RIP not canonical", rip_not_canonical}};
  flags_before = 0x4202;
  for (unsigned i = 0; i < ROWS(with_nt); i++) {
    printf("hardware: ");
    run(with_nt[i].name, with_nt[i].edit);
  }
  return 0;
}

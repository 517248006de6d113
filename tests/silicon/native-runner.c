/* The chip's side of the silicon oracle: reads cases from stdin, executes one instruction for each, writes results to stdout.
 * Started by native.ts, which builds it with gcc; the records are those of case-format.ts, which draws them.
 *
 * Built for x86-64 it runs 64-bit mode's cases, built with -m32 those of compatibility mode: native-state-64.h and native-state-32.h
 * have what differs, which is how the state is loaded and read.
 *
 * All cases run inside this one process. The state of a case is put into the signal frame of the handler that
 * recorded the case before it, so that one rt_sigreturn loads every register, flag and floating-point word at
 * once, the stack pointer included. The instruction is followed by INT3 bytes: whatever it does, it ends in a trap or a fault, the
 * kernel saves the whole state after it into a new frame, and the handler reads it there. */
#define _GNU_SOURCE
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

static void die(const char *what) {
  perror(what);
  exit(2);
}

static uint8_t *input, *next_case, *input_end;
static uint8_t *output, *output_at;
static const size_t output_size = 1 << 20;
static const uint8_t *baseline;           /* what the data window holds before patches */
static uint8_t expected[DATA_RW_SIZE];    /* ... and after them */
static struct test_case *running;
static const struct test_case *seen_by_alarm;
static char alternate_stack[1 << 16];

#ifdef __i386__
#include "native-state-32.h"
#else
#include "native-state-64.h"
#endif

static void flush_output(void) {
  for (uint8_t *p = output; p < output_at;) {
    long n = raw_syscall(SYS_write, 1, (long)p, output_at - p);
    if (n <= 0) raw_syscall(SYS_exit_group, 3, 0, 0);
    p += n;
  }
  output_at = output;
}

static void record(const struct test_case *c, int signal, const siginfo_t *info, const ucontext_t *uc) {
  if (output_at + RESULT_MAX > output + output_size) flush_output();
  struct result *r = (struct result *)output_at;
  r->index = c->index;
  r->signal = signal;
  r->code = info->si_code;
  r->address = (uintptr_t)info->si_addr;
  read_state(r, c, uc);
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
  uint8_t fill[sizeof c->code];
  memset(fill, 0xcc, sizeof fill);
  write_code(c->code_offset, fill, c->code_length);
}

static void load(struct test_case *c, ucontext_t *uc) {
  for (int i = 0; i < c->patch_count; i++) {
    const struct patch *p = &c->patches[i];
    memcpy(expected + p->offset, p->bytes, p->length);
    memcpy((void *)(DATA_BASE + p->offset), p->bytes, p->length);
  }
  write_code(c->code_offset, c->code, c->code_length);
  load_state(c, uc);
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

static void map_windows(void) {
  map_code();
  if (mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)DATA_BASE) die("data window");
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

int main(void) {
  read_input();
  map_windows();
  output = output_at = malloc(output_size);
  prepare();
  if (next_case == input_end) return 0;
  stack_t stack = { .ss_sp = alternate_stack, .ss_size = sizeof alternate_stack };
  if (sigaltstack(&stack, NULL)) die("sigaltstack");
  struct sigaction action = { .sa_sigaction = signal_entry, .sa_flags = SA_SIGINFO | SA_ONSTACK };
  sigfillset(&action.sa_mask);
  const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGALRM };
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  struct itimerval tick = { TICK, TICK };
  setitimer(ITIMER_REAL, &tick, NULL);
  forbid_system_calls_of_cases();
  __asm__ volatile("int3");
  return 4;
}

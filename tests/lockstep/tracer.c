/* The chip's side of the lockstep comparison: starts a program under ptrace, without address randomisation, and serves commands.
 * Started by native-side.ts with two FIFOs: tracer <commands> <answers> <program> <arguments>...
 *
 *   command            answer
 *   r                  state: struct user_regs_struct (216 bytes), then FXSAVE image (512 bytes)
 *   s                  one instruction, then one byte: 1 = still there, 0 = ended
 *   p <u64 address>    one byte: 1 = the page follows (4096 bytes), 0 = it can't be read
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int commands, answers, memory;
static pid_t child;

static void die(const char *what) {
  perror(what);
  exit(2);
}

static void take(void *to, size_t bytes) {
  for (char *p = to; bytes;) {
    ssize_t n = read(commands, p, bytes);
    if (n <= 0) {
      kill(child, SIGKILL);
      exit(0);
    }
    p += n;
    bytes -= n;
  }
}

static void give(const void *from, size_t bytes) {
  for (const char *p = from; bytes;) {
    ssize_t n = write(answers, p, bytes);
    if (n <= 0) die("answer");
    p += n;
    bytes -= n;
  }
}

static void state(void) {
  struct user_regs_struct general;
  struct user_fpregs_struct vectors;
  if (ptrace(PTRACE_GETREGS, child, 0, &general) || ptrace(PTRACE_GETFPREGS, child, 0, &vectors)) die("registers");
  give(&general, sizeof general);
  give(&vectors, sizeof vectors);
}

/* Signals other than the step's own trap go to the program. */
static void step(void) {
  static int deliver;
  int status;
  uint8_t alive = 1;
  if (ptrace(PTRACE_SINGLESTEP, child, 0, deliver)) die("step");
  if (waitpid(child, &status, 0) != child) die("wait");
  if (WIFSTOPPED(status)) deliver = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
  else alive = 0;
  give(&alive, 1);
}

static void page(void) {
  uint64_t address;
  uint8_t there = 1;
  static uint8_t bytes[4096];
  take(&address, sizeof address);
  if (pread(memory, bytes, sizeof bytes, (off_t)address) != sizeof bytes) there = 0;
  give(&there, 1);
  if (there) give(bytes, sizeof bytes);
}

_Static_assert(sizeof(struct user_regs_struct) == 216, "general registers");
_Static_assert(sizeof(struct user_fpregs_struct) == 512, "FXSAVE image");

int main(int argc, char **argv) {
  int status;
  char path[64];
  if (argc < 4) return 2;
  if ((commands = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0 || (answers = open(argv[2], O_WRONLY | O_CLOEXEC)) < 0) die("FIFOs");
  child = fork();
  if (child == 0) {
    char *environment[] = { "GLIBC_TUNABLES=glibc.cpu.x86_shstk=off", NULL };
    personality(ADDR_NO_RANDOMIZE);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execve(argv[3], argv + 3, environment);
    _exit(127);
  }
  if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) die("program");
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
  snprintf(path, sizeof path, "/proc/%d/mem", child);
  if ((memory = open(path, O_RDONLY)) < 0) die(path);
  for (;;) {
    char command;
    take(&command, 1);
    if (command == 'r') state();
    else if (command == 's') step();
    else if (command == 'p') page();
    else return 2;
  }
}

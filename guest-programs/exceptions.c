// What each exception tells the handler of its signal, from 64-bit and from 32-bit code: one line for each, "hardware" in front where
// what counts is the processor's and not what Linux makes of it. RIP and si_addr are shown by what they are near.
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

// asm/ldt.h, which musl does not have.
struct user_desc {
  unsigned entry_number, base, limit;
  unsigned seg_32bit : 1, contents : 2, read_exec_only : 1, limit_in_pages : 1, seg_not_present : 1, useable : 1, lm : 1;
};

/** Fixed, so that code of 32 bits can name them. */
#define CODE ((unsigned char *)0x10000000)
#define DATA ((unsigned char *)0x20000000)
enum { READ_ONLY = 0x1000, NONE = 0x2000, PAST_FILE = 0x4000, STACK_END = 0x1000 };

static sigjmp_buf away;
static char alternate[65536];

static void print_near(const char *name, unsigned long address) {
  if (address - (unsigned long)CODE < 64) printf(" %s code+%lu", name, address - (unsigned long)CODE);
  else if (address - (unsigned long)DATA < 0x8000) printf(" %s data+%lx", name, address - (unsigned long)DATA);
  else printf(" %s %lx", name, address);
}

static void tell(int signal, siginfo_t *info, void *context) {
  asm volatile("pushq $0x202; popfq; xorl %%eax, %%eax; movl %%eax, %%ds; movl %%eax, %%es" ::: "rax", "memory", "cc");
  ucontext_t *uc = context;
  greg_t *gregs = uc->uc_mcontext.gregs;
  printf("signal %d, code %d,", signal, info->si_code);
  print_near("addr", (unsigned long)info->si_addr);
  printf(", trapno %lld, err %llx,", gregs[REG_TRAPNO], gregs[REG_ERR]);
  if (gregs[REG_TRAPNO] == 14 && gregs[REG_CR2] != (greg_t)(unsigned long)info->si_addr) print_near("cr2", gregs[REG_CR2]);
  print_near("rip", gregs[REG_RIP]);
  printf(", RF %lld, cs %llx\n", gregs[REG_EFL] >> 16 & 1, gregs[REG_CSGSFS] & 0xffff);
  siglongjmp(away, 1);
}

struct row {
  const char *name;
  const char *bytes;
  int length;
};
#define ROW(name, bytes) {name, bytes, sizeof bytes - 1}

// Little-endian addresses in DATA as displacements of 32 bits.
#define AT_READ_ONLY "\x00\x10\x00\x20"
#define AT_NONE "\x00\x20\x00\x20"
#define AT_PAST_FILE "\x00\x40\x00\x20"
#define AT_UNMAPPED "\x00\x50\x00\x20"
#define OFF_EDI "\xbf\x00\x00\x00\x20"

static const struct row rows_64[] = {
    ROW("DIV by zero", "\x31\xc9\xf7\xf1"),
    ROW("IDIV overflow", "\x31\xc0\xba\x00\x00\x00\x80\xb9\xff\xff\xff\xff\xf7\xf9"),
    ROW("INT3", "\xcc"),
    ROW("INT 3", "\xcd\x03"),
    ROW("INT 4", "\xcd\x04"),
    ROW("INT 13", "\xcd\x0d"),
    ROW("INT 0xff", "\xcd\xff"),
    ROW("UD2", "\x0f\x0b"),
    ROW("UD1", "\x0f\xb9\xc0"),
    ROW("PUSH ES in 64-bit mode", "\x06"),
    ROW("LOCK on a register", "\xf0\x01\xc0"),
    ROW("HLT", "\xf4"),
    ROW("CLI", "\xfa"),
    ROW("STI", "\xfb"),
    ROW("IN", "\xec"),
    ROW("OUT", "\xe6\x80"),
    ROW("MOV from CR0", "\x0f\x20\xc0"),
    ROW("RDMSR", "\x0f\x32"),
    ROW("INVLPG", "\x0f\x01\x3f"),
    ROW("LGDT", "\x0f\x01\x17"),
    ROW("CLTS", "\x0f\x06"),
    ROW("WBINVD", "\x0f\x09"),
    ROW("non-canonical read", "\x48\xb8\x00\x00\x00\x00\x00\x80\x00\x00\x8a\x00"),
    ROW("misaligned MOVAPS", OFF_EDI "\x0f\x28\x47\x08"),
    ROW("read unmapped", "\x8a\x04\x25" AT_UNMAPPED),
    ROW("write unmapped", "\x88\x04\x25" AT_UNMAPPED),
    ROW("write read-only", "\x88\x04\x25" AT_READ_ONLY),
    ROW("read PROT_NONE", "\x8a\x04\x25" AT_NONE),
    ROW("read past the file's end", "\x8a\x04\x25" AT_PAST_FILE),
    ROW("write past the file's end", "\x88\x04\x25" AT_PAST_FILE),
    ROW("read that runs into the unmapped", "\x8b\x04\x25\xfe\x2f\x00\x20"),
    ROW("read-modify-write of read-only", "\xfe\x04\x25" AT_READ_ONLY),
    ROW("LOCK CMPXCHG of read-only that differs", "\xb8\x01\x00\x00\x00\xf0\x0f\xb1\x0c\x25" AT_READ_ONLY),
    ROW("jump to the unmapped", "\xb8" AT_UNMAPPED "\xff\xe0"),
    ROW("jump to data", "\xb8" AT_READ_ONLY "\xff\xe0"),
    ROW("CALL with an unmapped stack", "\xbc\x00\x60\x00\x20\xe8\x00\x00\x00\x00"),
    ROW("REP STOSB into read-only", "\xbf\xfe\x0f\x00\x20\xb9\x08\x00\x00\x00\xf3\xaa"),
    ROW("SSE invalid", "\x68\x00\x1f\x00\x00\x0f\xae\x14\x24\x58\x0f\x57\xc0\x0f\x5e\xc0"),
    ROW("SSE denormal", "\x68\x80\x1e\x00\x00\x0f\xae\x14\x24\x58\x6a\x01\xf3\x0f\x10\x04\x24\x58\xf3\x0f\x58\xc0"),
    ROW("SSE overflow", "\x68\x80\x1b\x00\x00\x0f\xae\x14\x24\x68\xff\xff\x7f\x7f\xf3\x0f\x10\x04\x24\x58\x58\xf3\x0f\x59\xc0"),
    ROW("SSE underflow", "\x68\x80\x17\x00\x00\x0f\xae\x14\x24\x68\x00\x00\x80\x00\xf3\x0f\x10\x04\x24\x58\x58\xf3\x0f\x59\xc0"),
    ROW("SSE precision", "\x68\x80\x0f\x00\x00\x0f\xae\x14\x24\x68\x00\x00\x40\x40\xf3\x0f\x10\x04\x24\x58\x58\xf3\x0f\x51\xc0"),
    ROW("x87 invalid", "\xdb\xe3\x68\x7e\x03\x00\x00\xd9\x2c\x24\x58\xd9\xee\xd8\xf0\x9b"),
    ROW("x87 stack fault", "\xdb\xe3\x68\x7e\x03\x00\x00\xd9\x2c\x24\x58\xd9\xc0\x9b"),
    ROW("x87 denormal", "\xdb\xe3\x68\x7d\x03\x00\x00\xd9\x2c\x24\x58\x6a\x01\xdd\x04\x24\x9b"),
    ROW("x87 division", "\xdb\xe3\x68\x7b\x03\x00\x00\xd9\x2c\x24\x58\xd9\xe8\xd9\xee\xde\xf9\x9b"),
    ROW("x87 overflow", "\xdb\xe3\x68\x77\x03\x00\x00\xd9\x2c\x24\x58\x68\x00\x00\xff\x7f\xd9\x04\x24\xd9\xe8\xd9\xfd\x9b\x68\xff\x7f\x00\x00\xdf\x04\x24\xd9\xe8\xd9\xfd\x9b\xd9\xfd\x9b"),
    ROW("x87 precision", "\xdb\xe3\x68\x5f\x03\x00\x00\xd9\x2c\x24\x58\xd9\xe8\xd9\xeb\xde\xf9\x9b"),
};

static const struct row hardware_64[] = {
    ROW("INT1", "\xf1"),
    ROW("non-canonical read by RBP", "\x48\xbd\x00\x00\x00\x00\x00\x80\x00\x00\x8a\x45\x00"),
    ROW("PUSH with a non-canonical stack", "\x48\xbc\x00\x00\x00\x00\x00\x90\x00\x00\x50"),
    ROW("FS loaded beyond the GDT", "\xb8\xfb\xff\x00\x00\x8e\xe0"),
    ROW("SS made null", "\x31\xc0\x8e\xd0"),
    ROW("IRETQ with NT", "\x68\x02\x42\x00\x00\x9d\x48\xcf"),
    ROW("far jump through a null selector", "\x48\x31\xc0\x50\x48\xff\x2c\x24"),
};

static const struct row rows_32[] = {
    ROW("BOUND", OFF_EDI "\xb8\xff\xff\xff\x7f\x62\x07"),
    ROW("INTO", "\xb8\xff\xff\xff\x7f\x40\xce"),
    ROW("AAM 0", "\xd4\x00"),
    ROW("INT3", "\xcc"),
    ROW("INT1", "\xf1"),
    ROW("INT 4", "\xcd\x04"),
    ROW("INT 5", "\xcd\x05"),
    ROW("UD2", "\x0f\x0b"),
    ROW("HLT", "\xf4"),
    ROW("MOV from CR0", "\x0f\x20\xc0"),
    ROW("ES loaded beyond the GDT", "\xb8\xfb\xff\x00\x00\x8e\xc0"),
    ROW("ES loaded with a segment of the kernel", "\xb8\x18\x00\x00\x00\x8e\xc0"),
    ROW("ES loaded, not present", "\xb8\x0f\x00\x00\x00\x8e\xc0"),
    ROW("SS loaded, not present", "\xb8\x0f\x00\x00\x00\x8e\xd0"),
    ROW("SS made null", "\x31\xc0\x8e\xd0"),
    ROW("read past a segment's limit", "\xb8\x17\x00\x00\x00\x8e\xc0\x26\xa0\x10\x00\x00\x00"),
    ROW("stack past its segment's limit", "\xb8\x17\x00\x00\x00\x8e\xd0\x5b\xbc\x00\x01\x00\x00\x58"),
    ROW("far jump beyond the GDT", "\xea\x00\x00\x00\x10\xfb\xff"),
    ROW("far jump to data", "\xea\x00\x00\x00\x10\x2b\x00"),
    ROW("far jump to 64-bit code, to UD2", "\xea\x07\x00\x00\x10\x33\x00\x0f\x0b"),
    ROW("IRETD with NT", "\x68\x02\x42\x00\x00\x9d\xcf"),
    ROW("read of a null pointer", "\xa0\x00\x00\x00\x00"),
    ROW("write read-only", "\xa2" AT_READ_ONLY),
    ROW("read past the file's end", "\xa0" AT_PAST_FILE),
    ROW("read at the top of 4 GiB", "\xa0\xff\xff\xff\xff"),
    ROW("jump to the unmapped", "\xb8" AT_UNMAPPED "\xff\xe0"),
    ROW("jump to data", "\xb8" AT_READ_ONLY "\xff\xe0"),
    ROW("PUSH with ESP 0", "\x31\xe4\x50"),
    ROW("alignment", "\x9c\x81\x0c\x24\x00\x00\x04\x00\x9d\x8b\x44\x24\x01"),
    ROW("single step", "\x9c\x81\x0c\x24\x00\x01\x00\x00\x9d\x90\x90"),
    ROW("SSE invalid", "\x68\x00\x1f\x00\x00\x0f\xae\x14\x24\x58\x0f\x57\xc0\x0f\x5e\xc0"),
    ROW("x87 division", "\xdb\xe3\x68\x7b\x03\x00\x00\xd9\x2c\x24\x58\xd9\xe8\xd9\xee\xde\xf9\x9b"),
};

static void run(const char *before, const struct row *row, int cs) {
  memset(CODE, 0x90, 4096);
  memcpy(CODE, row->bytes, row->length);
  CODE[row->length] = 0x0f; // UD2 behind it: what does not fault ends there
  CODE[row->length + 1] = 0x0b;
  printf("%s%s: ", before, row->name);
  if (sigsetjmp(away, 1)) {
    asm volatile("fninit; ldmxcsr %0" : : "m"((unsigned){0x1f80}));
    return;
  }
  // 32-bit code needs a stack below 4 GiB.
  asm volatile("movq %0, %%rsp; movl $0x2b, %%eax; cmpl $0x33, %%ebx; je 1f; movl %%eax, %%ds; movl %%eax, %%es; 1: pushq %%rbx; pushq %1; xorl %%eax, %%eax; lretq"
               : : "r"(DATA + STACK_END - 256), "r"(CODE), "b"((long)cs) : "memory", "rax");
  __builtin_unreachable();
}

static int make_ldt(void) {
  struct user_desc absent = {.entry_number = 1, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1, .seg_not_present = 1, .useable = 1};
  struct user_desc small = {.entry_number = 2, .limit = 15, .seg_32bit = 1, .useable = 1, .base = 0x20000000};
  return syscall(SYS_modify_ldt, 1, &absent, sizeof absent) == 0 && syscall(SYS_modify_ldt, 1, &small, sizeof small) == 0;
}

#define COUNT(table) (sizeof table / sizeof *table)

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  mmap(CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mmap(DATA, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mmap(DATA + READ_ONLY, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mmap(DATA + NONE, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  // A private mapping of the program's own file, far past its end.
  int fd = open("/proc/self/exe", O_RDONLY);
  if (mmap(DATA + PAST_FILE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 1 << 24) == MAP_FAILED) perror("mmap");
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, NULL);
  int all[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
  for (int i = 0; i < 5; i++) {
    struct sigaction action = {.sa_sigaction = tell, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(all[i], &action, NULL);
  }
  for (unsigned i = 0; i < COUNT(rows_64); i++) run("", rows_64 + i, 0x33);
  unsigned access = 0;
  asm volatile("lar %1, %0" : "+r"(access) : "r"(0x23));
  if (access == 0) printf("hardware: no 32-bit code segment\n");
  for (unsigned i = 0; i < COUNT(hardware_64); i++) run("hardware: ", hardware_64 + i, 0x33);
  if (access == 0) return 0;
  if (!make_ldt()) printf("hardware: no LDT\n");
  for (unsigned i = 0; i < COUNT(rows_32); i++) run("hardware: 32-bit, ", rows_32 + i, 0x23);
  return 0;
}

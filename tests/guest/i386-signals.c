// What a handler of 32-bit code finds, may change, and leaves: both kinds of frame, with and without a restorer; x87 and SSE state; calls that
// a signal cuts short. In the C library's terms where it has some, by bare system calls where not.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
static volatile int runs;
static char stack[65536] __attribute__((aligned(16)));
static int pipes[2];
static void count(int signal) { (void)signal; runs++; }
static void feed(int signal) { (void)signal; runs++; write(pipes[1], "x", 1); }
static unsigned selector(void) { unsigned s; __asm__("mov %%gs, %0" : "=r"(s)); return s; }
static unsigned before;
static void look(int signal, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    char here;
    unsigned cs, ds;
    __asm__("mov %%cs, %0" : "=r"(cs));
    __asm__("mov %%ds, %0" : "=r"(ds));
    int elsewhere = &here >= stack && &here < stack + sizeof stack;
    printf("handler: signal %d code %d, on the other stack %d, cs %x ds %x, gs kept %d\n", signal, info->si_code, elsewhere, cs, ds, selector() == before);
    greg_t *regs = uc->uc_mcontext.gregs;
    printf("frame: trapno %d err %d cs %x gs kept %d, alternate stack flags %d\n", regs[REG_TRAPNO], regs[REG_ERR], regs[REG_CS],
           (unsigned)regs[REG_GS] == before, (int)uc->uc_stack.ss_flags);
    fpregset_t fp = uc->uc_mcontext.fpregs;
    printf("fsave: cw %x tag %x st0 %Lg, fxsave %% 64 = %d\n", (unsigned)fp->cw & 0xffff, (unsigned)fp->tag & 0xffff, *(long double *)&fp->_st[0],
           ((unsigned)fp + 112) % 64);
    double x = 7;
    __asm__ volatile("fldl %0; fldl %0; movaps %%xmm6, %%xmm7; pxor %%xmm6, %%xmm6" :: "m"(x));
}
static void skip(int signal, siginfo_t *info, void *context) {
    ucontext_t *uc = context;
    greg_t *regs = uc->uc_mcontext.gregs;
    printf("fault: signal %d code %d trapno %d err %d\n", signal, info->si_code, regs[REG_TRAPNO], regs[REG_ERR]);
    regs[REG_EIP] += 2;
    regs[REG_EAX] = 42;
}
struct old_action { void (*handler)(int); unsigned long mask, flags; void (*restorer)(void); };
int main(void) {
    before = selector();
    struct sigaction action = {0};
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&other, 0);
    action.sa_sigaction = look;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGUSR1, &action, 0);
    long double kept;
    unsigned long long xmm[2] = {0x1122334455667788, 0x99aabbccddeeff00}, after[2];
    __asm__ volatile("finit; fldpi; movups %0, %%xmm6" :: "m"(xmm));
    syscall(SYS_kill, getpid(), SIGUSR1);
    __asm__ volatile("movups %%xmm6, %0; fstpt %1" : "=m"(after), "=m"(kept));
    printf("after: pi %.17Lg, xmm6 kept %d, gs kept %d\n", kept, !memcmp(xmm, after, 16), selector() == before);
    action.sa_sigaction = skip;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGILL, &action, 0);
    sigaction(SIGFPE, &action, 0);
    int result;
    __asm__ volatile("xor %%eax, %%eax; mov (%%eax), %%eax" : "=a"(result));
    printf("a load that was skipped: %d\n", result);
    __asm__ volatile("xor %%eax, %%eax; ud2" : "=a"(result));
    printf("ud2 that was skipped: %d\n", result);
    __asm__ volatile("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; div %%ecx" : "=a"(result) :: "ecx", "edx");
    printf("a division that was skipped: %d\n", result);
    /* the frames of before real-time signals, returned from by the vDSO's __kernel_sigreturn */
    struct old_action old = {count, 0, 0, 0}, was;
    printf("sigaction: %ld\n", syscall(SYS_sigaction, SIGUSR2, &old, 0));
    syscall(SYS_kill, getpid(), SIGUSR2);
    syscall(SYS_sigaction, SIGUSR2, 0, &was);
    printf("old frame: runs %d, handler told back %d\n", runs, was.handler == count);
    struct { void *handler; unsigned long flags; void *restorer; unsigned long long mask; } bare = {(void *)count, 4, 0, 0};
    printf("rt_sigaction: %ld\n", syscall(SYS_rt_sigaction, SIGUSR2, &bare, 0, 8));
    syscall(SYS_kill, getpid(), SIGUSR2);
    printf("frame without a restorer: runs %d\n", runs);
    pipe(pipes);
    signal(SIGALRM, feed);
    struct itimerval soon = {{0, 0}, {0, 3000}};
    char byte = 0;
    setitimer(ITIMER_REAL, &soon, 0);
    int got = read(pipes[0], &byte, 1);
    printf("read that is restarted: %d %c\n", got, byte);
    action.sa_handler = count;
    action.sa_flags = 0;
    sigaction(SIGALRM, &action, 0);
    setitimer(ITIMER_REAL, &soon, 0);
    errno = 0;
    got = read(pipes[0], &byte, 1);
    printf("read that is not: %d %d\n", got, errno);
    struct timespec second = {1, 0}, left = {9, 9};
    setitimer(ITIMER_REAL, &soon, 0);
    got = nanosleep(&second, &left);
    printf("nanosleep: %d, left less than a second %d\n", got, left.tv_sec == 0 && left.tv_nsec > 500000000);
    printf("sigprocmask: %ld", syscall(SYS_sigprocmask, SIG_BLOCK, &(unsigned long){1 << (SIGHUP - 1)}, 0));
    kill(getpid(), SIGHUP);
    unsigned long pending = 0;
    got = syscall(SYS_sigpending, &pending);
    printf(", sigpending %d %lx\n", got, pending);
    printf("runs %d\n", runs);
    return 0;
}

// System calls whose arguments and structs i386 lays out in its own way, through the C library. Prints the same as a 64-bit program.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

int main(int, char **);
static __thread int perThread = 42;
static volatile int got;
static sigjmp_buf back;
static jmp_buf there;

static void onSignal(int signal) { got = signal; }

static void onInfo(int signal, siginfo_t *info, void *context) {
    (void)context;
    printf("signal %d, code %d, own pid %d, value %d\n", signal, info->si_code, info->si_pid == getpid(), info->si_value.sival_int);
}

static void onFault(int signal, siginfo_t *info, void *context) {
    (void)context;
    long from = info->si_code == SEGV_ACCERR ? (long)main : 0;
    printf("signal %d, code %d, address %ld\n", signal, info->si_code, (long)info->si_addr - from);
    siglongjmp(back, 1);
}

static void files(const char *path) {
    char bytes[32] = {0}, first[4] = {0}, rest[16] = {0};
    struct stat stat;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0640);
    struct iovec out[2] = {{"hello ", 6}, {"world\n", 6}}, in[2] = {{first, 3}, {rest, 15}};
    printf("writev %zd\n", writev(fd, out, 2));
    int result = fstat(fd, &stat);
    printf("fstat %d, size %ld, mode %o\n", result, (long)stat.st_size, stat.st_mode);
    printf("lseek %ld\n", (long)lseek(fd, -6, SEEK_END));
    ssize_t count = read(fd, bytes, 31);
    printf("read %zd %s", count, bytes);
    count = preadv(fd, in, 2, 0);
    printf("preadv %zd %s|%s", count, first, rest);
    printf("pwrite %zd\n", pwrite(fd, "XX", 2, 4));
    count = pread(fd, bytes, 12, 0);
    printf("pread %zd %.12s", count, bytes);
    printf("ftruncate %d, fallocate %d\n", ftruncate(fd, 100), posix_fallocate(fd, 100, 50));
    lstat(path, &stat);
    printf("size %ld\n", (long)stat.st_size);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    printf("lock %d\n", fcntl(fd, F_SETLK, &lock));
    result = fcntl(fd, F_GETLK, &lock);
    printf("own lock %d, free %d\n", result, lock.l_type == F_UNLCK);
    char *shared = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    printf("mmap %.5s\n", shared);
    shared[0] = 'J';
    msync(shared, 4096, MS_SYNC);
    pread(fd, bytes, 1, 0);
    printf("%c\n", bytes[0]);
    munmap(shared, 8192);
    struct timespec times[2] = {{1000, 5}, {2000, 7}};
    futimens(fd, times);
    fstat(fd, &stat);
    printf("mtime %ld %ld\n", (long)stat.st_mtime, stat.st_mtim.tv_nsec);
    errno = 0;
    result = open("/nonexistent", O_RDONLY);
    printf("open %d %d\n", result, errno);
    close(fd);
    unlink(path);
}

static void directory(const char *path) {
    char inside[256];
    snprintf(inside, sizeof inside, "%s/a", path);
    mkdir(path, 0755);
    close(open(inside, O_CREAT | O_WRONLY, 0600));
    int entries = 0;
    DIR *open = opendir(path);
    for (struct dirent *entry; (entry = readdir(open));) entries += entry->d_name[0] == 'a' ? 10 : 1;
    closedir(open);
    printf("entries %d\n", entries);
    unlink(inside);
    rmdir(path);
}

static void memory(void) {
    char *area = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(area, 1, 1 << 20);
    area = mremap(area, 1 << 20, 2 << 20, MREMAP_MAYMOVE);
    printf("mremap %d %d\n", area != MAP_FAILED, area[100]);
    char *heap = malloc(3 << 20);
    memset(heap, 'x', 3 << 20);
    heap = realloc(heap, 5 << 20);
    printf("realloc %c\n", heap[100]);
    free(heap);
    printf("thread's own %d\n", perThread++);
    printf("thread's own %d\n", perThread);
}

static void signals(void) {
    struct sigaction action = {0};
    action.sa_handler = onSignal;
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGALRM, &action, 0);
    raise(SIGUSR1);
    printf("got %d\n", got);
    action.sa_sigaction = onInfo;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGRTMIN + 1, &action, 0);
    sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 77});
    action.sa_sigaction = onFault;
    sigaction(SIGSEGV, &action, 0);
    if (sigsetjmp(back, 1) == 0) *(volatile int *)16 = 1;
    if (sigsetjmp(back, 1) == 0) *(volatile char *)main = 1;
    if (setjmp(there) == 0) longjmp(there, 5);
    stack_t other = {.ss_sp = malloc(65536), .ss_size = 65536}, told;
    printf("sigaltstack %d\n", sigaltstack(&other, 0));
    sigaltstack(0, &told);
    printf("flags %d, size %d\n", told.ss_flags, (int)told.ss_size);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &set, 0);
    sigprocmask(SIG_BLOCK, 0, &old);
    printf("blocked %d %d %d\n", sigismember(&old, SIGUSR2), sigismember(&old, SIGRTMIN + 3), sigismember(&old, SIGUSR1));
    kill(getpid(), SIGUSR2);
    siginfo_t info;
    struct timespec none = {0, 0};
    int taken = sigtimedwait(&set, &info, &none);
    printf("sigtimedwait %d, code %d\n", taken, info.si_code);
}

static void clocks(void) {
    struct timespec real, moment = {0, 1000000};
    struct timeval day;
    clock_gettime(CLOCK_REALTIME, &real);
    gettimeofday(&day, 0);
    printf("clocks agree %d\n", labs((long)(day.tv_sec - real.tv_sec)) < 3 && day.tv_sec > 1000000000 && labs((long)(time(0) - day.tv_sec)) < 3);
    printf("nanosleep %d\n", nanosleep(&moment, 0));
    printf("clock_nanosleep %d\n", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec){0, 5}, 0));
    struct itimerval soon = {{0, 0}, {0, 2000}}, left;
    setitimer(ITIMER_REAL, &soon, 0);
    pause();
    int result = getitimer(ITIMER_REAL, &left);
    printf("alarm %d, getitimer %d %ld\n", got, result, (long)left.it_value.tv_usec);
    timer_t id;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    printf("timer_create %d\n", timer_create(CLOCK_MONOTONIC, &event, &id));
    timer_settime(id, 0, &(struct itimerspec){{0, 0}, {0, 1000000}}, 0);
    pause();
    printf("timer %d\n", got);
    struct tms tms;
    printf("times %d\n", times(&tms) != (clock_t)-1);
}

static void waits(void) {
    int ends[2];
    pipe(ends);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval soon = {0, 1000};
    printf("select %d\n", select(ends[0] + 1, &set, 0, 0, &soon));
    write(ends[1], "x", 1);
    FD_SET(ends[0], &set);
    int ready = select(ends[0] + 1, &set, 0, 0, 0);
    printf("select %d %d\n", ready, FD_ISSET(ends[0], &set) != 0);
    struct pollfd poll = {ends[0], POLLIN, 0};
    ready = ppoll(&poll, 1, &(struct timespec){0, 0}, 0);
    printf("ppoll %d %d\n", ready, poll.revents);
}

int main(int argc, char **argv) {
    struct rlimit limit;
    struct rusage usage;
    struct utsname name;
    printf("%d arguments, %s\n", argc - 1, getenv("GREETING"));
    files(argv[1]);
    directory(argv[1]);
    memory();
    signals();
    clocks();
    waits();
    getrlimit(RLIMIT_AS, &limit);
    printf("no limit %d\n", limit.rlim_cur == RLIM_INFINITY);
    int result = getrusage(RUSAGE_SELF, &usage);
    printf("getrusage %d %d\n", result, usage.ru_maxrss > 0);
    uname(&name);
    printf("%s %s\n", name.sysname, name.machine);
    double product = 1;
    for (int i = 1; i < 20; i++) product *= i / 3.0;
    printf("%.10g %Lg\n", product, (long double)1 / 3);
    return 7;
}

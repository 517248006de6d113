// Clocks that ring: alarm, setitimer, POSIX timers, timerfd and sleeps, and what is left of each. Prints facts that hold at any
// speed, so the lines are the same on any x86-64 Linux. `timers count N` computes under a timer of N microseconds instead, and
// prints how often it rang.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile int rang, code, value, overruns;

static void ring(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  rang++;
  code = info->si_code;
  value = info->si_value.sival_int;
  overruns += info->si_overrun;
}

static void handle(int signal, int flags) {
  struct sigaction action = {.sa_sigaction = ring, .sa_flags = SA_SIGINFO | flags};
  sigaction(signal, &action, NULL);
}

static double now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void sleep_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&time, &time)) continue;
}

static void alarms(void) {
  struct itimerval timer = {.it_value = {0, 20000}, .it_interval = {0, 20000}}, left, stop = {0};
  handle(SIGALRM, SA_RESTART);
  printf("alarm: %u", alarm(100));
  printf(" %u", alarm(7));
  printf(" %u\n", alarm(0));
  double begin = now(CLOCK_MONOTONIC);
  setitimer(ITIMER_REAL, &timer, NULL);
  while (rang < 5) pause();
  double took = now(CLOCK_MONOTONIC) - begin;
  getitimer(ITIMER_REAL, &left);
  setitimer(ITIMER_REAL, &stop, &left);
  printf("setitimer: 5 rings in 100 ms: %d, interval %ld, code %x\n", took >= 0.0999 && took < 5, left.it_interval.tv_usec, code);
  getitimer(ITIMER_REAL, &left);
  printf("stopped: %ld %ld\n", left.it_value.tv_usec, left.it_interval.tv_usec);
  timer.it_value.tv_usec = 1000000;
  int bad = setitimer(ITIMER_REAL, &timer, NULL);
  printf("too many microseconds: %d %s\n", bad, strerror(errno));
  for (int which = ITIMER_VIRTUAL; which <= ITIMER_PROF; which++) {
    struct itimerval cpu = {.it_value = {0, 10000}, .it_interval = {0, 10000}};
    handle(which == ITIMER_VIRTUAL ? SIGVTALRM : SIGPROF, SA_RESTART);
    rang = 0;
    setitimer(which, &cpu, NULL);
    sleep_ms(50);
    int asleep = rang;
    begin = now(CLOCK_PROCESS_CPUTIME_ID);
    while (rang < 3) continue;
    took = now(CLOCK_PROCESS_CPUTIME_ID) - begin;
    setitimer(which, &stop, NULL);
    printf("%s: asleep %d, then 3 rings of 10 ms: %d\n", which == ITIMER_VIRTUAL ? "ITIMER_VIRTUAL" : "ITIMER_PROF", asleep, took > 0.02 && took < 5);
  }
}

static void posix_timers(void) {
  timer_t timer, silent;
  struct itimerspec set = {.it_value = {0, 10000000}, .it_interval = {0, 10000000}}, got;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 1234};
  handle(SIGRTMIN + 3, 0);
  rang = overruns = 0;
  printf("timer_create: %d", timer_create(CLOCK_MONOTONIC, &event, &timer));
  event.sigev_notify = SIGEV_NONE;
  printf(" %d", timer_create(CLOCK_REALTIME, &event, &silent));
  event.sigev_notify = 99;
  printf(" %d", timer_create(CLOCK_REALTIME, &event, &silent));
  printf(" %s\n", strerror(errno));
  timer_settime(timer, 0, &set, NULL);
  while (rang < 3) pause();
  timer_gettime(timer, &got);
  printf("three rings: code %d, value %d, interval %ld, left at most that: %d\n", code, value, got.it_interval.tv_nsec,
         got.it_value.tv_sec == 0 && got.it_value.tv_nsec > 0 && got.it_value.tv_nsec <= 10000000);
  sigset_t block;
  sigemptyset(&block);
  sigaddset(&block, SIGRTMIN + 3);
  sigprocmask(SIG_BLOCK, &block, NULL);
  rang = overruns = 0;
  set.it_interval.tv_nsec = set.it_value.tv_nsec = 2000000;
  timer_settime(timer, 0, &set, NULL);
  sleep_ms(41);
  sigprocmask(SIG_UNBLOCK, &block, NULL);
  int first = rang, missed = overruns, told = timer_getoverrun(timer);
  printf("blocked for 20 intervals: rang %d, overruns %d, as timer_getoverrun says: %d\n", first, missed >= 19 && missed < 2000, missed == told);
  memset(&set, 0, sizeof set);
  timer_settime(timer, 0, &set, &got);
  timer_gettime(timer, &got);
  printf("stopped: %ld %ld\n", got.it_value.tv_nsec, got.it_interval.tv_nsec);
  clock_gettime(CLOCK_REALTIME, &set.it_value);
  set.it_value.tv_sec -= 5;
  rang = 0;
  timer_t past;
  event = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_int = 5};
  timer_create(CLOCK_REALTIME, &event, &past);
  timer_settime(past, TIMER_ABSTIME, &set, NULL);
  while (!rang) continue;
  printf("a moment that is past rings at once: value %d, overrun %d\n", value, timer_getoverrun(past));
  timer_delete(past);
  int gone = timer_gettime(past, &got);
  printf("deleted: %d %s\n", gone, strerror(errno));
  timer_t cpu;
  event.sigev_value.sival_int = 6;
  timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &cpu);
  set = (struct itimerspec){.it_value = {0, 5000000}};
  rang = 0;
  timer_settime(cpu, 0, &set, NULL);
  while (!rang) continue;
  printf("CPU time: value %d\n", value);
}

static void descriptors(void) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct itimerspec set = {.it_value = {0, 5000000}, .it_interval = {0, 5000000}}, got;
  uint64_t ticks = 0;
  long result = read(fd, &ticks, 8);
  printf("timerfd: unset %ld %s\n", result, strerror(errno));
  timerfd_settime(fd, 0, &set, NULL);
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  printf("poll: %d", poll(&wait, 1, 1000));
  sleep_ms(26);
  result = read(fd, &ticks, 8);
  printf(", read %ld, six at least: %d\n", result, ticks >= 6 && ticks < 1000);
  timerfd_gettime(fd, &got);
  printf("left: %d, interval %ld\n", got.it_value.tv_nsec > 0 && got.it_value.tv_nsec <= 5000000, got.it_interval.tv_nsec);
  fcntl(fd, F_SETFL, 0);
  result = read(fd, &ticks, 8);
  printf("a read that waits: %ld, some: %d\n", result, ticks >= 1);
  result = read(fd, &ticks, 7);
  printf("seven bytes: %ld %s", result, strerror(errno));
  result = timerfd_settime(0, 0, &set, NULL);
  printf("; no timer: %ld %s\n", result, strerror(errno));
  close(fd);
}

static void sleeps(void) {
  struct timespec time = {0, 30000000}, bad = {0, 1000000000};
  double begin = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  nanosleep(&time, NULL);
  double took = now(CLOCK_MONOTONIC) - begin, used = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  printf("nanosleep: in time %d, CPU %d\n", took >= 0.03 && took < 3, used > 0.02);
  clock_gettime(CLOCK_REALTIME, &time);
  time.tv_nsec += 20000000;
  if (time.tv_nsec >= 1000000000) time.tv_sec++, time.tv_nsec -= 1000000000;
  int result = clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL);
  struct timespec after;
  clock_gettime(CLOCK_REALTIME, &after);
  printf("clock_nanosleep: %d, not before: %d\n", result, after.tv_sec > time.tv_sec || (after.tv_sec == time.tv_sec && after.tv_nsec >= time.tv_nsec));
  result = nanosleep(&bad, NULL);
  printf("bad time: %d %s", result, strerror(errno));
  printf(", bad clock: %s", strerror(clock_nanosleep(77, 0, &time, NULL)));
  printf(", raw clock: %s\n", strerror(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &time, NULL)));
  begin = now(CLOCK_MONOTONIC);
  result = poll(NULL, 0, 15);
  took = now(CLOCK_MONOTONIC) - begin;
  printf("poll: %d after 15 ms: %d\n", result, took >= 0.0149 && took < 3);
  int word = 0;
  time = (struct timespec){0, 10000000};
  result = syscall(SYS_futex, &word, 0, 0, &time, NULL, 0);
  printf("futex: %d %s\n", result, strerror(errno));
}

static int count(long microseconds) {
  struct itimerval timer = {.it_value = {0, microseconds}, .it_interval = {0, microseconds}};
  unsigned hash = 1;
  handle(SIGALRM, 0);
  setitimer(ITIMER_REAL, &timer, NULL);
  for (int i = 0; i < 2000000; i++) hash = hash * 1664525 + 1013904223 + (hash >> 13);
  int rings = rang;
  printf("hash %08x, rang %d times\n", hash, rings);
  return 0;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 2 && strcmp(argv[1], "count") == 0) return count(atol(argv[2]));
  alarms();
  posix_timers();
  descriptors();
  sleeps();
  return 0;
}

// The code of the vDSO: what the C library calls instead of crossing into the kernel. It runs at ring 3 in every program, reads
// the vvar page and the time-stamp counter, and makes a system call only for what it does not serve.
// Entered from the guest's C library by an ordinary call. Returns there; nothing is pushed, so the return address stays
// at (%rsp) throughout, and only registers are used that a call may change.
//
//   rdi rsi rdx  arguments              rax  result: 0, or -errno from the system call
//   r8   struct vdso_data               r9   its basetime[clock]         r10d  sequence count at the start of the read

import {
  CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI,
  TICK_NS,
} from "./clock";
import {
  VDSO_BASETIME, VDSO_CLOCKMODE_TSC, VDSO_CLOCK_MODE, VDSO_CYCLE_LAST, VDSO_DATA_SIZE, VDSO_HRTIMER_RES, VDSO_MULT, VDSO_SEQ,
  VDSO_SHIFT, VDSO_TIMESTAMP_NSEC, VDSO_TIMESTAMP_SEC, VDSO_TIMESTAMP_SHIFT, VDSO_TZ, VVAR_START, VVAR_VDSO_DATA,
} from "./vvar-layout";
import type { VdsoFunction } from "./vdso-object";
import { GDT_ENTRY_CPUNODE } from "../ring0/segments";

/** Instructions that stand where a CPU without `feature` has others; as long as those (Linux's .altinstructions). */
export interface Alternative {
  feature: "RDPID";
  /** From this label on. */
  label: string;
  text: string;
}

export const vdsoFunctions: readonly VdsoFunction[] = [
  { name: "__vdso_clock_gettime", version: "LINUX_2.6", text: clockGettime },
  { name: "__vdso_gettimeofday", version: "LINUX_2.6", text: gettimeofday },
  { name: "__vdso_time", version: "LINUX_2.6", text: time },
  { name: "__vdso_clock_getres", version: "LINUX_2.6", text: clockGetres },
  { name: "__vdso_getcpu", version: "LINUX_2.6", text: getcpu },
];

const NR_GETTIMEOFDAY = 96;
const NR_CLOCK_GETTIME = 228;
const NR_CLOCK_GETRES = 229;
/** Clock ids from here on, negative ones too, are not the vDSO's. */
const MAX_CLOCKS = 16;
const NSEC_PER_SEC = 1_000_000_000;

const bits = (...clocks: number[]): number => clocks.reduce((mask, clock) => mask | (1 << clock), 0);
const VDSO_HRES = bits(CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI);
const VDSO_COARSE = bits(CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE);
const VDSO_RAW = bits(CLOCK_MONOTONIC_RAW);

/** Where struct vdso_data is, counted from `label`, which stands `offset` bytes into the image. */
function vdsoData(label: string, offset: number): string {
  return `${label}-${hex(offset - (VVAR_START + VVAR_VDSO_DATA))}(%rip)`;
}

/**
 * The read: rax = nanoseconds since the second in rdx, of the clock whose basetime r9 points to. The sequence count makes it one
 * moment's: the kernel may have interrupted us anywhere in here, and written.
 * x86 does loads in order; LFENCE keeps RDTSC, which is no load, from running ahead of them.
 */
function READ_HRES(fallback: string): string {
  return `
vdso_read_begin:
    movl    ${VDSO_SEQ}(%r8), %r10d
    testl   $1, %r10d
    jnz     vdso_read_wait              # the kernel is writing
    cmpl    $${VDSO_CLOCKMODE_TSC}, ${VDSO_CLOCK_MODE}(%r8)
    jne     ${fallback}
    lfence
    rdtsc
    shlq    $32, %rdx
    orq     %rdx, %rax                  # rax = cycles
    subq    ${VDSO_CYCLE_LAST}(%r8), %rax
    jae     vdso_read_scale
    xorl    %eax, %eax                  # a counter behind cycle_last: time stands still rather than jump 584 years
vdso_read_scale:
    movl    ${VDSO_MULT}(%r8), %edx
    imulq   %rdx, %rax
    addq    ${VDSO_TIMESTAMP_NSEC}(%r9), %rax            # which is shifted as the product is
    movl    ${VDSO_SHIFT}(%r8), %ecx
    shrq    %cl, %rax                   # rax = nanoseconds
    movq    ${VDSO_TIMESTAMP_SEC}(%r9), %rdx             # rdx = seconds
    cmpl    %r10d, ${VDSO_SEQ}(%r8)
    jne     vdso_read_begin
vdso_read_carry:
    cmpq    $${NSEC_PER_SEC}, %rax
    jb      vdso_read_done
    subq    $${NSEC_PER_SEC}, %rax            # once a second at most: cycle_last is never far
    incq    %rdx
    jmp     vdso_read_carry
vdso_read_wait:
    pause
    jmp     vdso_read_begin
vdso_read_done:`;
}

// int __vdso_clock_gettime(clockid_t clock, struct timespec *ts)
function clockGettime(offset: number): string {
  return `
__vdso_clock_gettime:
    cmpl    $${MAX_CLOCKS}, %edi
    jae     clock_gettime_fallback
    leaq    ${vdsoData("__vdso_clock_gettime", offset)}, %r8
    movl    $${hex(VDSO_HRES)}, %eax
    btl     %edi, %eax
    jc      clock_gettime_hres
    movl    $${hex(VDSO_COARSE)}, %eax
    btl     %edi, %eax
    jc      clock_gettime_coarse
    movl    $${hex(VDSO_RAW)}, %eax
    btl     %edi, %eax
    jnc     clock_gettime_fallback
    addq    $${VDSO_DATA_SIZE}, %r8                 # the second struct, CS_RAW
clock_gettime_hres:
    movl    %edi, %r9d
    shlq    $${VDSO_TIMESTAMP_SHIFT}, %r9
    leaq    ${VDSO_BASETIME}(%r8,%r9), %r9${READ_HRES("clock_gettime_fallback")}
    movq    %rdx, (%rsi)
    movq    %rax, 8(%rsi)
    xorl    %eax, %eax
    ret
clock_gettime_coarse:
    movl    %edi, %r9d
    shlq    $${VDSO_TIMESTAMP_SHIFT}, %r9
    leaq    ${VDSO_BASETIME}(%r8,%r9), %r9
coarse_begin:
    movl    ${VDSO_SEQ}(%r8), %r10d
    testl   $1, %r10d
    jnz     coarse_wait
    movq    ${VDSO_TIMESTAMP_SEC}(%r9), %rdx
    movq    ${VDSO_TIMESTAMP_NSEC}(%r9), %rax
    cmpl    %r10d, ${VDSO_SEQ}(%r8)
    jne     coarse_begin
    movq    %rdx, (%rsi)
    movq    %rax, 8(%rsi)
    xorl    %eax, %eax
    ret
coarse_wait:
    pause
    jmp     coarse_begin
clock_gettime_fallback:
    movl    $${NR_CLOCK_GETTIME}, %eax
    syscall
    ret
`;
}

// int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
function gettimeofday(offset: number): string {
  return `
__vdso_gettimeofday:
    leaq    ${vdsoData("__vdso_gettimeofday", offset)}, %r8
    testq   %rdi, %rdi
    jz      gettimeofday_zone
    leaq    ${VDSO_BASETIME + (CLOCK_REALTIME << VDSO_TIMESTAMP_SHIFT)}(%r8), %r9${READ_HRES("gettimeofday_fallback")}
    movq    %rdx, (%rdi)
    # usec = nsec / 1000. Nanoseconds fit into 30 bits, so the product with 2^38 / 1000, rounded up, is exact enough and fits.
    imulq   $${hex(Math.ceil(2 ** 38 / 1000))}, %rax, %rax
    shrq    $38, %rax
    movq    %rax, 8(%rdi)
gettimeofday_zone:
    testq   %rsi, %rsi
    jz      gettimeofday_done
    movq    ${VDSO_TZ}(%r8), %rax            # tz_minuteswest and tz_dsttime
    movq    %rax, (%rsi)
gettimeofday_done:
    xorl    %eax, %eax
    ret
gettimeofday_fallback:
    movl    $${NR_GETTIMEOFDAY}, %eax
    syscall
    ret
`;
}

// time_t __vdso_time(time_t *t): the second of the last tick. One aligned load, so no sequence count.
function time(offset: number): string {
  return `
__vdso_time:
    leaq    ${vdsoData("__vdso_time", offset)}, %r8
    movq    ${VDSO_BASETIME + (CLOCK_REALTIME << VDSO_TIMESTAMP_SHIFT) + VDSO_TIMESTAMP_SEC}(%r8), %rax
    testq   %rdi, %rdi
    jz      time_done
    movq    %rax, (%rdi)
time_done:
    ret
`;
}

// int __vdso_clock_getres(clockid_t clock, struct timespec *res)
function clockGetres(offset: number): string {
  return `
__vdso_clock_getres:
    cmpl    $${MAX_CLOCKS}, %edi
    jae     clock_getres_fallback
    leaq    ${vdsoData("__vdso_clock_getres", offset)}, %r8
    movl    ${VDSO_HRTIMER_RES}(%r8), %edx
    movl    $${hex(VDSO_HRES | VDSO_RAW)}, %eax
    btl     %edi, %eax
    jc      clock_getres_found
    movl    $${TICK_NS}, %edx
    movl    $${hex(VDSO_COARSE)}, %eax
    btl     %edi, %eax
    jnc     clock_getres_fallback
clock_getres_found:
    xorl    %eax, %eax
    testq   %rsi, %rsi
    jz      clock_getres_done
    movq    %rax, (%rsi)
    movq    %rdx, 8(%rsi)
clock_getres_done:
    ret
clock_getres_fallback:
    movl    $${NR_CLOCK_GETRES}, %eax
    syscall
    ret
`;
}

/** With the user's privilege level, which LSL wants the descriptor to allow. */
const __CPUNODE_SEG = GDT_ENTRY_CPUNODE * 8 + 3;
const VDSO_CPUNODE_BITS = 12;
const VDSO_CPUNODE_MASK = (1 << VDSO_CPUNODE_BITS) - 1;

// long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused). No memory is read: the number is the limit of a segment
// that each CPU's GDT has, cpu in bits 11:0 and node above, and MSR_TSC_AUX has the same.
function getcpu(): string {
  return `
__vdso_getcpu:
getcpu_read:
    movl    $${hex(__CPUNODE_SEG)}, %eax
    lsl     %ax, %eax
    testq   %rdi, %rdi
    jz      getcpu_node
    movl    %eax, %edx
    andl    $${hex(VDSO_CPUNODE_MASK)}, %edx
    movl    %edx, (%rdi)
getcpu_node:
    testq   %rsi, %rsi
    jz      getcpu_done
    shrl    $${VDSO_CPUNODE_BITS}, %eax
    movl    %eax, (%rsi)
getcpu_done:
    xorl    %eax, %eax
    ret
`;
}

export const vdsoAlternatives: readonly Alternative[] = [
  { feature: "RDPID", label: "getcpu_read", text: "rdpid %rax\n.byte 0x0f, 0x1f, 0x40, 0x00\n" }, // and a NOP of 4 bytes
];

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

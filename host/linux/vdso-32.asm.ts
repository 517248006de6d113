// The code of the 32-bit vDSO: __kernel_vsyscall, by which the C library makes its system calls without knowing the processor's
// door; the returns from signal handlers; and the clocks, which read the same vvar page as vdso.asm.ts.
// Entered from the guest's 32-bit code by an ordinary call, or by the RET of a signal handler. Returns there.
//
//   esi  struct vdso_data     edi  its basetime[clock]     ebp  sequence count at the start of the read

import {
  CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI,
  TICK_NS,
} from "./clock";
import {
  VDSO_BASETIME, VDSO_CLOCKMODE_TSC, VDSO_CLOCK_MODE, VDSO_CYCLE_LAST, VDSO_DATA_SIZE, VDSO_HRTIMER_RES, VDSO_MULT, VDSO_SEQ,
  VDSO_SHIFT, VDSO_TIMESTAMP_NSEC, VDSO_TIMESTAMP_SEC, VDSO_TIMESTAMP_SHIFT, VDSO_TZ, VVAR_START, VVAR_VDSO_DATA,
} from "./vvar-layout";
import type { VdsoFunction } from "./vdso-object";

/** Which instructions __kernel_vsyscall uses: they stand in front of its INT 0x80, which is what is left without either. */
export type FastDoor = "SYSENTER32" | "SYSCALL32";

// SYSENTER keeps no ESP: EBP passes it. SYSCALL destroys ECX: EBP passes argument 2. Argument 6, in EBP, is on the stack.
export const fastDoors: Readonly<Record<FastDoor, string>> = {
  SYSENTER32: "movl %esp, %ebp\nsysenter\n",
  SYSCALL32: "movl %ecx, %ebp\n.byte 0x0f, 0x05\n", // syscall, which the assembler has for 64-bit code only
};

const SAVED = ["ebx", "esi", "edi", "ebp"] as const;

/** In the image's order. */
export const vdso32Functions: readonly VdsoFunction[] = [
  { name: "__kernel_vsyscall", version: "LINUX_2.5", text: kernelVsyscall, pushes: ["ecx", "edx", "ebp"] },
  { name: "__kernel_sigreturn", version: "LINUX_2.5", text: sigreturn, signalFrame: { sigcontext: 4, popped: 1 } },
  { name: "__kernel_rt_sigreturn", version: "LINUX_2.5", text: rtSigreturn, signalFrame: { sigcontext: 160, popped: 0 } },
  { name: "get_pc", version: null, text: getPc },
  { name: "__vdso_clock_gettime", version: "LINUX_2.6", text: clockGettime, pushes: SAVED },
  { name: "__vdso_clock_gettime64", version: "LINUX_2.6", text: clockGettime64, pushes: SAVED },
  { name: "__vdso_gettimeofday", version: "LINUX_2.6", text: gettimeofday, pushes: SAVED },
  { name: "__vdso_time", version: "LINUX_2.6", text: time, pushes: SAVED },
  { name: "__vdso_clock_getres", version: "LINUX_2.6", text: clockGetres, pushes: SAVED },
];

const NR_GETTIMEOFDAY = 78;
const NR_SIGRETURN = 119;
const NR_RT_SIGRETURN = 173;
const NR_CLOCK_GETTIME = 265;
const NR_CLOCK_GETRES = 266;
const NR_CLOCK_GETTIME64 = 403;
const MAX_CLOCKS = 16;
const NSEC_PER_SEC = 1_000_000_000;

const bits = (...clocks: number[]): number => clocks.reduce((mask, clock) => mask | (1 << clock), 0);
const VDSO_HRES = bits(CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI);
const VDSO_COARSE = bits(CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE);
const VDSO_RAW = bits(CLOCK_MONOTONIC_RAW);

// The kernel returns from both fast doors to the landing pad, and restarts a call by the INT 0x80 in front of it.
function kernelVsyscall(): string {
  return `
__kernel_vsyscall:
    pushl   %ecx
    pushl   %edx
    pushl   %ebp
kernel_vsyscall_door:
    .byte   0x90, 0x90, 0x90, 0x90      # room for one of fastDoors
    int     $0x80
int80_landing_pad:
    popl    %ebp
    popl    %edx
    popl    %ecx
    ret
`;
}

// Where a handler without sa_restorer returns to: ESP points behind pretcode, to the signal's number.
function sigreturn(): string {
  return `
__kernel_sigreturn:
    popl    %eax
    movl    $${NR_SIGRETURN}, %eax
    int     $0x80
`;
}

function rtSigreturn(): string {
  return `
__kernel_rt_sigreturn:
    movl    $${NR_RT_SIGRETURN}, %eax
    int     $0x80
`;
}

// 32-bit code has no addressing relative to EIP.
function getPc(): string {
  return `
get_pc:
    movl    (%esp), %esi
    ret
`;
}

const CALL_BYTES = 5;
const PUSH_BYTES = 1;
/** From ESP after PROLOGUE to the function's first argument. */
const ARGUMENT = SAVED.length * 4 + 4;

/** A call of another function of the image: `label` stands `offset` bytes into it. */
function CALL(label: string, offset: number, target: number): string {
  const distance = target - offset;
  return `call    ${label}${distance < 0 ? "-" : "+"}${hex(Math.abs(distance))}`;
}

/** Saves what a function must keep, and makes ESI point to struct vdso_data. */
function PROLOGUE(label: string, offset: number, offsetOf: (name: string) => number): string {
  const here = offset + SAVED.length * PUSH_BYTES + CALL_BYTES;
  return `
${label}:
    pushl   %ebx
    pushl   %esi
    pushl   %edi
    pushl   %ebp
    ${CALL(label, offset, offsetOf("get_pc"))}
    subl    $${hex(here - (VVAR_START + VVAR_VDSO_DATA))}, %esi`;
}

/** The end of every function: the unwind data counts on it. */
const EPILOGUE = `
    popl    %ebp
    popl    %edi
    popl    %esi
    popl    %ebx
    ret
`;

/**
 * The read: eax = nanoseconds since the second in ecx:ebx, of the clock whose basetime edi points to. The sequence count makes it one
 * moment's.
 */
function READ_HRES(name: string): string {
  return `
${name}_begin:
    movl    ${VDSO_SEQ}(%esi), %ebp
    testl   $1, %ebp
    jnz     ${name}_wait                # the kernel is writing
    cmpl    $${VDSO_CLOCKMODE_TSC}, ${VDSO_CLOCK_MODE}(%esi)
    jne     ${name}_fallback
    lfence
    rdtsc
    subl    ${VDSO_CYCLE_LAST}(%esi), %eax
    sbbl    ${VDSO_CYCLE_LAST + 4}(%esi), %edx
    jae     ${name}_scale
    xorl    %eax, %eax                  # a counter behind cycle_last: time stands still
    xorl    %edx, %edx
${name}_scale:
    movl    %edx, %ecx
    mull    ${VDSO_MULT}(%esi)                    # cycles * mult, modulo 2^64
    imull   ${VDSO_MULT}(%esi), %ecx
    addl    %ecx, %edx
    addl    ${VDSO_TIMESTAMP_NSEC}(%edi), %eax              # which is shifted as the product is
    adcl    ${VDSO_TIMESTAMP_NSEC + 4}(%edi), %edx
    movl    ${VDSO_SHIFT}(%esi), %ecx
    shrdl   %cl, %edx, %eax
    shrl    %cl, %edx                   # edx:eax = nanoseconds
    movl    ${VDSO_TIMESTAMP_SEC}(%edi), %ebx
    movl    ${VDSO_TIMESTAMP_SEC + 4}(%edi), %ecx              # ecx:ebx = seconds
    cmpl    %ebp, ${VDSO_SEQ}(%esi)
    jne     ${name}_begin
${name}_carry:
    testl   %edx, %edx
    jnz     ${name}_second
    cmpl    $${NSEC_PER_SEC}, %eax
    jb      ${name}_read
${name}_second:
    subl    $${NSEC_PER_SEC}, %eax            # once a second at most: cycle_last is never far
    sbbl    $0, %edx
    addl    $1, %ebx
    adcl    $0, %ecx
    jmp     ${name}_carry
${name}_wait:
    pause
    jmp     ${name}_begin
${name}_read:`;
}

// int __vdso_clock_gettime(clockid_t clock, struct old_timespec32 *ts)
function clockGettime(offset: number, offsetOf: (name: string) => number): string {
  const store = `
    movl    %ebx, (%edi)
    movl    %eax, 4(%edi)`;
  return gettime("__vdso_clock_gettime", "gettime", NR_CLOCK_GETTIME, store, offset, offsetOf);
}

// int __vdso_clock_gettime64(clockid_t clock, struct __kernel_timespec *ts)
function clockGettime64(offset: number, offsetOf: (name: string) => number): string {
  const store = `
    movl    %ebx, (%edi)
    movl    %ecx, 4(%edi)
    movl    %eax, 8(%edi)
    movl    $0, 12(%edi)`;
  return gettime("__vdso_clock_gettime64", "gettime64", NR_CLOCK_GETTIME64, store, offset, offsetOf);
}

function gettime(label: string, name: string, call: number, store: string, offset: number, offsetOf: (name: string) => number): string {
  return `${PROLOGUE(label, offset, offsetOf)}
    movl    ${ARGUMENT}(%esp), %ecx
    cmpl    $${MAX_CLOCKS}, %ecx
    jae     ${name}_fallback
    movl    %ecx, %edi
    shll    $${VDSO_TIMESTAMP_SHIFT}, %edi
    movl    $${hex(VDSO_HRES)}, %eax
    btl     %ecx, %eax
    jc      ${name}_hres
    movl    $${hex(VDSO_COARSE)}, %eax
    btl     %ecx, %eax
    jc      ${name}_coarse
    movl    $${hex(VDSO_RAW)}, %eax
    btl     %ecx, %eax
    jnc     ${name}_fallback
    addl    $${VDSO_DATA_SIZE}, %esi                 # the second struct, CS_RAW
${name}_hres:
    leal    ${VDSO_BASETIME}(%esi,%edi), %edi${READ_HRES(name)}
${name}_store:
    movl    ${ARGUMENT + 4}(%esp), %edi${store}
    xorl    %eax, %eax
    jmp     ${name}_done
${name}_coarse:
    leal    ${VDSO_BASETIME}(%esi,%edi), %edi
${name}_coarse_begin:
    movl    ${VDSO_SEQ}(%esi), %ebp
    testl   $1, %ebp
    jnz     ${name}_coarse_wait
    movl    ${VDSO_TIMESTAMP_SEC}(%edi), %ebx
    movl    ${VDSO_TIMESTAMP_SEC + 4}(%edi), %ecx
    movl    ${VDSO_TIMESTAMP_NSEC}(%edi), %eax
    cmpl    %ebp, ${VDSO_SEQ}(%esi)
    jne     ${name}_coarse_begin
    jmp     ${name}_store
${name}_coarse_wait:
    pause
    jmp     ${name}_coarse_begin
${name}_fallback:
    movl    ${ARGUMENT}(%esp), %ebx
    movl    ${ARGUMENT + 4}(%esp), %ecx
    movl    $${call}, %eax
    ${CALL(label, offset, offsetOf("__kernel_vsyscall"))}
${name}_done:${EPILOGUE}`;
}

// int __vdso_gettimeofday(struct old_timeval32 *tv, struct timezone *tz)
function gettimeofday(offset: number, offsetOf: (name: string) => number): string {
  return `${PROLOGUE("__vdso_gettimeofday", offset, offsetOf)}
    cmpl    $0, ${ARGUMENT}(%esp)
    je      gettimeofday_zone
    leal    ${VDSO_BASETIME + (CLOCK_REALTIME << VDSO_TIMESTAMP_SHIFT)}(%esi), %edi${READ_HRES("gettimeofday")}
    movl    ${ARGUMENT}(%esp), %edi
    movl    %ebx, (%edi)
    # usec = nsec / 1000, as a product with 2^38 / 1000, rounded up: exact for the 30 bits of nanoseconds.
    movl    $${hex(Math.ceil(2 ** 38 / 1000))}, %edx
    mull    %edx
    shrl    $6, %edx
    movl    %edx, 4(%edi)
gettimeofday_zone:
    movl    ${ARGUMENT + 4}(%esp), %edi
    testl   %edi, %edi
    jz      gettimeofday_good
    movl    ${VDSO_TZ}(%esi), %eax
    movl    %eax, (%edi)                # tz_minuteswest
    movl    ${VDSO_TZ + 4}(%esi), %eax
    movl    %eax, 4(%edi)               # tz_dsttime
gettimeofday_good:
    xorl    %eax, %eax
    jmp     gettimeofday_done
gettimeofday_fallback:
    movl    ${ARGUMENT}(%esp), %ebx
    movl    ${ARGUMENT + 4}(%esp), %ecx
    movl    $${NR_GETTIMEOFDAY}, %eax
    ${CALL("__vdso_gettimeofday", offset, offsetOf("__kernel_vsyscall"))}
gettimeofday_done:${EPILOGUE}`;
}

// old_time32_t __vdso_time(old_time32_t *t): the second of the last tick
function time(offset: number, offsetOf: (name: string) => number): string {
  return `${PROLOGUE("__vdso_time", offset, offsetOf)}
    movl    ${VDSO_BASETIME + (CLOCK_REALTIME << VDSO_TIMESTAMP_SHIFT) + VDSO_TIMESTAMP_SEC}(%esi), %eax
    movl    ${ARGUMENT}(%esp), %edi
    testl   %edi, %edi
    jz      time_done
    movl    %eax, (%edi)
time_done:${EPILOGUE}`;
}

// int __vdso_clock_getres(clockid_t clock, struct old_timespec32 *res)
function clockGetres(offset: number, offsetOf: (name: string) => number): string {
  return `${PROLOGUE("__vdso_clock_getres", offset, offsetOf)}
    movl    ${ARGUMENT}(%esp), %ecx
    cmpl    $${MAX_CLOCKS}, %ecx
    jae     clock_getres_fallback
    movl    ${VDSO_HRTIMER_RES}(%esi), %edx
    movl    $${hex(VDSO_HRES | VDSO_RAW)}, %eax
    btl     %ecx, %eax
    jc      clock_getres_found
    movl    $${TICK_NS}, %edx
    movl    $${hex(VDSO_COARSE)}, %eax
    btl     %ecx, %eax
    jnc     clock_getres_fallback
clock_getres_found:
    xorl    %eax, %eax
    movl    ${ARGUMENT + 4}(%esp), %edi
    testl   %edi, %edi
    jz      clock_getres_done
    movl    %eax, (%edi)
    movl    %edx, 4(%edi)
    jmp     clock_getres_done
clock_getres_fallback:
    movl    ${ARGUMENT}(%esp), %ebx
    movl    ${ARGUMENT + 4}(%esp), %ecx
    movl    $${NR_CLOCK_GETRES}, %eax
    ${CALL("__vdso_clock_getres", offset, offsetOf("__kernel_vsyscall"))}
clock_getres_done:${EPILOGUE}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

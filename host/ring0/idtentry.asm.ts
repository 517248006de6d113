// Exceptions and interrupts: one table of vectors gives the IDT gates and the entry stubs.
// Entered from the CPU's event delivery, out of CPL 3 or CPL 0. Leaves to host/linux by VMCALL, returns by IRETQ.

import { PER_CPU_AREA, PER_CPU_HARDIRQ_STACK_PTR, hexLinear } from "./layout";
import { PT_CS, PT_IP, PT_ORIG_AX, PT_REGS_SIZE, PT_SP } from "./pt-regs";
import { HYPERCALL_EXCEPTION, HYPERCALL_EXIT_TO_USER_MODE, HYPERCALL_INTERRUPT } from "./hypercall";
import {
  ASM_CLAC, HYPERCALL, PER_CPU_TSS_sp1, PUSH_AND_CLEAR_REGS, RESTORE_CR3, RESTORE_GS, SAVE_AND_SWITCH_TO_KERNEL_CR3,
  SWITCH_TO_KERNEL_CR3, type EntryOptions,
} from "./calling.asm";
import { MSR_GS_BASE } from "../../kernel/abi/msr";
import {
  VECTOR_AC, VECTOR_BP, VECTOR_BR, VECTOR_DB, VECTOR_DE, VECTOR_DF, VECTOR_GP, VECTOR_MC, VECTOR_MF, VECTOR_NM, VECTOR_NMI,
  VECTOR_NP, VECTOR_OF, VECTOR_PF, VECTOR_SS, VECTOR_TIMER, VECTOR_TS, VECTOR_UD, VECTOR_XM,
} from "../../kernel/abi/vectors";

export interface VectorRow {
  vector: number;
  /** Label of the stub that the gate points to. */
  label: string;
  /** The CPU pushes an error code (SDM Vol. 3A table 6-1). */
  errorCode?: boolean;
  /** Lowest privilege that may reach the gate by INT n, INT3 or INTO. */
  dpl: 0 | 3;
  /** 1 to 7: the CPU switches to this stack always. 0: it switches to TSS.sp0 when it comes from CPL 3. */
  ist: number;
  /**
   * idtentry   comes with GS and CR3 to match its CPL: a look at CS is enough
   * paranoid   can come between a SWAPGS and the CR3 switch beside it: from CPL 0 both must be looked at
   * interrupt  handled on the IRQ stack
   * nmi        paranoid, and may nest: nmi.asm.ts has its stub
   * syscall    a system call: entry-compat.asm.ts has its stub
   */
  entry: "idtentry" | "paranoid" | "interrupt" | "nmi" | "syscall";
}

const exception = (vector: number, name: string, more: Partial<VectorRow> = {}): VectorRow => ({
  vector, label: `asm_exc_${name}`, dpl: 0, ist: 0, entry: "idtentry", ...more,
});

/** First vector that is not an exception. */
const FIRST_EXTERNAL_VECTOR = 0x20;
const IA32_SYSCALL_VECTOR = 0x80;

/** Linux arch/x86/kernel/idt.c and asm/idtentry.h. IST numbers are those of EXCEPTION_STACKS in layout.ts. */
export const VECTORS: readonly VectorRow[] = [
  exception(VECTOR_DE, "divide_error"),
  exception(VECTOR_DB, "debug", { ist: 3, entry: "paranoid" }),
  exception(VECTOR_NMI, "nmi", { ist: 2, entry: "nmi" }),
  exception(VECTOR_BP, "int3", { dpl: 3 }),
  exception(VECTOR_OF, "overflow", { dpl: 3 }),
  exception(VECTOR_BR, "bounds"),
  exception(VECTOR_UD, "invalid_op"),
  exception(VECTOR_NM, "device_not_available"),
  exception(VECTOR_DF, "double_fault", { ist: 1, entry: "paranoid", errorCode: true }),
  exception(9, "coproc_segment_overrun"),
  exception(VECTOR_TS, "invalid_tss", { errorCode: true }),
  exception(VECTOR_NP, "segment_not_present", { errorCode: true }),
  exception(VECTOR_SS, "stack_segment", { errorCode: true }),
  exception(VECTOR_GP, "general_protection", { errorCode: true }),
  exception(VECTOR_PF, "page_fault", { errorCode: true }),
  exception(15, "spurious_interrupt_bug"),
  exception(VECTOR_MF, "coprocessor_error"),
  exception(VECTOR_AC, "alignment_check", { errorCode: true }),
  exception(VECTOR_MC, "machine_check", { ist: 4, entry: "paranoid" }),
  exception(VECTOR_XM, "simd_coprocessor_error"),
  { vector: IA32_SYSCALL_VECTOR, label: "entry_INT80_compat", dpl: 3, ist: 0, entry: "syscall" },
  ...externalVectors(),
];

function externalVectors(): VectorRow[] {
  const rows: VectorRow[] = [];
  for (let vector = FIRST_EXTERNAL_VECTOR; vector < 256; vector++) {
    if (vector === IA32_SYSCALL_VECTOR) continue;
    const label = vector === VECTOR_TIMER ? "asm_sysvec_apic_timer_interrupt" : `irq_entry_${vector.toString(16)}`;
    rows.push({ vector, label, dpl: 0, ist: 0, entry: "interrupt" });
  }
  return rows;
}

const HARDIRQ_STACK_PTR = `%gs:0x${PER_CPU_HARDIRQ_STACK_PTR.toString(16)}`;

export function idtentries(o: EntryOptions): string {
  return VECTORS.map((row) => stub(o, row)).join("") + commonInterrupt(o) + errorEntry(o) + paranoidEntry(o);
}

function stub(o: EntryOptions, row: VectorRow): string {
  if (row.entry === "syscall" || row.entry === "nmi") return "";
  if (row.entry === "interrupt") return interruptStub(row);
  return row.entry === "paranoid" ? paranoidStub(o, row) : idtentryStub(o, row);
}

// On every stub's first instruction the CPU has pushed SS, RSP, RFLAGS, CS, RIP (and the error code) and cleared IF.
// From CPL 3: on the entry stack, user CR3, user GS. From CPL 0: on the stack in use, kernel CR3, kernel GS.
function idtentryStub(o: EntryOptions, row: VectorRow): string {
  return `
${row.label}:${prologue(o, row)}
${idtentryBody(row)}`;
}

function prologue(o: EntryOptions, row: VectorRow): string {
  return `${ASM_CLAC(o)}
    cld${row.errorCode ? "" : "\n    pushq   $-1                         # pt_regs->orig_ax: no system call to restart"}`;
}

function idtentryBody(row: VectorRow): string {
  return `    call    error_entry
    movq    %rax, %rsp                  # pt_regs: from user mode on the task stack${exceptionCall(row)}
    jmp     error_return
`;
}

function exceptionCall(row: VectorRow): string {
  const error = row.errorCode
    ? `
    movq    ${PT_ORIG_AX}(%rsp), %rsi            # argument: error code
    movq    $-1, ${PT_ORIG_AX}(%rsp)`
    : `
    xorl    %esi, %esi`;
  return `
    movq    %rsp, %rdi                  # argument: pt_regs${error}
    movl    $${row.vector}, %edx${HYPERCALL(HYPERCALL_EXCEPTION, row.label.slice(4))}`;
}

// These can hit entry_SYSCALL_64 before its SWAPGS or CR3 switch, and the exit path after them, so each has a stack of its own.
// Out of user mode there is nothing to doubt, and the IST stack is left at once: then the handler may sleep or switch tasks.
function paranoidStub(o: EntryOptions, row: VectorRow): string {
  const label = row.label;
  const fromUser = row.vector === VECTOR_DF ? "" : `
    testb   $3, ${PT_CS - PT_ORIG_AX}(%rsp)
    jnz     ${label}_from_usermode`;
  return `
${label}:${prologue(o, row)}${fromUser}
    call    paranoid_entry${exceptionCall(row)}
    jmp     paranoid_exit
${fromUser === "" ? "" : `${label}_from_usermode:
${idtentryBody(row)}`}`;
}

function interruptStub(row: VectorRow): string {
  return `
${row.label}:
    pushq   $${row.vector}
    jmp     asm_common_interrupt`;
}

// The vector lies where an error code would.
function commonInterrupt(o: EntryOptions): string {
  return `
asm_common_interrupt:${ASM_CLAC(o)}
    cld
    call    error_entry
    movq    %rax, %rsp
    movq    %rsp, %rdi                  # argument: pt_regs
    movq    ${PT_ORIG_AX}(%rsp), %rdx            # argument: vector
    movq    $-1, ${PT_ORIG_AX}(%rsp)
    movq    %rsp, %rbx
    movq    ${HARDIRQ_STACK_PTR}, %rsp${HYPERCALL(HYPERCALL_INTERRUPT, "common_interrupt")}
    movq    %rbx, %rsp
    testb   $3, ${PT_CS}(%rsp)
    jz      restore_regs_and_return_to_kernel
    movq    %rsp, %rdi${HYPERCALL(HYPERCALL_EXIT_TO_USER_MODE, "irqentry_exit_to_user_mode")}
    jmp     swapgs_restore_regs_and_return_to_usermode
`;
}

function errorEntry(o: EntryOptions): string {
  return `
# Completes pt_regs and answers its address in RAX. Called with orig_ax on top of the stack. From user mode it switches GS, CR3,
# and moves pt_regs to the task stack (in Linux the last is a C function, sync_regs). Clobbers all registers.
error_entry:${PUSH_AND_CLEAR_REGS({ saveRet: true })}
    testb   $3, ${PT_CS + 8}(%rsp)
    jz      error_kernelspace
    swapgs${SWITCH_TO_KERNEL_CR3(o, "%rax")}
sync_regs:
    leaq    8(%rsp), %rsi
    movq    ${PER_CPU_TSS_sp1}, %rdi
    subq    $${PT_REGS_SIZE}, %rdi
    movq    %rdi, %rax
    movl    $${PT_REGS_SIZE / 8}, %ecx
    rep movsq
    ret

# From kernel mode GS and CR3 are the kernel's and pt_regs stays. Except: the IRETQ to user mode faulted, on a frame that user code
# made up. It did so after SWAPGS and on the user CR3.
error_kernelspace:
    leaq    native_irq_return_iret(%rip), %rcx
    cmpq    %rcx, ${PT_IP + 8}(%rsp)
    je      error_bad_iret
    leaq    8(%rsp), %rax
    ret
# Make it look as if the fault had come from user mode: registers and error code of this frame over the five words of that one.
error_bad_iret:
    swapgs${SWITCH_TO_KERNEL_CR3(o, "%rax")}
    leaq    8(%rsp), %rsi
    movq    ${PER_CPU_TSS_sp1}, %rdi
    subq    $${PT_REGS_SIZE}, %rdi
    movq    %rdi, %rax
    movl    $${PT_IP / 8}, %ecx
    rep movsq
    movq    ${PT_SP + 8}(%rsp), %rsi           # RSP at the IRETQ: its frame
    movl    $${(PT_REGS_SIZE - PT_IP) / 8}, %ecx
    rep movsq
    ret

error_return:
    testb   $3, ${PT_CS}(%rsp)
    jz      restore_regs_and_return_to_kernel
    jmp     swapgs_restore_regs_and_return_to_usermode
`;
}

function paranoidEntry(o: EntryOptions): string {
  const saveGs = o.fsgsbase
    ? `
    rdgsbase %rbx                       # with FSGSBASE a user GS base may look like a kernel one: save it, set ours
    movabs  $0x${hexLinear(PER_CPU_AREA)}, %rax
    wrgsbase %rax
    ret`
    : `
    movl    $1, %ebx
    movl    $0x${MSR_GS_BASE.toString(16)}, %ecx
    rdmsr
    testl   %edx, %edx
    js      paranoid_entry_done         # in the upper half: it is the kernel's
    xorl    %ebx, %ebx
    swapgs
paranoid_entry_done:
    ret`;
  return `
# As error_entry, for entries out of kernel mode that may have either GS and either CR3. Leaves the CR3 it found in R14 and the GS
# base in RBX (or, without FSGSBASE, whether it was the kernel's) for paranoid_exit.
paranoid_entry:${PUSH_AND_CLEAR_REGS({ saveRet: true })}${SAVE_AND_SWITCH_TO_KERNEL_CR3(o, "%rax", "%r14", "paranoid_entry_cr3")}${saveGs}

paranoid_exit:${RESTORE_CR3(o, "%rax", "%r14", "paranoid_exit_cr3")}${RESTORE_GS(o, "paranoid_exit_done")}
paranoid_exit_done:
    jmp     restore_regs_and_return_to_kernel
`;
}

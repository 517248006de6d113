// The doors of 32-bit system calls: INT 0x80, SYSENTER, and SYSCALL from compatibility mode, with the quick way back that the two
// fast ones share.
// Entered from the IDT's gate 0x80, MSR_SYSENTER_EIP and MSR_CSTAR. Leaves to host/linux by VMCALL, returns by SYSRETL or IRETQ.
//
//   eax  system-call number            ebx ecx edx esi edi ebp  arguments
//
// SYSENTER saves neither RIP nor RSP, and SYSCALL destroys ECX. So only the 32-bit vDSO's __kernel_vsyscall uses them: it pushes
// what will be lost, and passes ESP in EBP (SYSENTER) or ECX in EBP (SYSCALL); argument 6, in EBP, it leaves on top of its
// stack. And the kernel goes back to one place only, the vDSO's landing pad behind an INT 0x80, which pops it all again.

import { CEA_ENTRY_STACK_TOP, PER_CPU_SYSENTER_RETURN } from "./layout";
import { HYPERCALL_DO_FAST_SYSCALL_32, HYPERCALL_DO_INT80_SYSCALL_32 } from "./hypercall";
import {
  ASM_CLAC, HYPERCALL, PER_CPU_TSS_sp1, PUSH_AND_CLEAR_REGS, SWITCH_TO_KERNEL_CR3, SWITCH_TO_USER_CR3_NOSTACK, type EntryOptions,
} from "./calling.asm";
import { PT_AX, PT_BP, PT_BX, PT_CS, PT_FLAGS, PT_IP, PT_ORIG_AX, PT_SP, PT_SS } from "./pt-regs";
import { __USER32_CS, __USER_DS } from "./segments";
import { FLAG_AC, FLAG_FIXED, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF } from "../../kernel/abi/bits";

const ENOSYS = 38;
const SYSENTER_RETURN = `%gs:${hex(PER_CPU_SYSENTER_RETURN)}`;

/** RSP as SYSENTER loads it: the entry stack, mapped on the user CR3. */
export const SYSENTER_STACK = CEA_ENTRY_STACK_TOP;

export function entryCompat(o: EntryOptions): string {
  return entryInt80(o) + entrySysenter(o) + entrySyscall(o);
}

// From 32-bit code, and from 64-bit code too, which thereby reaches the 32-bit table. The hardware has saved everything, so all
// registers come back but EAX, and the way back is IRETQ.
function entryInt80(o: EntryOptions): string {
  return `
# INT 0x80 at CPL 3, through a gate of DPL 3. On the entry stack, which holds SS RSP RFLAGS CS RIP; IF = 0; user CR3, user GS.
entry_INT80_compat:${ASM_CLAC(o)}
    swapgs
    movl    %eax, %eax                  # only 32 bits of the number count
    pushq   %rax                        # pt_regs->orig_ax${SWITCH_TO_KERNEL_CR3(o, "%rax")}
    movq    %rsp, %rax
    movq    ${PER_CPU_TSS_sp1}, %rsp
    pushq   40(%rax)                    # pt_regs->ss
    pushq   32(%rax)                    # pt_regs->sp
    pushq   24(%rax)                    # pt_regs->flags
    pushq   16(%rax)                    # pt_regs->cs
    pushq   8(%rax)                     # pt_regs->ip
    pushq   (%rax)                      # pt_regs->orig_ax${PUSH_AND_CLEAR_REGS({ rax: `$-${ENOSYS}` })}
    cld
    movq    %rsp, %rdi                  # argument: pt_regs${HYPERCALL(HYPERCALL_DO_INT80_SYSCALL_32, "do_int80_syscall_32")}
    jmp     swapgs_restore_regs_and_return_to_usermode
`;
}

function entrySysenter(o: EntryOptions): string {
  return `
# SYSENTER has done: RIP, RSP and CS from its MSRs, SS, IF = 0, CPL = 0. Every other flag is the user's, TF too: then each
# instruction from here on traps, on the #DB stack, until the flags are put right.
entry_SYSENTER_compat:
    swapgs
    pushq   %rax                        # on the entry stack${SWITCH_TO_KERNEL_CR3(o, "%rax")}
    popq    %rax
    movq    ${PER_CPU_TSS_sp1}, %rsp
    pushq   $${hex(__USER_DS)}                       # pt_regs->ss
    pushq   %rbp                        # pt_regs->sp: where the vDSO has kept it
    pushfq                              # pt_regs->flags ...
    orq     $${hex(FLAG_IF)}, (%rsp)               # ... in which only IF was lost: user code has it set
    pushq   $${hex(__USER32_CS)}                       # pt_regs->cs
    pushq   ${SYSENTER_RETURN}                   # pt_regs->ip: the landing pad
entry_SYSENTER_compat_after_hwframe:
    movl    %eax, %eax
    pushq   %rax                        # pt_regs->orig_ax${PUSH_AND_CLEAR_REGS({ rax: `$-${ENOSYS}` })}
    cld
    testl   $${hex(FLAG_NT | FLAG_AC | FLAG_TF)}, ${PT_FLAGS}(%rsp)
    jnz     sysenter_fix_flags
sysenter_flags_fixed:
    movq    %rsp, %rdi                  # argument: pt_regs${HYPERCALL(HYPERCALL_DO_FAST_SYSCALL_32, "do_SYSENTER_32")}
    jmp     sysret32_from_system_call
# NT would make IRETQ fault, AC would switch SMAP off, TF traps.
sysenter_fix_flags:
    pushq   $${hex(FLAG_FIXED)}
    popfq
    jmp     sysenter_flags_fixed
__end_entry_SYSENTER_compat:
`;
}

function entrySyscall(o: EntryOptions): string {
  return `
# SYSCALL in compatibility mode, on AMD only, has done: ECX = EIP of the next instruction, R11 = RFLAGS, RFLAGS &= ~FMASK, CS and SS
# from STAR, CPL = 0.
entry_SYSCALL_compat:
    swapgs
    movl    %esp, %r8d                  # a register that 32-bit code does not have${SWITCH_TO_KERNEL_CR3(o, "%rsp")}
    movq    ${PER_CPU_TSS_sp1}, %rsp
    pushq   $${hex(__USER_DS)}                       # pt_regs->ss
    pushq   %r8                         # pt_regs->sp
    pushq   %r11                        # pt_regs->flags
    pushq   $${hex(__USER32_CS)}                       # pt_regs->cs
    pushq   ${SYSENTER_RETURN}                   # pt_regs->ip: the landing pad, where restarting finds an INT 0x80
entry_SYSCALL_compat_after_hwframe:
    movl    %eax, %eax
    pushq   %rax                        # pt_regs->orig_ax${PUSH_AND_CLEAR_REGS({ rax: `$-${ENOSYS}`, rcx: "%rbp" })}
    movq    %rsp, %rdi                  # argument: pt_regs${HYPERCALL(HYPERCALL_DO_FAST_SYSCALL_32, "do_fast_syscall_32")}

# The call is done. SYSRETL loads EIP from ECX and RFLAGS from R11, which is as well, since at the landing pad nobody needs
# them: but it cannot restore RF or TF, nor any other CS, SS or RIP that a handler of signals has asked for.
sysret32_from_system_call:
    cmpq    $${hex(__USER32_CS)}, ${PT_CS}(%rsp)
    jne     swapgs_restore_regs_and_return_to_usermode
    cmpq    $${hex(__USER_DS)}, ${PT_SS}(%rsp)
    jne     swapgs_restore_regs_and_return_to_usermode
    movq    ${PT_IP}(%rsp), %rcx
    cmpq    ${SYSENTER_RETURN}, %rcx
    jne     swapgs_restore_regs_and_return_to_usermode
    movq    ${PT_FLAGS}(%rsp), %r11
    testq   $${hex(FLAG_RF | FLAG_TF)}, %r11
    jnz     swapgs_restore_regs_and_return_to_usermode
    movq    ${PT_BX}(%rsp), %rbx
    movq    ${PT_BP}(%rsp), %rbp
    addq    $${hex(PT_AX)}, %rsp
    popq    %rax
    popq    %rdx                        # pt_regs->cx: dropped, RCX is the way back
    popq    %rdx
    popq    %rsi
    popq    %rdi
    movq    ${PT_SP - PT_ORIG_AX}(%rsp), %rsp          # the user's: nothing of the task stack is needed any more${SWITCH_TO_USER_CR3_NOSTACK(o, "%r8", "%r9", "sysret32_cr3")}
    xorl    %r8d, %r8d                  # what the kernel had in them is nobody's business
    xorl    %r9d, %r9d
    xorl    %r10d, %r10d
entry_SYSRETL_compat_unsafe_stack:
    swapgs
    sysretl
`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

// entry_SYSCALL_64, both halves, and the two ways back to CPL 3 that every entry shares.
// Entered from SYSCALL at CPL 3 (MSR_LSTAR). Leaves to host/linux by VMCALL, comes back behind it, returns by SYSRET or IRETQ.

import { PER_CPU_ESPFIX_STACK, PER_CPU_ESPFIX_WADDR } from "./layout";
import { __USER_CS, __USER_DS } from "./segments";
import { FLAG_RF, FLAG_TF } from "../../kernel/abi/bits";
import { HYPERCALL_DO_SYSCALL_64, HYPERCALL_EXIT_TO_USER_MODE } from "./hypercall";
import {
  HYPERCALL, PER_CPU_TSS_sp0, PER_CPU_TSS_sp1, PER_CPU_TSS_sp2, POP_REGS, PUSH_AND_CLEAR_REGS, SWITCH_TO_KERNEL_CR3,
  SWITCH_TO_USER_CR3_STACK, type EntryOptions,
} from "./calling.asm";
import { PT_CS, PT_CX, PT_DI, PT_FLAGS, PT_IP, PT_R11, PT_SP, PT_SS } from "./pt-regs";

const ENOSYS = 38;
const ESPFIX_STACK = `%gs:${hex(PER_CPU_ESPFIX_STACK)}`;
const ESPFIX_WADDR = `%gs:${hex(PER_CPU_ESPFIX_WADDR)}`;
/** Bits of an address above the 47 of a user one, and the shift that makes it canonical. */
const CANONICAL_SHIFT = 64 - 48;

export function entry64(o: EntryOptions): string {
  return `
# SYSCALL has done: RCX = RIP of the next instruction, R11 = RFLAGS, RFLAGS &= ~FMASK (so IF = 0, DF = 0), CS and SS from STAR,
# CPL = 0. Everything else is still the user's: RSP, CR3, GS.
#
#   rax  system-call number            rdi rsi rdx r10 r8 r9  arguments
#   rcx  return address                r11  saved RFLAGS       (r10 and not rcx holds argument 4 for that reason)
entry_SYSCALL_64:
    swapgs                              # GS base: the per-CPU area
    movq    %rsp, ${PER_CPU_TSS_sp2}           # no register is free and no stack is ours: TSS.sp2 is scratch${SWITCH_TO_KERNEL_CR3(o, "%rsp")}
    movq    ${PER_CPU_TSS_sp1}, %rsp           # TSS.sp1: current top of kernel stack
entry_SYSCALL_64_safe_stack:
    pushq   $${hex(__USER_DS)}                       # pt_regs->ss
    pushq   ${PER_CPU_TSS_sp2}                 # pt_regs->sp
    pushq   %r11                        # pt_regs->flags
    pushq   $${hex(__USER_CS)}                       # pt_regs->cs
    pushq   %rcx                        # pt_regs->ip
entry_SYSCALL_64_after_hwframe:
    pushq   %rax                        # pt_regs->orig_ax${PUSH_AND_CLEAR_REGS({ rax: `$-${ENOSYS}` })}
    movq    %rsp, %rdi                  # argument: pt_regs${HYPERCALL(HYPERCALL_DO_SYSCALL_64, "do_syscall_64")}

# The handler has run. Kernel CR3, kernel GS, task stack with pt_regs on top. SYSRET is the quick way back, and loads RIP from
# RCX and RFLAGS from R11: so it can be taken only if pt_regs still asks for just that.
entry_SYSCALL_64_after_call:
    movq    ${PT_CX}(%rsp), %rcx
    movq    ${PT_IP}(%rsp), %r11
    cmpq    %rcx, %r11
    jne     swapgs_restore_regs_and_return_to_usermode
    # On Intel a SYSRET to a non-canonical RCX faults at CPL 0 with the user's RSP: sign-extend and see whether it changes.
    shlq    $${CANONICAL_SHIFT}, %rcx
    sarq    $${CANONICAL_SHIFT}, %rcx
    cmpq    %rcx, %r11
    jne     swapgs_restore_regs_and_return_to_usermode
    cmpq    $${hex(__USER_CS)}, ${PT_CS}(%rsp)
    jne     swapgs_restore_regs_and_return_to_usermode
    movq    ${PT_R11}(%rsp), %r11
    cmpq    %r11, ${PT_FLAGS}(%rsp)
    jne     swapgs_restore_regs_and_return_to_usermode
    # SYSRET cannot restore RF, and with TF set it would trap before the first user instruction instead of after it.
    testq   $${hex(FLAG_RF | FLAG_TF)}, %r11
    jnz     swapgs_restore_regs_and_return_to_usermode
    cmpq    $${hex(__USER_DS)}, ${PT_SS}(%rsp)
    jne     swapgs_restore_regs_and_return_to_usermode
syscall_return_via_sysret:${POP_REGS({ popRdi: false })}
    movq    %rsp, %rdi
    movq    ${PER_CPU_TSS_sp0}, %rsp           # the task stack is not mapped on the user CR3, the entry stack is
    pushq   ${PT_SP - PT_DI}(%rdi)                   # user RSP
    pushq   (%rdi)                      # user RDI${SWITCH_TO_USER_CR3_STACK(o, "%rdi", "sysret_cr3")}
    popq    %rdi
    popq    %rsp
entry_SYSRETQ_unsafe_stack:             # CPL 0 on the user's stack: only an NMI, #DB or #MC can come here, hence their IST
    swapgs
    sysretq

# Where a new task starts: a pt_regs that nobody pushed is on top of its kernel stack. Kernel CR3, kernel GS.
ret_from_fork:
    movq    %rsp, %rdi${HYPERCALL(HYPERCALL_EXIT_TO_USER_MODE, "syscall_exit_to_user_mode")}
    jmp     swapgs_restore_regs_and_return_to_usermode

# The general way to CPL 3. Kernel CR3, kernel GS, RSP = pt_regs. The frame is copied to the entry stack, since IRETQ must find
# it after the switch to the user CR3.
swapgs_restore_regs_and_return_to_usermode:${POP_REGS({ popRdi: false })}
    movq    %rsp, %rdi
    movq    ${PER_CPU_TSS_sp0}, %rsp
    pushq   ${PT_SS - PT_DI}(%rdi)
    pushq   ${PT_SP - PT_DI}(%rdi)
    pushq   ${PT_FLAGS - PT_DI}(%rdi)
    pushq   ${PT_CS - PT_DI}(%rdi)
    pushq   ${PT_IP - PT_DI}(%rdi)
    pushq   (%rdi)                      # user RDI${SWITCH_TO_USER_CR3_STACK(o, "%rdi", "iret_cr3")}
    popq    %rdi
    swapgs
    jmp     native_iret

# Back into interrupted kernel code: no switch of any kind.
restore_regs_and_return_to_kernel:${POP_REGS()}
    addq    $8, %rsp                    # orig_ax
native_iret:
    testb   $4, 32(%rsp)                # SS in the LDT: it may be a 16-bit stack
    jnz     native_irq_return_ldt
# Faults here, on a frame the user made (non-canonical RIP, bad CS or SS), come in at CPL 0; error_entry knows this label.
native_irq_return_iret:
    iretq

# IRETQ to a 16-bit stack leaves bits 31:16 of ESP as they are, so it must run on a stack that has the user's there (espfix.ts).
# User CR3, user GS, on the entry stack with the frame on top; all other registers are the user's.
native_irq_return_ldt:
    pushq   %rdi
    swapgs${SWITCH_TO_KERNEL_CR3(o, "%rdi")}
    movq    ${ESPFIX_WADDR}, %rdi
    movq    %rax, (%rdi)                # user RAX
    movq    8(%rsp), %rax               # RIP
    movq    %rax, 8(%rdi)
    movq    16(%rsp), %rax              # CS
    movq    %rax, 16(%rdi)
    movq    24(%rsp), %rax              # RFLAGS
    movq    %rax, 24(%rdi)
    movq    40(%rsp), %rax              # SS
    movq    %rax, 40(%rdi)
    movq    32(%rsp), %rax              # RSP
    movq    %rax, 32(%rdi)
    andl    $0xffff0000, %eax
    orq     ${ESPFIX_STACK}, %rax             # the alias whose bits 31:16 are those of the user's RSP${SWITCH_TO_USER_CR3_STACK(o, "%rdi", "espfix_cr3")}
native_irq_return_ldt_swapgs:
    swapgs
    popq    %rdi
    movq    %rax, %rsp
    popq    %rax
    jmp     native_irq_return_iret
`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

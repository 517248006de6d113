// The NMI, whose handler may itself be interrupted by the next one (Linux arch/x86/entry/entry_64.S, asm_exc_nmi).
// Entered from the CPU's event delivery, out of CPL 3 or CPL 0, always on the NMI stack. Leaves to host/linux by VMCALL, returns by IRETQ.
//
// NMIs are blocked until the next IRET, whichever that is: when an exception happens inside the handler, its IRETQ unblocks them too
// early, and a second NMI pushes its frame over the first one's, for IST starts at the top each time. So the frame that IRETQ will
// use is never the one that the hardware has pushed:
//
//    top of the NMI stack
//   -0x28  | SS RSP RFLAGS CS RIP |  pushed by the hardware, by each NMI anew
//   -0x30  | RDX                  |
//   -0x38  | NMI executing        |  1 while the handler runs
//   -0x60  | SS RSP RFLAGS CS RIP |  the frame that ends the handler; a nested NMI points it to repeat_nmi
//   -0x88  | SS RSP RFLAGS CS RIP |  copy of the outermost NMI's own, the lower part of its pt_regs
//          | orig_ax, registers   |
//
// A nested NMI does no more than that, and goes back: the outer one then runs its handler once more.

import { EXCEPTION_STACK_SIZE } from "./layout";
import {
  ASM_CLAC, HYPERCALL, POP_REGS, RESTORE_CR3, RESTORE_GS, type EntryOptions,
} from "./calling.asm";
import { HYPERCALL_EXCEPTION } from "./hypercall";
import { __KERNEL_CS, __KERNEL_DS } from "./segments";
import { FLAG_DF } from "../../kernel/abi/bits";
import { VECTOR_NMI } from "../../kernel/abi/vectors";

// Offsets from RSP once RDX is pushed.
const IP = 8;
const CS = 16;
const FLAGS = 24;
const SP = 32;
const TOP = 48;
const NMI_EXECUTING = -8;
/** From there to the outermost NMI's own frame, where RSP is at repeat_nmi. */
const OUTERMOST = -88;
const FRAME = 5 * 8;

const repeat = (times: number, line: string): string => `\n    ${line}`.repeat(times);

export function nmi(o: EntryOptions): string {
  return `
asm_exc_nmi:${ASM_CLAC(o)}
    cld
    testb   $3, ${CS - 8}(%rsp)
    jz      nmi_from_kernel
# Nothing to doubt: it goes on on the task stack, where no NMI writes. No other work is done before the return, as interrupts would be
# let in for it while NMIs are blocked.
    pushq   $-1                         # pt_regs->orig_ax
    call    error_entry
    movq    %rax, %rsp${callHandler()}
    jmp     swapgs_restore_regs_and_return_to_usermode

nmi_from_kernel:
    pushq   %rdx
    # Did it interrupt the copying of frames below? Then the handler has not begun, and will run anyway.
    leaq    repeat_nmi(%rip), %rdx
    cmpq    ${IP}(%rsp), %rdx
    ja      nmi_not_copying
    leaq    end_repeat_nmi(%rip), %rdx
    cmpq    ${IP}(%rsp), %rdx
    ja      nested_nmi_out
nmi_not_copying:
    cmpl    $1, ${NMI_EXECUTING}(%rsp)
    je      nested_nmi
    # Or between the clearing of that word and the IRETQ behind it? There RSP is on this stack, and DF is set: at entry of a system
    # call RSP could be anything of the user's, but DF is clear.
    leaq    ${TOP}(%rsp), %rdx
    cmpq    %rdx, ${SP}(%rsp)
    ja      first_nmi
    subq    $${EXCEPTION_STACK_SIZE}, %rdx
    cmpq    %rdx, ${SP}(%rsp)
    jb      first_nmi
    testb   $${FLAG_DF >> 8}, ${FLAGS + 1}(%rsp)
    jz      first_nmi
nested_nmi:
    leaq    ${OUTERMOST}(%rsp), %rdx
    subq    $8, %rsp                    # over "NMI executing"
    pushq   $${__KERNEL_DS}
    pushq   %rdx
    pushfq
    pushq   $${__KERNEL_CS}
    leaq    repeat_nmi(%rip), %rdx
    pushq   %rdx
    addq    $${FRAME + 8}, %rsp
nested_nmi_out:
    popq    %rdx
    iretq                               # to the kernel, and so without a fault

first_nmi:
    movq    (%rsp), %rdx
    pushq   $0                          # NMI executing
    subq    $${FRAME}, %rsp${repeat(5, `pushq   ${2 * FRAME + 8}(%rsp)`)}
# RSP is at the outermost frame. From here a nested NMI is told by RIP, and changes nothing.
repeat_nmi:
    movq    $1, ${2 * FRAME}(%rsp)
    addq    $${2 * FRAME}, %rsp${repeat(5, `pushq   ${-FRAME - 8}(%rsp)`)}
    subq    $${FRAME}, %rsp
end_repeat_nmi:
    pushq   $-1                         # pt_regs->orig_ax
    call    paranoid_entry${callHandler()}${RESTORE_CR3(o, "%rax", "%r14", "nmi_cr3")}${RESTORE_GS(o, "nmi_restore")}
nmi_restore:${POP_REGS()}
    addq    $${FRAME + 8}, %rsp                   # orig_ax and the outermost frame
    std                                 # a mark for the check above, until IRETQ
    movq    $0, ${FRAME}(%rsp)                 # NMI executing
nmi_iret:
    iretq
`;
}

function callHandler(): string {
  return `
    movq    %rsp, %rdi                  # argument: pt_regs
    xorl    %esi, %esi
    movl    $${VECTOR_NMI}, %edx${HYPERCALL(HYPERCALL_EXCEPTION, "exc_nmi")}`;
}

// Macros of the entry code, under the names they have in Linux (arch/x86/entry/calling.h). Each returns AT&T text.
// Called from entry-64.asm.ts, entry-compat.asm.ts and idtentry.asm.ts, which set out what is live where.

import {
  PER_CPU_CPU_TSS_RW,
  PER_CPU_USER_PCID_FLUSH_MASK,
} from "./layout";
import { TSS_sp0, TSS_sp1, TSS_sp2 } from "./descriptors";

/** What the text depends on. */
export interface EntryOptions {
  /** Two page tables an address space: the code switches CR3. */
  pti: boolean;
  /** CR4.PCIDE: a CR3 switch keeps the TLB. Without `pti` there is no switch and this changes nothing in the text. */
  pcid: boolean;
  /** CR4.SMAP: exceptions clear AC. */
  smap: boolean;
  /** CR4.FSGSBASE: user code may have any GS base, so paranoid entry must save and restore it instead of looking at its sign. */
  fsgsbase: boolean;
}

// The pair of PML4 pages differs in bit 12 of CR3, the two PCIDs in bit 11 (Linux arch/x86/mm/tlb.c, "user pcid").
export const PTI_USER_PGTABLE_BIT = 12;
export const PTI_USER_PCID_BIT = 11;
export const PTI_USER_PGTABLE_AND_PCID_MASK = (1 << PTI_USER_PGTABLE_BIT) | (1 << PTI_USER_PCID_BIT);
export const X86_CR3_PCID_NOFLUSH_BIT = 63;

const tss = (field: number) => `%gs:0x${(PER_CPU_CPU_TSS_RW + field).toString(16)}`;
/** Operands in the per-CPU cpu_tss_rw; GS must be the kernel's. */
export const PER_CPU_TSS_sp0 = tss(TSS_sp0);
export const PER_CPU_TSS_sp1 = tss(TSS_sp1);
export const PER_CPU_TSS_sp2 = tss(TSS_sp2);
const USER_PCID_FLUSH_MASK = `%gs:0x${PER_CPU_USER_PCID_FLUSH_MASK.toString(16)}`;

/**
 * Pushes the 15 general registers above orig_ax, then zeroes all of them but RSP, so that no value of the user's steers what
 * the kernel does speculatively.
 * @param rax what goes into pt_regs->ax
 * @param rdx what goes into pt_regs->dx
 * @param rcx what goes into pt_regs->cx
 * @param saveRet a return address lies on top of the stack and must end up on top again
 */
export function PUSH_AND_CLEAR_REGS(o: { rax?: string; rdx?: string; rcx?: string; saveRet?: boolean } = {}): string {
  const di = o.saveRet
    ? `
    pushq   %rsi                        # pt_regs->si; the return address is one slot too high ...
    movq    8(%rsp), %rsi               # ... so take it out
    movq    %rdi, 8(%rsp)               # pt_regs->di`
    : `
    pushq   %rdi                        # pt_regs->di
    pushq   %rsi                        # pt_regs->si`;
  return `${di}
    pushq   ${pad(o.rdx ?? "%rdx")}# pt_regs->dx
    pushq   ${pad(o.rcx ?? "%rcx")}# pt_regs->cx
    pushq   ${pad(o.rax ?? "%rax")}# pt_regs->ax
    pushq   %r8                         # pt_regs->r8
    pushq   %r9                         # pt_regs->r9
    pushq   %r10                        # pt_regs->r10
    pushq   %r11                        # pt_regs->r11
    pushq   %rbx                        # pt_regs->bx
    pushq   %rbp                        # pt_regs->bp
    pushq   %r12                        # pt_regs->r12
    pushq   %r13                        # pt_regs->r13
    pushq   %r14                        # pt_regs->r14
    pushq   %r15                        # pt_regs->r15${
      o.saveRet
        ? `
    pushq   %rsi                        # the return address, on top again`
        : ""
    }
    xorl    %esi, %esi
    xorl    %edx, %edx
    xorl    %ecx, %ecx
    xorl    %r8d, %r8d
    xorl    %r9d, %r9d
    xorl    %r10d, %r10d
    xorl    %r11d, %r11d
    xorl    %ebx, %ebx
    xorl    %ebp, %ebp
    xorl    %r12d, %r12d
    xorl    %r13d, %r13d
    xorl    %r14d, %r14d
    xorl    %r15d, %r15d`;
}

function pad(operand: string): string {
  return operand.padEnd(28);
}

/** Pops the 15 general registers. @param popRdi false leaves pt_regs->di on the stack, for code that still needs RDI */
export function POP_REGS(o: { popRdi?: boolean } = {}): string {
  return `
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rax
    popq    %rcx
    popq    %rdx
    popq    %rsi${o.popRdi === false ? "" : "\n    popq    %rdi"}`;
}

/** User CR3 -> kernel CR3. Clobbers `scratch`. */
export function SWITCH_TO_KERNEL_CR3(o: EntryOptions, scratch: string): string {
  if (!o.pti) return "";
  return `
    movq    %cr3, ${scratch}${ADJUST_KERNEL_CR3(o, scratch)}
    movq    ${scratch}, %cr3`;
}

function ADJUST_KERNEL_CR3(o: EntryOptions, register: string): string {
  return `${SET_NOFLUSH_BIT(o, register)}
    andq    $~0x${PTI_USER_PGTABLE_AND_PCID_MASK.toString(16)}, ${register}           # kernel half, kernel PCID`;
}

function SET_NOFLUSH_BIT(o: EntryOptions, register: string): string {
  if (!o.pcid) return "";
  return `
    btsq    $${X86_CR3_PCID_NOFLUSH_BIT}, ${register}                  # keep the TLB entries of the PCID we go to`;
}

/** Kernel CR3 -> user CR3, with both scratch registers free. `label` makes the local labels unique. */
export function SWITCH_TO_USER_CR3_NOSTACK(o: EntryOptions, scratch: string, scratch2: string, label: string): string {
  if (!o.pti) return "";
  if (!o.pcid) {
    return `
    movq    %cr3, ${scratch}
    orq     $0x${(1 << PTI_USER_PGTABLE_BIT).toString(16)}, ${scratch}               # user half
    movq    ${scratch}, %cr3`;
  }
  // The kernel half of an address space may have been changed under the user PCID's feet; then its bit in the mask is set, and
  // this one CR3 write goes without NOFLUSH (Linux invalidate_user_asid).
  return `
    movq    %cr3, ${scratch}
    movq    ${scratch}, ${scratch2}
    andl    $0x7ff, ${low(scratch)}                  # the kernel PCID ...
    btq     ${scratch}, ${USER_PCID_FLUSH_MASK}            # ... must its user twin be flushed?
    jnc     ${label}_noflush
    btrq    ${scratch}, ${USER_PCID_FLUSH_MASK}
    jmp     ${label}_wrcr3
${label}_noflush:${SET_NOFLUSH_BIT(o, scratch2)}
${label}_wrcr3:
    orq     $0x${PTI_USER_PGTABLE_AND_PCID_MASK.toString(16)}, ${scratch2}              # user half, user PCID
    movq    ${scratch2}, %cr3`;
}

/** The same with one scratch register, the other borrowed from the stack: which must be mapped on both sides. */
export function SWITCH_TO_USER_CR3_STACK(o: EntryOptions, scratch: string, label: string): string {
  if (!o.pti) return "";
  return `
    pushq   %rax${SWITCH_TO_USER_CR3_NOSTACK(o, scratch, "%rax", label)}
    popq    %rax`;
}

/** For entries that may come from either CR3: leaves the one found in `save`. Clobbers `scratch`. */
export function SAVE_AND_SWITCH_TO_KERNEL_CR3(o: EntryOptions, scratch: string, save: string, label: string): string {
  if (!o.pti) return "";
  return `
    movq    %cr3, ${scratch}
    movq    ${scratch}, ${save}
    btq     $${PTI_USER_PGTABLE_BIT}, ${scratch}                  # already on the kernel half?
    jnc     ${label}_done${ADJUST_KERNEL_CR3(o, scratch)}
    movq    ${scratch}, %cr3
${label}_done:`;
}

/** Back to the CR3 that SAVE_AND_SWITCH_TO_KERNEL_CR3 left in `save`. Clobbers `scratch` and `save`. */
export function RESTORE_CR3(o: EntryOptions, scratch: string, save: string, label: string): string {
  if (!o.pti) return "";
  if (!o.pcid) return `
    movq    ${save}, %cr3`;
  return `
    btq     $${PTI_USER_PGTABLE_BIT}, ${save}
    jnc     ${label}_noflush                   # kernel half: its entries were never stale
    movq    ${save}, ${scratch}
    andl    $0x7ff, ${low(scratch)}
    btq     ${scratch}, ${USER_PCID_FLUSH_MASK}
    jnc     ${label}_noflush
    btrq    ${scratch}, ${USER_PCID_FLUSH_MASK}
    jmp     ${label}_wrcr3
${label}_noflush:${SET_NOFLUSH_BIT(o, save)}
${label}_wrcr3:
    movq    ${save}, %cr3`;
}

/**
 * Back to the GS base that paranoid_entry left in RBX: it itself with FSGSBASE, else 0 if the user's was live. Goes on behind, at
 * `done`, which must be the next label.
 */
export function RESTORE_GS(o: EntryOptions, done: string): string {
  return o.fsgsbase
    ? `
    wrgsbase %rbx`
    : `
    testl   %ebx, %ebx
    jnz     ${done}
    swapgs`;
}

/** Clears AC, which user code may have set, before the kernel touches memory under SMAP. Three bytes also without (Linux ALTERNATIVE). */
export function ASM_CLAC(o: EntryOptions): string {
  return o.smap ? "\n    clac" : "\n    .byte   0x0f, 0x1f, 0x00            # nop of three bytes, where SMAP has CLAC";
}

/** VMCALL (0F 01 C1), which the assembler does not know. Clobbers RAX; the host leaves all other registers as they are. */
export function HYPERCALL(number: number, name: string): string {
  return `
    movl    $${number}, %eax
    .byte   0x0f, 0x01, 0xc1            # vmcall: ${name}`;
}

function low(register: string): string {
  const name = register.slice(1);
  return /^r\d/.test(name) ? `%${name}d` : `%e${name.slice(1)}`;
}

// Single instructions where the order of effects, the kind of fault or the wrap of an address is what matters: one row each, AT&T text
// and the state that makes it interesting. The data window starts at 0x20000000: two pages rw-, then one page r--, then nothing.

import { AssemblyState } from "@defasm/core";
import { CODE_SIZE, type Case, DATA_BASE, FX_FCW, FX_FSW, blankCase } from "./case-format";
import { registerNames } from "./compare";

export interface CornerCase {
  name: string;
  assembly: string;
  /** Registers that matter, FS and GS base, RFLAGS, FCW, FSW; the other general registers are 0x0101010101010101 times their number, RSP is in the data window. */
  state?: Record<string, number | bigint>;
  /** Memory by address. */
  memory?: Record<number, number[]>;
  /** RFLAGS bits not to look at. */
  undefinedFlags?: number;
  /** Whether stores that came before the fault stay is not architecture. */
  ignoreMemory?: boolean;
  /** A repeated comparison that does not come to its end. */
  flagsByIteration?: boolean;
  codeOffset?: number;
}

const D = DATA_BASE;
const END_RW = D + 0x2000;
const END = D + 0x3000;
const OUTSIDE = 0x0000_8000_0000_0000n; // first non-canonical address
const HIGH = 0xffff_ffff_8000_0000n; // canonical, the kernel's
const q = (value: number | bigint) => Array.from({ length: 8 }, (_, i) => Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * i)) & 255n));
const bytes = (...list: number[]) => `.byte ${list.join(", ")}`;
/** What IRETQ pops, at the usual RSP. */
const frame = (o: { rip?: number | bigint; cs?: number; rflags?: number; rsp?: number | bigint; ss?: number }) =>
  ({ [D + 0x800]: [o.rip ?? 0x10000900, o.cs ?? 0x33, o.rflags ?? 0x202, o.rsp ?? D + 0x900, o.ss ?? 0x2b].flatMap(q) });
const iretq = bytes(0x48, 0xcf);
const AC = 0x40000;
const DF = 0x400;

export const cornerCases: CornerCase[] = [
  // Faults of memory operands
  { name: "a load across the end of the window faults on its second page", assembly: "mov (%rsi), %rax", state: { rsi: END - 4 } },
  { name: "a load whose first byte is unmapped faults there", assembly: "mov (%rsi), %rax", state: { rsi: D - 4 } },
  { name: "a store that runs into the read-only page changes nothing", assembly: "mov %rax, (%rsi)", state: { rsi: END_RW - 3 } },
  { name: "a 16-byte store that runs into the read-only page changes nothing", assembly: "movups %xmm0, (%rsi)", state: { rsi: END_RW - 8 } },
  { name: "a read-modify-write on the read-only page is a write", assembly: "addl $1, (%rsi)", state: { rsi: END_RW } },
  { name: "CMPXCHG that fails still writes", assembly: "cmpxchg %rcx, (%rsi)", state: { rsi: END_RW, rax: 1 } },
  { name: "CMPXCHG8B on the read-only page is a write", assembly: "cmpxchg8b (%rsi)", state: { rsi: END_RW } },
  { name: "CMPXCHG16B wants alignment", assembly: "cmpxchg16b (%rsi)", state: { rsi: D + 8 } },
  { name: "XADD on the read-only page leaves the register", assembly: "xadd %rax, (%rsi)", state: { rsi: END_RW } },
  { name: "XCHG on the read-only page leaves the register", assembly: "xchg %rax, (%rsi)", state: { rsi: END_RW } },
  { name: "a shift by 0 of the read-only page is a write", assembly: "shlq %cl, (%rsi)", state: { rsi: END_RW, rcx: 0 } },
  { name: "BT only reads", assembly: "btq $5, (%rsi)", state: { rsi: END_RW }, undefinedFlags: 0x894 },
  { name: "BTS of a set bit writes", assembly: "btsq $5, (%rsi)", state: { rsi: END_RW } },
  { name: "BT with a negative bit offset reads below", assembly: "btq %rax, (%rsi)", state: { rsi: D, rax: -1n } },
  { name: "BTR with a large bit offset reaches far", assembly: "btrq %rax, (%rsi)", state: { rsi: D + 8, rax: 0x7fff }, undefinedFlags: 0x894 },
  { name: "BTS with a 32-bit offset takes its sign", assembly: "btsl %eax, (%rsi)", state: { rsi: D + 0x100, rax: 0xfffffff0n }, undefinedFlags: 0x894 },
  { name: "TEST on the read-only page only reads", assembly: "testl $1, (%rsi)", state: { rsi: END_RW }, undefinedFlags: 0x10 },
  { name: "CMP on the read-only page only reads", assembly: "cmpl $1, (%rsi)", state: { rsi: END_RW } },
  { name: "MOVAPS wants alignment", assembly: "movaps (%rsi), %xmm0", state: { rsi: D + 8 } },
  { name: "MOVAPS of a misaligned unmapped address is #GP", assembly: "movaps (%rsi), %xmm0", state: { rsi: END + 8 } },
  { name: "an SSE operand in memory wants alignment", assembly: "paddd (%rsi), %xmm0", state: { rsi: D + 4 } },
  { name: "FXSAVE wants 16-byte alignment", assembly: "fxsave (%rsi)", state: { rsi: D + 8 } },
  { name: "FXSAVE to a non-canonical misaligned address by RBP is #SS", assembly: "fxsave 8(%rbp)", state: { rbp: OUTSIDE } },
  { name: "FXRSTOR from a non-canonical address by RSP is #SS", assembly: "fxrstor (%rsp)", state: { rsp: OUTSIDE } },
  { name: "with AC set a misaligned load is #AC", assembly: "mov (%rsi), %rax", state: { rsi: D + 4, rflags: AC } },
  { name: "with AC set an aligned load is fine", assembly: "mov (%rsi), %eax", state: { rsi: D + 4, rflags: AC } },
  { name: "with AC set a misaligned PUSH is #AC", assembly: "push %rax", state: { rsp: D + 0x104, rflags: AC } },
  { name: "with AC set a misaligned unmapped load is #AC or #PF as on the chip", assembly: "mov (%rsi), %rax", state: { rsi: END + 4, rflags: AC } },
  { name: "with AC set MOVUPS checks 4 bytes", assembly: "movups (%rsi), %xmm0", state: { rsi: D + 4, rflags: AC } },
  { name: "with AC set MOVUPS of an odd address is as on the chip", assembly: "movups (%rsi), %xmm0", state: { rsi: D + 1, rflags: AC } },
  { name: "with AC set FNSAVE wants 4-byte alignment only", assembly: "fnsave (%rsi)", state: { rsi: D + 4, rflags: AC }, ignoreMemory: true },
  { name: "with AC set FNSAVE of 2-byte alignment is #AC", assembly: "fnsave (%rsi)", state: { rsi: D + 2, rflags: AC } },
  { name: "with AC set FLDENV that is misaligned changes nothing", assembly: "fldenv (%rsi)", state: { rsi: D + 2, rflags: AC } },
  { name: "with AC set FSTP of 80 bits wants 8-byte alignment", assembly: "fstpt (%rsi)", state: { rsi: D + 4, rflags: AC } },
  { name: "with AC set FBSTP wants 8-byte alignment", assembly: "fbstp (%rsi)", state: { rsi: D + 4, rflags: AC } },
  { name: "FSTP of 80 bits into the read-only page changes nothing", assembly: "fstpt (%rsi)", state: { rsi: END_RW - 8 }, ignoreMemory: true },
  { name: "FNSAVE into the read-only page leaves the x87 state", assembly: "fnsave (%rsi)", state: { rsi: END_RW }, ignoreMemory: true },

  // Addresses that are not canonical, the kernel's, or wrap
  { name: "a non-canonical address is #GP", assembly: "mov (%rsi), %rax", state: { rsi: OUTSIDE } },
  { name: "a non-canonical address by RBP is #SS", assembly: "mov (%rbp), %rax", state: { rbp: OUTSIDE } },
  { name: "a non-canonical address by RSP is #SS", assembly: "mov (%rsp), %rax", state: { rsp: OUTSIDE } },
  { name: "RBP as index is not the stack", assembly: "mov (%rsi,%rbp), %rax", state: { rsi: 0, rbp: OUTSIDE } },
  { name: "the last canonical bytes into the hole are #GP", assembly: "mov (%rsi), %rax", state: { rsi: OUTSIDE - 4n } },
  { name: "an address of the kernel is #PF", assembly: "mov (%rsi), %rax", state: { rsi: HIGH } },
  { name: "a write to an address of the kernel is #PF", assembly: "mov %rax, (%rsi)", state: { rsi: HIGH } },
  { name: "the top of the address space wraps to 0", assembly: "mov (%rsi), %rax", state: { rsi: -4n } },
  { name: "an address size prefix cuts to 32 bits", assembly: "mov (%esi), %rax", state: { rsi: 0xdeadbeef00000000n + BigInt(D) } },
  { name: "a 32-bit address wraps", assembly: "mov 0x10(%esi,%ecx), %eax", state: { rsi: 0xffffffff, rcx: D - 15 } },
  { name: "LEA with a 32-bit address zero-extends", assembly: "lea -1(%esi), %rax", state: { rsi: 0 } },
  { name: "LEA of 16 bits keeps the rest", assembly: "lea 0x1234(%rsi), %ax", state: { rsi: 0xf000, rax: -1n } },
  { name: "LEA of 32 bits zero-extends", assembly: "lea -1(%rsi), %eax", state: { rsi: 0, rax: -1n } },
  { name: "LEA does not look at the segment base", assembly: "lea %fs:(%rsi), %rax", state: { rsi: 5, fs: 0x1000 } },
  { name: "FS adds its base", assembly: "mov %fs:8(%rsi), %rax", state: { rsi: 0x10, fs: D } },
  { name: "FDP is the offset without the base of FS", assembly: "flds %fs:8(%rsi)", state: { rsi: 0x10, fs: D, fcw: 0x340 }, memory: { [D + 0x18]: [1, 0, 0x80, 0x7f] } },
  { name: "FDP of base and index under GS", assembly: "flds %gs:8(%rsi,%rcx,2)", state: { rsi: 0x10, rcx: 4, gs: D, fcw: 0x340 }, memory: { [D + 0x20]: [1, 0, 0x80, 0x7f] } },
  { name: "FS base and offset wrap", assembly: "mov %fs:(%rsi), %rax", state: { rsi: BigInt(D) + 0x100n, fs: -0x80n } },
  { name: "GS base is added after the cut to 32 bits", assembly: "mov %gs:(%esi), %eax", state: { rsi: 0xffffffff00000010n, gs: D } },
  { name: "a non-canonical sum by FS is #GP", assembly: "mov %fs:(%rsi), %rax", state: { rsi: 0x7fff_ffff_ffffn, fs: 0x10 } },
  { name: "moffs with a 64-bit address", assembly: "movabs 0x20000010, %rax" },
  { name: "RIP-relative counts from the next instruction, immediate included", assembly: "cmpl $0x12345678, 0x2000(%rip)", state: {}, codeOffset: 0x100 },

  // The stack
  { name: "PUSH RSP stores the old value", assembly: "push %rsp" },
  { name: "POP RSP loads the value", assembly: "pop %rsp", memory: { [D + 0x800]: q(0x1234) } },
  { name: "POP to memory by RSP uses the new RSP", assembly: "popq 8(%rsp)", memory: { [D + 0x800]: q(0x77) } },
  { name: "POP to memory by RSP, an index and FS uses the new RSP", assembly: "popq %fs:8(%rsp,%rcx)", state: { rcx: 0x20, fs: 0x100 }, memory: { [D + 0x800]: q(0x77) } },
  { name: "POP to memory by a 32-bit RSP uses the new RSP", assembly: "popq 8(%esp)", memory: { [D + 0x800]: q(0x77) } },
  { name: "POP to a non-canonical address by RBP is #SS", assembly: "popq (%rbp)", state: { rbp: OUTSIDE } },
  { name: "with AC set a load into the non-canonical hole is #GP", assembly: "mov (%rsi), %rax", state: { rsi: OUTSIDE - 3n, rflags: AC } },
  { name: "RET with 66", assembly: bytes(0x66, 0xc3), memory: { [D + 0x800]: q(0x10000900) }, state: {} },
  { name: "JMP with 66", assembly: bytes(0x66, 0xff, 0xe0), state: { rax: 0x10000900 } },
  { name: "CALL with 66 and REX.W", assembly: bytes(0x66, 0x48, 0xff, 0xd0), state: { rax: 0x10000900 } },
  { name: "JMP rel with 66", assembly: bytes(0x66, 0xe9, 0x10, 0x00, 0xcc, 0xcc) },
  { name: "a short jump with 66", assembly: bytes(0x66, 0xeb, 0x10) },
  { name: "UD1 at the end of its page", assembly: bytes(0x0f, 0xb9), codeOffset: CODE_SIZE - 2 },
  { name: "an MMX store that faults and TOP", assembly: "movq %mm0, (%rsi)", state: { rsi: END_RW, fsw: 0x2800 } },
  { name: "FIST of an unmasked invalid number into the read-only page", assembly: "fists (%rsi)", state: { rsi: END_RW, fcw: 0x340 } },
  { name: "MASKMOVDQU into the read-only page", assembly: "maskmovdqu %xmm1, %xmm0", state: { rdi: END_RW - 4 } },
  { name: "with AC set MOVSXD of 16 bits", assembly: bytes(0x66, 0x63, 0x06), state: { rsi: D + 2, rflags: AC } },
  { name: "PUSH to an unmapped stack changes nothing", assembly: "push %rax", state: { rsp: D } },
  { name: "PUSH to a non-canonical stack is #SS", assembly: "push %rax", state: { rsp: OUTSIDE + 8n } },
  { name: "PUSH onto the read-only page", assembly: "push %rax", state: { rsp: END_RW + 16 } },
  { name: "POP from beyond the window", assembly: "pop %rax", state: { rsp: END } },
  { name: "POP to an unmapped address leaves RSP", assembly: "popq (%rsi)", state: { rsi: END } },
  { name: "PUSH of 16 bits", assembly: "push %ax", state: { rax: 0x1234 } },
  { name: "PUSH imm8 sign-extends", assembly: "push $-2" },
  { name: "PUSH from an unmapped address leaves RSP", assembly: "pushq (%rsi)", state: { rsi: END } },
  { name: "CALL with a faulting stack does not jump", assembly: "call *%rax", state: { rax: 0x10000900, rsp: D + 4 } },
  { name: "CALL to a non-canonical address", assembly: "call *%rax", state: { rax: OUTSIDE }, ignoreMemory: true },
  { name: "CALL to a non-canonical address with a faulting stack", assembly: "call *%rax", state: { rax: OUTSIDE, rsp: D + 4 } },
  { name: "JMP to a non-canonical address faults at the JMP", assembly: "jmp *%rax", state: { rax: OUTSIDE } },
  { name: "RET to a non-canonical address faults at the RET", assembly: "ret", memory: { [D + 0x800]: q(OUTSIDE) } },
  { name: "RET imm16 releases the arguments", assembly: "ret $16", memory: { [D + 0x800]: q(0x10000900) } },
  { name: "RET from a faulting stack", assembly: "ret", state: { rsp: END - 4 } },
  { name: "a jump to data that may not be executed", assembly: "jmp *%rax", state: { rax: D } },
  { name: "a jump to an unmapped page", assembly: "jmp *%rax", state: { rax: 0x10001000 } },
  { name: "a jump to the kernel", assembly: "jmp *%rax", state: { rax: HIGH } },
  { name: "CALL through memory by RSP uses the old RSP", assembly: "call *(%rsp)", memory: { [D + 0x800]: q(0x10000900) } },
  { name: "LEAVE with a non-canonical RBP is #SS", assembly: "leave", state: { rbp: OUTSIDE } },
  { name: "LEAVE", assembly: "leave", state: { rbp: D + 0x100 }, memory: { [D + 0x100]: q(0x55) } },
  { name: "ENTER 0", assembly: "enter $16, $0", state: { rbp: D + 0x100 } },
  { name: "ENTER with levels copies frame pointers", assembly: "enter $32, $3", state: { rbp: D + 0x100 }, memory: { [D + 0xf0]: [...q(0x11), ...q(0x22)] } },
  { name: "ENTER whose frame is below the stack", assembly: "enter $0x1000, $0", state: { rsp: D + 0x800, rbp: D + 0x100 }, ignoreMemory: true },
  { name: "ENTER copies frame pointers that it has just pushed", assembly: "enter $0, $5", state: { rbp: D + 0x800 } },
  { name: "ENTER of 31 levels over its own frame", assembly: bytes(0xc8, 0x57, 0x00, 0x7f), state: { rsp: D + 0x800, rbp: D + 0x818 } },
  { name: "ENTER that can't read the frame pointer to copy", assembly: "enter $8, $2", state: { rbp: D }, ignoreMemory: true },
  { name: "ENTER of 16 bits", assembly: bytes(0x66, 0xc8, 0x10, 0, 2), state: { rbp: 0x1234_0000_0000n + BigInt(D) } },
  { name: "with AC set ENTER checks the alignment of the new top", assembly: "enter $4, $0", state: { rbp: D + 0x100, rflags: AC }, ignoreMemory: true },
  { name: "PUSHF shows neither RF nor VM", assembly: "pushf", state: { rflags: 0xcd5 } },
  { name: "POPF at CPL 3 changes neither IF nor IOPL", assembly: "popf", memory: { [D + 0x800]: q(0x3cd5) } },
  { name: "POPF of 16 bits keeps AC", assembly: "popfw", state: { rflags: AC }, memory: { [D + 0x800]: q(0xd5) } },
  { name: "POPF sets AC and ID", assembly: "popf", memory: { [D + 0x800]: q(0x240202) } },
  { name: "POPF clears RF and ignores what does not exist", assembly: "popf", memory: { [D + 0x800]: q(0xffffffff_ffda8ad7n) } },
  { name: "POPF from a faulting stack", assembly: "popf", state: { rsp: END } },
  { name: "PUSHF of 16 bits", assembly: "pushfw", state: { rflags: AC | 0xcd5 } },
  { name: "LAHF", assembly: "lahf", state: { rax: 0, rflags: 0x8d5 } },
  { name: "SAHF", assembly: "sahf", state: { rax: 0xff00, rflags: 0x800 } },

  // Arithmetic edges
  { name: "DIV by 0", assembly: "div %rcx", state: { rcx: 0 } },
  { name: "DIV overflow", assembly: "div %rcx", state: { rax: 0, rdx: 5, rcx: 5 } },
  { name: "IDIV of the least number by -1", assembly: "idiv %rcx", state: { rax: 1n << 63n, rdx: -1n, rcx: -1n } },
  { name: "IDIV of 32 bits, the least quotient", assembly: "idiv %ecx", state: { rax: 0x80000000, rdx: 0xffffffff, rcx: 1 }, undefinedFlags: 0x8d5 },
  { name: "DIV of AX into AL and AH", assembly: "div %cl", state: { rax: 0x1234, rcx: 0x77 }, undefinedFlags: 0x8d5 },
  { name: "a shift by 0 leaves the flags", assembly: "shl %cl, %rax", state: { rcx: 64, rflags: 0x8d5 } },
  { name: "a 32-bit shift by 0 zero-extends", assembly: "shl %cl, %eax", state: { rcx: 32, rax: -1n, rflags: 0x8d5 } },
  { name: "RCL of 8 bits by 9 is as by 0", assembly: "rcl $9, %al", state: { rax: 0x81, rflags: 1 }, undefinedFlags: 0x800 },
  { name: "RCR of 16 bits by 17", assembly: "rcr $17, %ax", state: { rax: 0x8001, rflags: 1 }, undefinedFlags: 0x800 },
  { name: "ROL of 8 bits by 8 sets CF", assembly: "rol $8, %al", state: { rax: 0x81 }, undefinedFlags: 0x800 },
  { name: "CMOV whose condition fails still reads", assembly: "cmovz (%rsi), %rax", state: { rsi: END } },
  { name: "a 32-bit CMOV whose condition fails zero-extends", assembly: "cmovz %ecx, %eax", state: { rax: -1n } },
  { name: "a failed 32-bit CMPXCHG writes EAX only", assembly: "cmpxchg %ecx, %ebx", state: { rax: 0x1_0000_0001n, rbx: 0x5_0000_0002n, rcx: 7 } },
  { name: "a successful 32-bit CMPXCHG", assembly: "cmpxchg %ecx, %ebx", state: { rax: 0xf_0000_0002n, rbx: 0x5_0000_0002n, rcx: 7 } },
  { name: "XADD of a register with itself", assembly: "xadd %rax, %rax", state: { rax: 5 } },
  { name: "BSF of 0 leaves the register", assembly: "bsf %rcx, %rax", state: { rcx: 0, rax: 0x1_0000_0005n }, undefinedFlags: 0x895 },
  { name: "BSWAP of 16 bits", assembly: bytes(0x66, 0x0f, 0xc8), state: { rax: 0x1122334455667788n } },
  { name: "MOVSXD without REX.W", assembly: bytes(0x63, 0xc1), state: { rcx: 0xffffffff80000000n, rax: -1n } },
  { name: "XCHG EAX, EAX with REX.B is not NOP", assembly: bytes(0x41, 0x90), state: { rax: -1n, r8: 0x5_0000_0001n } },
  { name: "AH under no REX, SPL under REX", assembly: bytes(0x40, 0x88, 0xe0), state: { rax: 0 } },
  { name: "a REX before a legacy prefix counts for nothing", assembly: bytes(0x48, 0x66, 0x01, 0xc8), state: { rax: -1n, rcx: 1 } },

  // Strings
  { name: "REP MOVSB that faults midway leaves the rest to do", assembly: "rep movsb", state: { rsi: D, rdi: END_RW - 5, rcx: 20 } },
  { name: "REP STOSQ that faults midway", assembly: "rep stosq", state: { rdi: END_RW - 24, rcx: 10, rax: 0x4242 } },
  { name: "REP MOVSQ across the end of the source", assembly: "rep movsq", state: { rsi: END - 20, rdi: D, rcx: 10 } },
  { name: "REP with count 0 touches nothing", assembly: "rep movsb", state: { rsi: 0, rdi: 0, rcx: 0 } },
  { name: "REP MOVSB backwards", assembly: "rep movsb", state: { rsi: D + 0x20, rdi: D + 0x40, rcx: 8, rflags: DF } },
  { name: "REP MOVSB onto itself, one further", assembly: "rep movsb", state: { rsi: D, rdi: D + 1, rcx: 12 } },
  { name: "REP MOVSB with 32-bit addresses", assembly: bytes(0x67, 0xf3, 0xa4), state: { rsi: 0x700000000n + BigInt(D), rdi: BigInt(D) + 0x100n, rcx: 0x500000003n } },
  { name: "REPE CMPSB stops at the difference", assembly: "repe cmpsb", state: { rsi: D, rdi: D + 0x40, rcx: 20 }, memory: { [D]: [1, 2, 3, 4, 5], [D + 0x40]: [1, 2, 3, 9, 5] } },
  { name: "REPNE SCASB finds", assembly: "repne scasb", state: { rdi: D, rcx: 20, rax: 4 }, memory: { [D]: [1, 2, 3, 4, 5] } },
  { name: "REPE CMPSB that faults keeps its flags", assembly: "repe cmpsb", state: { rsi: END - 2, rdi: D, rcx: 5, rflags: 0x8d5 }, memory: { [D]: [0, 0] }, flagsByIteration: true },
  { name: "CMPSB with count 0 keeps its flags", assembly: "repe cmpsb", state: { rcx: 0, rflags: 0x8d5 } },
  { name: "LODSD zero-extends", assembly: "lodsl", state: { rsi: D, rax: -1n } },
  { name: "LODS by FS", assembly: bytes(0x64, 0x48, 0xad), state: { rsi: 8, fs: D } },
  { name: "STOS ignores the segment prefix", assembly: bytes(0x64, 0xaa), state: { rdi: D, fs: 0x1000 } },
  { name: "CMPSB whose operands both fault reports the destination", assembly: "cmpsb", state: { rsi: END, rdi: END + 0x5000 } },
  { name: "MOVSB whose operands both fault reports the source", assembly: "movsb", state: { rsi: END, rdi: END + 0x5000 } },
  { name: "REP MOVSB backwards that faults midway", assembly: "rep movsb", state: { rsi: D + 0x40, rdi: D + 3, rcx: 9, rflags: DF } },
  { name: "REP MOVSQ backwards across a page", assembly: "rep movsq", state: { rsi: D + 0x100c, rdi: D + 0x200, rcx: 4, rflags: DF } },
  { name: "REP MOVSD backwards onto itself", assembly: bytes(0xf3, 0xa5), state: { rsi: D + 0x40, rdi: D + 0x3e, rcx: 5, rflags: DF } },
  { name: "REP STOSQ whose last element crosses into the read-only page", assembly: "rep stosq", state: { rdi: END_RW - 20, rcx: 10, rax: 0x4242 } },
  { name: "REP STOSB with 32-bit addresses zero-extends what it writes", assembly: bytes(0x67, 0xf3, 0xaa), state: { rdi: 0x500000000n + BigInt(D), rcx: 0x500000002n, rax: 0x77 } },
  { name: "STOSB with a 32-bit address zero-extends RDI", assembly: bytes(0x67, 0xaa), state: { rdi: 0x500000000n + BigInt(D), rax: 0x77 } },
  { name: "a 32-bit address wraps backwards in LODSB", assembly: bytes(0x67, 0xac), state: { rsi: 0x5_0000_0000n, rflags: DF } },
  { name: "REP LODSQ loads the last one", assembly: "rep lodsq", state: { rsi: D, rcx: 3 } },
  { name: "REPNE MOVSB is REP MOVSB", assembly: bytes(0xf2, 0xa4), state: { rsi: D, rdi: D + 0x100, rcx: 3 } },
  { name: "REPNE SCASW backwards", assembly: bytes(0xf2, 0x66, 0xaf), state: { rdi: D + 8, rcx: 20, rax: 0x0201, rflags: DF }, memory: { [D]: [0, 0, 1, 2, 5, 5, 6, 6, 7, 7] } },
  { name: "REPE SCASB that finds no difference", assembly: "repe scasb", state: { rdi: D, rcx: 4, rax: 9 }, memory: { [D]: [9, 9, 9, 9, 9] } },
  { name: "REPNE CMPSD with 32-bit addresses", assembly: bytes(0x67, 0xf2, 0xa7), state: { rsi: 0x100000000n + BigInt(D), rdi: 0x200000000n + BigInt(D) + 4n, rcx: 0x300000003n }, memory: { [D]: [1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0] } },
  { name: "REP MOVSB by FS wraps", assembly: bytes(0x64, 0xf3, 0xa4), state: { rsi: BigInt(D) + 0x100n, rdi: D + 0x200, rcx: 3, fs: -0x80n } },
  { name: "with AC set a misaligned REP MOVSQ is #AC", assembly: "rep movsq", state: { rsi: D + 4, rdi: D + 0x100, rcx: 3, rflags: AC } },
  { name: "REP before what is not a string counts for nothing", assembly: bytes(0xf3, 0x01, 0xc8), state: { rcx: 5, rax: 1 } },
  { name: "JRCXZ with a 32-bit count", assembly: bytes(0x67, 0xe3, 0x10), state: { rcx: 0x100000000n } },
  { name: "LOOP with a 32-bit count", assembly: bytes(0x67, 0xe2, 0x10), state: { rcx: 0x500000000n } },

  // What is not an instruction, or not at CPL 3
  { name: "UD2", assembly: "ud2" },
  { name: "UD1 with its ModRM", assembly: bytes(0x0f, 0xb9, 0xc0) },
  { name: "UD0", assembly: bytes(0x0f, 0xff, 0xc0) },
  { name: "PUSH ES does not exist in 64-bit mode", assembly: bytes(0x06) },
  { name: "AAA does not exist in 64-bit mode", assembly: bytes(0x37) },
  { name: "BOUND's byte is EVEX or #UD", assembly: bytes(0x62, 0x01) },
  { name: "LES's byte with a VEX of a bad map", assembly: bytes(0xc4, 0x1f, 0, 0, 0) },
  { name: "INTO does not exist in 64-bit mode", assembly: bytes(0xce) },
  { name: "82 does not exist in 64-bit mode", assembly: bytes(0x82, 0xc0, 1) },
  { name: "far JMP with its pointer does not exist in 64-bit mode", assembly: bytes(0xea, 0, 0, 0, 0, 0, 0) },
  { name: "LOCK on a register", assembly: "lock add %eax, %ecx" },
  { name: "LOCK on MOV", assembly: bytes(0xf0, 0x89, 0x06), state: { rsi: D } },
  { name: "LOCK on CMP", assembly: bytes(0xf0, 0x39, 0x06), state: { rsi: D } },
  { name: "LOCK on a load form of ADD", assembly: bytes(0xf0, 0x03, 0x06), state: { rsi: D } },
  { name: "LEA of a register", assembly: bytes(0x8d, 0xc0) },
  { name: "group 8 without its upper half", assembly: bytes(0x0f, 0xba, 0xc0, 1) },
  { name: "FE /2", assembly: bytes(0xfe, 0xd0) },
  { name: "FF /7", assembly: bytes(0xff, 0xf8) },
  { name: "8F /1", assembly: bytes(0x8f, 0xc8) },
  { name: "C6 /1", assembly: bytes(0xc6, 0xc8, 0) },
  { name: "MOV to CS", assembly: bytes(0x8e, 0xc8) },
  { name: "15 bytes are fine", assembly: bytes(...Array(14).fill(0x66), 0x90) },
  { name: "more than 15 bytes are #GP", assembly: bytes(...Array(15).fill(0x66), 0x90) },
  { name: "HLT at CPL 3", assembly: "hlt" },
  { name: "CLI at CPL 3", assembly: "cli" },
  { name: "STI at CPL 3", assembly: "sti" },
  { name: "IN at CPL 3", assembly: "in $0x10, %al" },
  { name: "OUT at CPL 3", assembly: "out %eax, %dx" },
  { name: "INSB at CPL 3", assembly: bytes(0x6c) },
  { name: "REP INSB at CPL 3 with a zero count", assembly: bytes(0xf3, 0x6c), state: { rcx: 0 } },
  { name: "REP OUTSL at CPL 3 with a zero count", assembly: bytes(0xf3, 0x6f), state: { rcx: 0 } },
  { name: "OUTSB of an unmapped address at CPL 3", assembly: bytes(0x6e), state: { rsi: END } },
  { name: "WRMSR at CPL 3", assembly: "wrmsr" },
  { name: "RDMSR at CPL 3", assembly: "rdmsr" },
  { name: "MOV from CR0 at CPL 3", assembly: bytes(0x0f, 0x20, 0xc0) },
  { name: "MOV from CR1 at CPL 3", assembly: bytes(0x0f, 0x20, 0xc8) },
  { name: "MOV from CR8 at CPL 3", assembly: bytes(0x44, 0x0f, 0x20, 0xc0) },
  { name: "MOV from CR3 at CPL 3", assembly: bytes(0x0f, 0x20, 0xd8) },
  { name: "MOV to CR3 at CPL 3", assembly: bytes(0x0f, 0x22, 0xd8) },
  { name: "MOV to CR5 at CPL 3", assembly: bytes(0x0f, 0x22, 0xe8) },
  { name: "MOV to CR10 at CPL 3", assembly: bytes(0x44, 0x0f, 0x22, 0xd0) },
  { name: "MOV from CR0 with a ModRM of memory at CPL 3", assembly: bytes(0x0f, 0x20, 0x00) },
  { name: "MOV from DR4 at CPL 3", assembly: bytes(0x0f, 0x21, 0xe0) },
  { name: "MOV from DR8 at CPL 3", assembly: bytes(0x44, 0x0f, 0x21, 0xc0) },
  { name: "MOV to DR7 at CPL 3", assembly: bytes(0x0f, 0x23, 0xf8) },
  { name: "SWAPGS at CPL 3", assembly: bytes(0x0f, 0x01, 0xf8) },
  { name: "SYSRET at CPL 3", assembly: bytes(0x48, 0x0f, 0x07) },
  { name: "LGDT at CPL 3", assembly: bytes(0x0f, 0x01, 0x16), state: { rsi: D } },
  { name: "LGDT of an unmapped address at CPL 3", assembly: bytes(0x0f, 0x01, 0x16), state: { rsi: END } },
  { name: "INVLPG at CPL 3", assembly: bytes(0x0f, 0x01, 0x3e), state: { rsi: D } },
  { name: "WBINVD at CPL 3", assembly: "wbinvd" },
  { name: "CLTS at CPL 3", assembly: "clts" },
  { name: "INT3", assembly: "int3" },
  { name: "INT 3 in two bytes", assembly: bytes(0xcd, 3) },
  { name: "INT of a gate with DPL 0", assembly: bytes(0xcd, 0x20) },
  { name: "INT of the page-fault gate", assembly: bytes(0xcd, 14) },
  { name: "INT1 is a trap", assembly: bytes(0xf1) },
  { name: "WRFSBASE of a non-canonical address", assembly: bytes(0xf3, 0x48, 0x0f, 0xae, 0xd0), state: { rax: OUTSIDE } },
  { name: "WRFSBASE of 32 bits zero-extends", assembly: bytes(0xf3, 0x0f, 0xae, 0xd0), state: { rax: 0x1234_8765_4321n } },
  { name: "RDGSBASE of 32 bits", assembly: bytes(0xf3, 0x0f, 0xae, 0xc8), state: { gs: 0x1234_8765_4321n } },

  // IRET, far transfers and selectors within CPL 3; the GDT has Linux's selectors on both sides
  { name: "IRETQ", assembly: iretq, memory: frame({}) },
  { name: "IRETQ loads RF, AC and ID, neither IF nor IOPL", assembly: iretq, memory: frame({ rflags: 0x2530d7 }) },
  { name: "IRETQ to a non-canonical RIP", assembly: iretq, memory: frame({ rip: OUTSIDE }) },
  { name: "IRETQ to a null CS", assembly: iretq, memory: frame({ cs: 0 }) },
  { name: "IRETQ to the kernel's CS", assembly: iretq, memory: frame({ cs: 0x10 }) },
  { name: "IRETQ to the kernel's CS with RPL 3", assembly: iretq, memory: frame({ cs: 0x13 }) },
  { name: "IRETQ to a CS that is data", assembly: iretq, memory: frame({ cs: 0x2b }) },
  { name: "IRETQ to a CS beyond the GDT", assembly: iretq, memory: frame({ cs: 0x1003 }) },
  { name: "IRETQ to a CS in an LDT that is not there", assembly: iretq, memory: frame({ cs: 0x37 }) },
  { name: "IRETQ to a null SS", assembly: iretq, memory: frame({ ss: 3 }) },
  { name: "IRETQ to an SS that is code", assembly: iretq, memory: frame({ ss: 0x33 }) },
  { name: "IRETQ to an SS of another RPL", assembly: iretq, memory: frame({ ss: 0x28 }) },
  { name: "IRETQ to a non-canonical RSP", assembly: iretq, memory: frame({ rsp: OUTSIDE }) },
  { name: "IRETQ from a stack that begins in its frame", assembly: iretq, state: { rsp: D - 8 } },
  { name: "IRETQ from a non-canonical stack", assembly: iretq, state: { rsp: OUTSIDE } },
  { name: "IRETD pops five words of 32 bits", assembly: bytes(0xcf), state: { rflags: AC }, memory: { [D + 0x800]: [0x10000900, 0x33, 0x2d5, D + 0x900, 0x2b].flatMap((v) => q(v).slice(0, 4)) } },
  { name: "far JMP through memory", assembly: bytes(0x48, 0xff, 0x2e), state: { rsi: D }, memory: { [D]: [...q(0x10000900), 0x33, 0] } },
  { name: "far JMP of 32 bits through memory", assembly: bytes(0xff, 0x2e), state: { rsi: D }, memory: { [D]: [...q(0x10000900).slice(0, 4), 0x33, 0] } },
  { name: "far JMP to a null selector", assembly: bytes(0x48, 0xff, 0x2e), state: { rsi: D }, memory: { [D]: [...q(0x10000900), 3, 0] } },
  { name: "far JMP to a TSS", assembly: bytes(0x48, 0xff, 0x2e), state: { rsi: D }, memory: { [D]: [...q(0x10000900), 0x43, 0] } },
  { name: "far JMP to the kernel's CS", assembly: bytes(0x48, 0xff, 0x2e), state: { rsi: D }, memory: { [D]: [...q(0x10000900), 0x10, 0] } },
  { name: "far JMP to a non-canonical address", assembly: bytes(0x48, 0xff, 0x2e), state: { rsi: D }, memory: { [D]: [...q(OUTSIDE), 0x33, 0] } },
  { name: "far JMP whose pointer is half unmapped", assembly: bytes(0x48, 0xff, 0x2e), state: { rsi: END - 8 } },
  { name: "far JMP of a register", assembly: bytes(0xff, 0xe8) },
  { name: "far CALL pushes CS and RIP", assembly: bytes(0x48, 0xff, 0x1e), state: { rsi: D }, memory: { [D]: [...q(0x10000900), 0x33, 0] } },
  { name: "far CALL of 32 bits pushes 4 bytes each", assembly: bytes(0xff, 0x1e), state: { rsi: D }, memory: { [D]: [...q(0x10000900).slice(0, 4), 0x33, 0] } },
  { name: "far CALL with a faulting stack", assembly: bytes(0x48, 0xff, 0x1e), state: { rsi: D, rsp: D + 8 }, memory: { [D]: [...q(0x10000900), 0x33, 0] }, ignoreMemory: true },
  { name: "far RET", assembly: bytes(0x48, 0xcb), memory: { [D + 0x800]: [...q(0x10000900), ...q(0x33)] } },
  { name: "far RET imm16 of 32 bits", assembly: bytes(0xca, 8, 0), memory: { [D + 0x800]: [...q(0x10000900).slice(0, 4), ...q(0x33).slice(0, 4)] } },
  { name: "far RET to the kernel's CS", assembly: bytes(0x48, 0xcb), memory: { [D + 0x800]: [...q(0x10000900), ...q(0x10)] } },
  { name: "far RET to a non-canonical address", assembly: bytes(0x48, 0xcb), memory: { [D + 0x800]: [...q(OUTSIDE), ...q(0x33)] } },
  { name: "MOV of the kernel's data selector to DS", assembly: "mov %eax, %ds", state: { rax: 0x1b } },
  { name: "MOV of a selector beyond the GDT to ES", assembly: "mov %eax, %es", state: { rax: 0x1003 } },
  { name: "MOV of a TSS selector to DS", assembly: "mov %eax, %ds", state: { rax: 0x43 } },
  { name: "MOV of null to SS at CPL 3", assembly: "mov %eax, %ss", state: { rax: 0 } },
  { name: "MOV of a code selector to SS", assembly: "mov %eax, %ss", state: { rax: 0x33 } },
  { name: "MOV of another RPL to SS", assembly: "mov %eax, %ss", state: { rax: 0x28 } },
  { name: "MOV of the same SS", assembly: "mov %eax, %ss", state: { rax: 0x2b } },
  { name: "MOV from SS to 64 bits", assembly: bytes(0x48, 0x8c, 0xd0), state: { rax: -1n } },
  { name: "MOV from SS to 16 bits", assembly: bytes(0x66, 0x8c, 0xd0), state: { rax: -1n } },
  { name: "MOV from a segment register that does not exist", assembly: bytes(0x8c, 0xf0) },
  { name: "LAR of the user's code segment", assembly: bytes(0x0f, 0x02, 0xc1), state: { rcx: 0x33, rax: -1n } },
  { name: "LAR of the kernel's code segment leaves the register", assembly: bytes(0x0f, 0x02, 0xc1), state: { rcx: 0x10, rax: -1n } },
  { name: "LAR of null", assembly: bytes(0x0f, 0x02, 0xc1), state: { rcx: 0, rax: -1n } },
  { name: "LSL of the user's data segment", assembly: bytes(0x48, 0x0f, 0x03, 0xc1), state: { rcx: 0x2b, rax: -1n } },
  { name: "LSL beyond the GDT", assembly: bytes(0x0f, 0x03, 0xc1), state: { rcx: 0x1003, rax: -1n } },
  { name: "VERR of the user's code segment", assembly: bytes(0x0f, 0x00, 0xe1), state: { rcx: 0x33 } },
  { name: "VERW of the user's code segment", assembly: bytes(0x0f, 0x00, 0xe9), state: { rcx: 0x33 } },
  { name: "VERW of the user's data segment", assembly: bytes(0x0f, 0x00, 0xe9), state: { rcx: 0x2b } },
  { name: "LSS of a register", assembly: bytes(0x0f, 0xb2, 0xc0) },
  { name: "LFS of the kernel's data selector", assembly: bytes(0x0f, 0xb4, 0x06), state: { rsi: D }, memory: { [D]: [1, 2, 3, 4, 0x1b, 0] } },
  { name: "LGS from beyond the window leaves the register", assembly: bytes(0x0f, 0xb5, 0x06), state: { rsi: END - 4 } },

  // The instruction itself on the edge of its page
  { name: "an instruction that ends with its page", assembly: "mov $1, %eax", codeOffset: CODE_SIZE - 5 },
  { name: "an instruction that runs out of its page", assembly: "mov $1, %eax", codeOffset: CODE_SIZE - 3 },
  { name: "a REX prefix alone at the end of its page", assembly: "mov %rax, %rcx", codeOffset: CODE_SIZE - 1 },
  { name: "a jump back from the end of its page", assembly: "jmp .-0x200", codeOffset: CODE_SIZE - 5 },
  { name: "a bad opcode at the end of its page", assembly: "ud2", codeOffset: CODE_SIZE - 2 },
  { name: "a load faults before the fetch of what follows", assembly: "mov (%rsi), %eax", state: { rsi: END }, codeOffset: CODE_SIZE - 2 },
];

/** The case of a row. Throws when the row's assembly does not assemble. */
export function caseOf(corner: CornerCase): Case {
  const assembler = new AssemblyState();
  assembler.compile(corner.assembly);
  if (assembler.errors.length) throw new Error(`${corner.name}: ${assembler.errors[0]}`);
  const code = Uint8Array.from(assembler.head.dump());
  const codeOffset = corner.codeOffset ?? 0x800;
  const blank = blankCase(code.subarray(0, CODE_SIZE - codeOffset));
  const { gpr } = blank;
  for (let i = 0; i < 16; i++) if (i !== 4) gpr[i] = 0x0101010101010101n * BigInt(i);
  const state = corner.state ?? {};
  for (const [name, value] of Object.entries(state)) {
    const number = registerNames.indexOf(name);
    if (number >= 0) gpr[number] = BigInt.asUintN(64, BigInt(value));
  }
  const patches = Object.entries(corner.memory ?? {}).map(([address, list]) => ({ offset: Number(address) - D, bytes: Uint8Array.from(list) }));
  if (state.fcw !== undefined) new DataView(blank.fx.buffer).setUint16(FX_FCW, Number(state.fcw), true);
  if (state.fsw !== undefined) new DataView(blank.fx.buffer).setUint16(FX_FSW, Number(state.fsw), true);
  const base = (name: string) => BigInt.asUintN(64, BigInt(state[name] ?? 0));
  return { ...blank, codeOffset, rflags: 0x202n | base("rflags"), fsBase: base("fs"), gsBase: base("gs"), patches };
}

// The cases of exec() that are not plain value operations: memory steps, stack, branches. `$EA` is the effective address,
// `$TLB(tag, bytes)` checks the TLB for [ea] and leaves to the slow path on a miss, else host address is in `p`;
// `$NEXT` goes on with the next micro-operation, `$BLOCK(t)` enters a block, `$GOTO(x)` looks a linear address up.
// `break` leaves exec(): the run loop executes this micro-operation by its slow twin.

export interface ControlCase {
  name: string;
  text: string;
  /** Call that does the same outside exec(). */
  slow: string;
}

const load = (bits: number, aligned = false): ControlCase => bits === 128
  ? {
      name: aligned ? "LD128A" : "LD128",
      text: `$EA ${aligned ? "if (ea & 15) break;" : ""} $TLB(READ, 16) store<v128>(load<u32>(u, 4), load<v128>(p)); $NEXT`,
      slow: aligned ? "loadAligned(u)" : "loadStep<v128>(u)",
    }
  : {
      name: `LD${bits}`,
      text: `$EA $TLB(READ, ${bits / 8}) store<u64>(load<u32>(u, 4), <u64>load<u${bits}>(p)); $NEXT`,
      slow: `loadStep<u${bits}>(u)`,
    };

const store = (bits: number, aligned = false): ControlCase => bits === 128
  ? {
      name: aligned ? "ST128A" : "ST128",
      text: `$EA ${aligned ? "if (ea & 15) break;" : ""} $TLB(WRITE, 16) store<v128>(p, load<v128>(load<u32>(u, 8))); $NEXT`,
      slow: aligned ? "storeAligned(u)" : "storeStep<v128>(u)",
    }
  : {
      name: `ST${bits}`,
      text: `$EA $TLB(WRITE, ${bits / 8}) store<u${bits}>(p, load<u${bits}>(load<u32>(u, 8))); $NEXT`,
      slow: `storeStep<u${bits}>(u)`,
    };

/** Read for a read-modify-write: the write permission is checked now, so that the store behind it can't fault. */
const loadForUpdate = (bits: number): ControlCase => ({
  name: `LDW${bits}`,
  text: `$EA $TLB(WRITE, ${bits / 8}) store<u64>(CPU_BLOCK, p, SLOT_RMW); store<u64>(load<u32>(u, 4), <u64>load<u${bits}>(p)); $NEXT`,
  slow: `loadForUpdate<u${bits}>(u)`,
});

const storeUpdated = (bits: number): ControlCase => ({
  name: `STW${bits}`,
  text: `const p = <usize>load<u64>(CPU_BLOCK, SLOT_RMW); if (!p) break; store<u${bits}>(p, load<u${bits}>(load<u32>(u, 8))); $NEXT`,
  slow: `storeUpdated<u${bits}>(u)`,
});

// Jumps inside a page go through the block pointers that the run loop has put into imm: low half taken, high half not taken.
const CONDITIONS = ["ovf()", "fcf", "zf()", "(fcf | zf())", "sf()", "pf()", "lt()", "(lt() | zf())"];
const jumps: ControlCase[] = CONDITIONS.flatMap((c, i) => [0, 1].map((negate) => ({
  name: `JCC${i * 2 + negate}`,
  text: `const t: usize = ${c} ? load<u32>(u, ${negate ? 28 : 24}) : load<u32>(u, ${negate ? 24 : 28}); if (!t) break; $BLOCK(t)`,
  slow: "branchStep(u)",
})));

// CMP or TEST of two slots with the Jcc behind it, when the target is in the page. Flags are still set: what follows may read them.
// The operands of an immediate stand at `bas`.. (8 bytes), the branch distance in `op`.
const FUSED: [string, string, [number, string][]][] = [
  ["CMP", "const r = a - b; flagsSub<T>(a, b, r);", [
    [2, "a < b"], [3, "a >= b"], [4, "a == b"], [5, "a != b"], [6, "a <= b"], [7, "a > b"],
    [12, "<S>a < <S>b"], [13, "<S>a >= <S>b"], [14, "<S>a <= <S>b"], [15, "<S>a > <S>b"],
  ]],
  ["TEST", "const r = a & b; flagsLogic<T>(r);", [[4, "r == 0"], [5, "r != 0"], [8, "<S>r < 0"], [9, "<S>r >= 0"], [14, "<S>r <= 0"], [15, "<S>r > 0"]]],
];
const fused: ControlCase[] = FUSED.flatMap(([name, operation, conditions]) => [32, 64].flatMap((bits) => conditions.map(([cc, test]) => ({
  name: `${name}${bits}_JCC${cc}`,
  text: `const a: T = load<T>(load<u32>(u, 4)); const b: T = load<T>(load<u32>(u, 8)); ${operation}
    const t: usize = ${test} ? load<u32>(u, 24) : load<u32>(u, 28); if (!t) break; $BLOCK(t)`.replace(/\bT\b/g, `u${bits}`).replace(/\bS\b/g, `i${bits}`),
  slow: `fusedStep<u${bits}>(u, ${cc}, ${name === "TEST"})`,
}))));

// Two like instructions in one: the second micro-operation stays behind the first, so that the slow path only has to take the
// fusion back. What would fault or needs the slow path leaves before anything has changed.
const pairs: ControlCase[] = [
  {
    name: "PUSH64_PUSH64",
    text: `const ea: u64 = load<u64>(CPU_BLOCK, RSP) - 16; $TLB(WRITE, 16) store<u64>(p, load<u64>(load<u32>(u, 4)), 8); store<u64>(p, load<u64>(load<u32>(u, 36)));
      store<u64>(CPU_BLOCK, ea, RSP); $NEXT2`,
    slow: "unfuse(u, CODE_PUSH64)",
  },
  {
    name: "POP64_POP64",
    text: `const ea: u64 = load<u64>(CPU_BLOCK, RSP); $TLB(READ, 16) const v = load<u64>(p); const w = load<u64>(p, 8); store<u64>(CPU_BLOCK, ea + 16, RSP);
      store<u64>(load<u32>(u, 4), v); store<u64>(load<u32>(u, 36), w); $NEXT2`,
    slow: "unfuse(u, CODE_POP64)",
  },
  {
    name: "ZERO_ZERO",
    text: "store<u64>(load<u32>(u, 4), 0); store<u64>(load<u32>(u, 36), 0); fres = 0; faux = 0; fcf = 0; $NEXT2",
    slow: "unfuse(u, CODE_XOR32_rr)",
  },
];

export const controlCases: ControlCase[] = [
  ...[8, 16, 32, 64, 128].map((b) => load(b)),
  load(128, true),
  ...[8, 16, 32, 64, 128].map((b) => store(b)),
  store(128, true),
  ...[8, 16, 32, 64].map(loadForUpdate),
  ...[8, 16, 32, 64].map(storeUpdated),
  { name: "EA", text: "$EA store<u64>(CPU_BLOCK, ea, SLOT_EA); $NEXT", slow: "addressStep(u)" },
  { name: "EA32", text: "$EA store<u64>(CPU_BLOCK, ea & 0xffffffff, SLOT_EA); $NEXT", slow: "addressStep32(u)" },
  { name: "LEA64", text: "$EA store<u64>(load<u32>(u, 4), ea); $NEXT", slow: "LEA(u)" },
  { name: "LEA32", text: "$EA store<u64>(load<u32>(u, 4), ea & 0xffffffff); $NEXT", slow: "LEA(u)" },
  { name: "NOP", text: "$NEXT", slow: "NOP(u)" },
  { name: "CDQE", text: "store<i64>(CPU_BLOCK, <i64>load<i32>(CPU_BLOCK, RAX), RAX); $NEXT", slow: "CBW(u)" },
  { name: "CDQ", text: "store<u64>(CPU_BLOCK, <u64><u32>(load<i32>(CPU_BLOCK, RAX) >> 31), RDX); $NEXT", slow: "CWD(u)" },
  { name: "CQO", text: "store<i64>(CPU_BLOCK, load<i64>(CPU_BLOCK, RAX) >> 63, RDX); $NEXT", slow: "CWD(u)" },
  {
    name: "PUSH64",
    text: `const ea: u64 = load<u64>(CPU_BLOCK, RSP) - 8; $TLB(WRITE, 8) store<u64>(p, load<u64>(load<u32>(u, 4))); store<u64>(CPU_BLOCK, ea, RSP); $NEXT`,
    slow: "PUSH(u)",
  },
  {
    name: "POP64",
    text: `const ea: u64 = load<u64>(CPU_BLOCK, RSP); $TLB(READ, 8) const v = load<u64>(p); store<u64>(CPU_BLOCK, ea + 8, RSP); store<u64>(load<u32>(u, 4), v); $NEXT`,
    slow: "POP(u)",
  },
  {
    name: "LEAVE64",
    text: `const ea: u64 = load<u64>(CPU_BLOCK, RBP); $TLB(READ, 8) store<u64>(CPU_BLOCK, load<u64>(p), RBP); store<u64>(CPU_BLOCK, ea + 8, RSP); $NEXT`,
    slow: "LEAVE(u)",
  },
  {
    name: "RET64",
    text: `const ea: u64 = load<u64>(CPU_BLOCK, RSP); $TLB(READ, 8) const v = load<u64>(p); if (<u64>((<i64>v << 16) >> 16) != v) break; store<u64>(CPU_BLOCK, ea + 8, RSP); $GOTO(v)`,
    slow: "RET(u)",
  },
  {
    name: "CALL_REL64",
    text: `const v: u64 = load<u64>(CPU_BLOCK, SLOT_CODE_PAGE) + load<u16>(u, 20) + (load<u8>(u, 22) & 15); const target: u64 = v + load<u64>(u, 24);
      if (<u64>((<i64>target << 16) >> 16) != target) break;
      const ea: u64 = load<u64>(CPU_BLOCK, RSP) - 8; $TLB(WRITE, 8) store<u64>(p, v); store<u64>(CPU_BLOCK, ea, RSP); $GOTO(target)`,
    slow: "CALL_REL(u)",
  },
  {
    // The target is in this page: linked like a jump, by way of imm.
    name: "CALL_PAGE",
    text: `const t: usize = load<u32>(u, 24); if (!t) break; const v: u64 = load<u64>(CPU_BLOCK, SLOT_CODE_PAGE) + load<u16>(u, 20) + (load<u8>(u, 22) & 15);
      const ea: u64 = load<u64>(CPU_BLOCK, RSP) - 8; $TLB(WRITE, 8) store<u64>(p, v); store<u64>(CPU_BLOCK, ea, RSP); $BLOCK(t)`,
    slow: "callStep(u)",
  },
  {
    name: "CALL64",
    text: `const v: u64 = load<u64>(CPU_BLOCK, SLOT_CODE_PAGE) + load<u16>(u, 20) + (load<u8>(u, 22) & 15); const target: u64 = load<u64>(load<u32>(u, 4));
      if (<u64>((<i64>target << 16) >> 16) != target) break;
      const ea: u64 = load<u64>(CPU_BLOCK, RSP) - 8; $TLB(WRITE, 8) store<u64>(p, v); store<u64>(CPU_BLOCK, ea, RSP); $GOTO(target)`,
    slow: "CALL(u)",
  },
  {
    name: "JMP64",
    text: `const target: u64 = load<u64>(load<u32>(u, 4)); if (<u64>((<i64>target << 16) >> 16) != target) break; $GOTO(target)`,
    slow: "JMP(u)",
  },
  { name: "JMP_PAGE", text: "const t: usize = load<u32>(u, 24); if (!t) break; $BLOCK(t)", slow: "branchStep(u)" },
  {
    name: "JMP_FAR_PAGE",
    text: `const target: u64 = load<u64>(CPU_BLOCK, SLOT_CODE_PAGE) + load<u64>(u, 24); if (<u64>((<i64>target << 16) >> 16) != target) break; $GOTO(target)`,
    slow: "farPageStep(u)",
  },
  ...jumps,
  ...fused,
  ...pairs,
  // The entry code of a kernel with page-table isolation does these twice a system call.
  {
    name: "SWAPGS",
    text: "const gs = load<u64>(CPU_BLOCK, GS_BASE); store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, KERNEL_GS_BASE), GS_BASE); store<u64>(CPU_BLOCK, gs, KERNEL_GS_BASE); $NEXT",
    slow: "SWAPGS(u)",
  },
  { name: "MOV_FROM_CR3", text: "store<u64>(load<u32>(u, 4), load<u64>(CPU_BLOCK, CR3)); $NEXT", slow: "MOV_FROM_CR(u)" },
  {
    // With NOFLUSH a CR3 write only selects another TLB context, if that one is there. The instruction behind it is looked up
    // anew: the page may be another one now.
    name: "MOV_TO_CR3",
    text: `const v = load<u64>(load<u32>(u, 8)); if (<i64>v >= 0 || (v & 0x7fffc00000000000) || !(load<u64>(CPU_BLOCK, CR4) & CR4_PCIDE)) break;
      const context: u32 = load<u8>(CONTEXT_MAP + ((<usize>v & 0xfff) << 4) + (load<u32>(CPU_BLOCK, MODE) << 2) + view); if (!context) break;
      store<u64>(CPU_BLOCK, v & 0x7fffffffffffffff, CR3); store<u64>(CPU_BLOCK, load<u64>(CPU_BLOCK, COUNT_CR3_WRITE) + 1, COUNT_CR3_WRITE);
      tlb = TLB_BASE + ((context - 1) << 15); clock = clock + 1; store<u32>(chosenAt + ((context - 1) << 2), clock);
      const next: u64 = load<u64>(CPU_BLOCK, SLOT_CODE_PAGE) + load<u16>(u, 20) + (load<u8>(u, 22) & 15); $GOTO(next)`,
    slow: "MOV_TO_CR(u)",
  },
  ...[32, 64].map((bits) => ({
    name: `BT${bits}`,
    text: `const v = load<u${bits}>(load<u32>(u, 4)); const s: u${bits} = load<u${bits}>(load<u32>(u, 8)) & ${bits - 1}; setCf(<u32>(v >> s) & 1); $NEXT`,
    slow: "BT(u)",
  })),
  {
    // A register bit offset reaches beyond the operand; only with 64-bit addresses.
    name: "BT64_MEMORY",
    text: `const offset = load<u64>(load<u32>(u, 8)); $BASE const ea: u64 = base + <u64>((<i64>offset >> 6) << 3); $TLB(READ, 8) setCf(<u32>(load<u64>(p) >> (offset & 63)) & 1); $NEXT`,
    slow: "BT(u)",
  },
  ...[["BTS", "|"], ["BTR", "& ~"]].map(([name, operator]) => ({
    name: `${name}64`,
    text: `const v = load<u64>(load<u32>(u, 4)); const s: u64 = load<u64>(load<u32>(u, 8)) & 63; setCf(<u32>(v >> s) & 1); store<u64>(load<u32>(u, 4), v ${operator}(<u64>1 << s)); $NEXT`,
    slow: `${name}(u)`,
  })),
  {
    name: "SETCC_R",
    text: `let c: u32 = 0; switch (<u32>load<u8>(u, 15) >> 1) { ${CONDITIONS.map((c, i) => `case ${i}: { c = ${c}; break; }`).join(" ")} default: {} }
      store<u8>(load<u32>(u, 4), (c ^ load<u8>(u, 15)) & 1); $NEXT`,
    slow: "setByte(u)",
  },
  ...[32, 64].map((bits) => ({
    name: `CMOV${bits}`,
    text: `let c: u32 = 0; switch (<u32>load<u8>(u, 15) >> 1) { ${CONDITIONS.map((c, i) => `case ${i}: { c = ${c}; break; }`).join(" ")} default: {} }
      store<u64>(load<u32>(u, 4), <u64>load<u${bits}>(load<u32>(u + (((c ^ load<u8>(u, 15)) & 1) ? 8 : 4)))); $NEXT`,
    slow: `moveIf<u${bits}>(u)`,
  })),
];

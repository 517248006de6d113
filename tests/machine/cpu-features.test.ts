// Every feature that a model offers is there for a reason: either rows of the instruction table execute by it, and are #UD (or what the
// encoding meant before) without it, or it is a property of the machine that this file names with the test that holds it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CpuModel, cpuModel, cpuModels, type FeatureName } from "../../host/machine/cpu-models";
import { CR4, EFER, LSTAR, RAX, RBP, RBX, RCX, RDI, RDX, RIP, RSI, SYSENTER_CS, SYSENTER_EIP, XCR0 } from "../../kernel/abi/state";
import { VECTOR_GP, VECTOR_PF, VECTOR_UD } from "../../kernel/abi/vectors";
import { encodingsOf, vexOf } from "../../kernel/gen/encodings";
import { rows } from "../../kernel/decode/rows";
import type { Row } from "../../kernel/decode/row";
import { BareMachine, HANDLERS, KERNEL_CODE, USER_DATA } from "../cpu/bare-machine";

/** Features that are no instructions, and where they are. */
const PROPERTIES: Partial<Record<FeatureName, string>> = {
  PSE: "large pages: kernel/mmu/walk.ts", PAE: "entries of 64 bits: kernel/mmu/walk.ts", PGE: "tests/ring0/pti.test.ts: which pages are global",
  PAT: "a row of kernel/system/msr.ts", APIC: "a row of kernel/system/msr.ts", LM: "64-bit mode", NX: "EFER.NXE, below", PDPE1GB: "below",
  DE: "CR4, below", MCE: "CR4, below; a machine check is delivered in tests/cpu/delivery.test.ts", PCID: "CR4, below", SMEP: "CR4, below", UMIP: "CR4, below", XGETBV1: "tests/exec/xsave.test.ts",
  ERMS: "REP MOVSB goes by pages: kernel/exec/string.ts", FDP_EXCPTN_ONLY: "tests/exec/x87.test.ts", FCS_FDS_DEPRECATED: "tests/exec/x87.test.ts",
  PREFETCHW: "0F 0D does nothing on processors without it too, so it has no condition (SDM Vol. 2B, PREFETCHW)",
};

const of = (feature: FeatureName): Row[] => rows.filter((row) => row.cpuid === feature);
const everything = new Set<FeatureName>(cpuModels.flatMap((model) => [...model.features]));

const SYSTEM_CALL_TARGET = HANDLERS + 16 * 200;
/** Leave for somewhere else, so HLT does not follow. */
const LEAVES = /^(SYSCALL|SYSRET|SYSENTER|SYSEXIT)$/;

/** The shortest encoding of a row: memory operands at [RAX], the register beside them RBX, and RCX for one alone. */
function bytesOf(row: Row): number[] {
  const e = encodingsOf(row)[0]!;
  const prefix = { any: [], NP: [], "66": [0x66], F3: [0xf3], F2: [0xf2] }[e.prefix];
  const escape = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
  const code: number[] = [];
  const vex = vexOf(row);
  if (vex) {
    const pp = { any: 0, NP: 0, "66": 1, F3: 2, F2: 3 }[e.prefix];
    // vvvv names register 2, or none where there is no such operand.
    const vvvv = /\b[BH][a-z]/.test(row.operands) ? 2 : 0;
    code.push(0xc4, 0xe0 | (vex.map - 3), ((vex.w ?? 0) << 7) | ((~vvvv & 15) << 3) | ((vex.l ?? 0) << 2) | pp);
  } else code.push(...prefix, ...(row.opcode.startsWith("REX.W ") ? [0x48] : []), ...escape[e.map]!);
  code.push(e.opcode);
  if (e.hasModrm) code.push((e.mod === "mem" ? 0 : 0xc0) | ((e.reg ?? 3) << 3) | (e.rm ?? (e.mod === "mem" ? 0 : 1)));
  return [...code, 0, 0, 0, 0, 0, 0, 0, 0];
}

/** The vector that the row's instruction raised at CPL 0, or -1 when it completed. */
function execute(m: BareMachine, row: Row): number {
  const padded = Uint8Array.from(bytesOf(row));
  m.kernel([...padded]);
  const { length } = m.machine.decode(padded, { everyFeature: true, mode: 0 });
  m.kernel([...padded.subarray(0, length), 0xf4]);
  for (const r of [RAX, RBX, RCX, RDX, RSI, RDI, RBP]) m.setReg(r, 0);
  const usesMemory = row.operands !== "" && encodingsOf(row)[0]!.mod === "mem";
  if (usesMemory) m.setReg(RAX, USER_DATA);
  m.setReg(RDI, USER_DATA);
  if (/^(RDMSR|WRMSR)$/.test(row.mnemonic)) m.setReg(RCX, 0xc0000082);
  if (row.mnemonic === "XSETBV") m.setReg(RAX, 3);
  m.setReg(CR4, 0x6a0n | (m.machine.cpu.features.has("XSAVE") ? 0x40000n : 0n) | (m.machine.cpu.features.has("FSGSBASE") ? 0x10000n : 0n));
  m.setReg(XCR0, 3);
  m.setReg(LSTAR, SYSTEM_CALL_TARGET);
  m.setReg(SYSENTER_CS, 8);
  m.setReg(SYSENTER_EIP, SYSTEM_CALL_TARGET);
  m.write(SYSTEM_CALL_TARGET, [0xf4]);
  for (let i = 0; i < 1024; i += 4) m.phys.u32[(USER_DATA + i) >>> 2] = 0;
  m.phys.u32[(USER_DATA + 24) >>> 2] = 0x1f80; // MXCSR of an image that is restored
  m.run();
  return Number(m.reg(RIP)) === KERNEL_CODE + length + 1 ? -1 : m.haltedIn;
}

const withFeatures = (features: Iterable<FeatureName>): CpuModel => ({ ...cpuModel("v2"), features: new Set(features) });

test("each feature of each model has rows that execute by it, or is a property named here", () => {
  const without = [...everything].filter((feature) => of(feature).length === 0 && PROPERTIES[feature] === undefined);
  assert.equal(without, []);
  const idle = (Object.keys(PROPERTIES) as FeatureName[]).filter((feature) => of(feature).length > 0);
  assert.equal(idle, []);
});

for (const feature of everything) {
  const its = of(feature).filter((row) => row.mode !== "32" && row.vendor !== "amd");
  if (its.length === 0) continue;
  test(`${feature}: its rows execute when it is offered, and only then`, async () => {
    const m = await BareMachine.create();
    m.machine.cpu = withFeatures(everything);
    let completed = 0;
    for (const row of its) {
      const vector = execute(m, row);
      assert.is.not(vector, VECTOR_UD, `${row.opcode} ${row.mnemonic}`);
      if (vector < 0 || LEAVES.test(row.mnemonic)) completed++;
    }
    assert.ok(completed > 0, "none of its rows ran to its end");
    m.machine.cpu = withFeatures([...everything].filter((name) => name !== feature));
    for (const row of its) {
      const vector = execute(m, row);
      const older = row.older !== undefined;
      assert.is(vector === VECTOR_UD, !older, `${row.opcode} ${row.mnemonic}: vector ${vector}`);
    }
  });
}

test("no model offers what it cannot execute in full: a row's feature is all that a row needs", async () => {
  const m = await BareMachine.create();
  for (const model of cpuModels) {
    m.machine.cpu = model;
    for (const feature of model.features) {
      for (const row of of(feature)) {
        if (row.mode === "32" || (row.vendor !== undefined && row.vendor !== model.vendor)) continue;
        // AMD offers SEP, whose instructions are #UD in long mode all the same (APM Vol. 3, SYSENTER).
        if (model.vendor === "amd" && row.cpuid === "SEP") continue;
        assert.is.not(execute(m, row), VECTOR_UD, `${model.name}: ${row.opcode} ${row.mnemonic}`);
      }
    }
  }
});

test("a control bit exists where its feature does, and setting another one is #GP", async () => {
  const m = await BareMachine.create();
  const bits: [FeatureName, number, bigint][] = [
    ["DE", 4, 0x8n], ["MCE", 4, 0x40n], ["UMIP", 4, 0x800n], ["FSGSBASE", 4, 0x10000n], ["PCID", 4, 0x20000n], ["XSAVE", 4, 0x40000n], ["SMEP", 4, 0x100000n],
    ["SMAP", 4, 0x200000n], ["NX", 0, 0x800n],
  ];
  for (const [feature, register, bit] of bits) {
    for (const offered of [true, false]) {
      m.machine.cpu = withFeatures([...everything].filter((name) => offered || name !== feature));
      m.kernel(register === 4 ? [0x0f, 0x22, 0xe0, 0xf4] : [0x0f, 0x30, 0xf4]); // mov %rax, %cr4; wrmsr
      m.setReg(EFER, 0x501);
      m.setReg(RCX, 0xc0000080);
      m.setReg(RDX, 0);
      m.setReg(RAX, bit | (register === 4 ? 0x6a0n : 0x501n));
      m.run();
      assert.is(m.haltedIn, offered ? -1 : VECTOR_GP, feature);
    }
  }
});

test("a page of 1 GiB has a reserved bit set on a model without PDPE1GB", async () => {
  const m = await BareMachine.create();
  for (const [model, vector] of [["v2", -1], ["nehalem", VECTOR_PF]] as const) {
    m.machine.cpu = cpuModel(model);
    m.phys.setU64(0x2008, 0x83n); // 1 GiB to 2 GiB are physical 0 to 1 GiB
    m.kernel([0x8a, 0x00, 0xf4]); // mov (%rax), %al
    m.setReg(RAX, 0x40000000);
    m.machine.flushTlb();
    m.run();
    assert.is(m.haltedIn, vector, model);
    if (vector >= 0) assert.is(m.frame(true).error, 9n);
  }
});

test("TZCNT and LZCNT of a model without them are BSF and BSR", async () => {
  const m = await BareMachine.create();
  const run = (opcode: number): bigint => {
    m.kernel([0xf3, 0x0f, opcode, 0xc1, 0xf4]); // eax, ecx
    m.setReg(RCX, 0x100);
    m.run();
    return m.reg(RAX);
  };
  assert.equal([run(0xbc), run(0xbd)], [8n, 23n]);
  m.machine.cpu = cpuModel("v1");
  assert.equal([run(0xbc), run(0xbd)], [8n, 8n]);
});

test.run();

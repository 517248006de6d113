// CPUID tells everything twice or three times: the leaves of each model have to agree, as glibc and Go read them.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CpuModel, cpuModels, featureWords, underVendor } from "../../host/machine/cpu-models";
import { type CpuidRow, cpuidRows } from "../../host/machine/cpuid-leaves";
import { Machine } from "../../host/machine/machine";
import { RAX, RBX, RCX, RDX } from "../../kernel/abi/state";
import { BareMachine } from "../cpu/bare-machine";

const all: CpuModel[] = cpuModels.flatMap((model) => (["intel", "amd"] as const).map((vendor) => underVendor(model, vendor)));
const name = (cpu: CpuModel): string => `${cpu.name} as ${cpu.vendor}`;

function leafOf(cpu: CpuModel): (leaf: number, subleaf?: number) => CpuidRow | undefined {
  const rows = cpuidRows(cpu);
  return (leaf, subleaf = 0) => rows.find((row) => row.leaf === leaf && (row.subleaf === subleaf || row.subleaf === 0xffffffff));
}

/** Bytes of a cache as leaf 4 and 8000_001Dh tell them. */
const bytesOf = ({ ebx, ecx }: CpuidRow): number => ((ebx >>> 22) + 1) * (((ebx >>> 12) & 1023) + 1) * ((ebx & 4095) + 1) * (ecx + 1);

test("the old and the new way to tell caches agree", () => {
  for (const cpu of all) {
    const leaf = leafOf(cpu);
    const properties = cpu.vendor === "amd" ? 0x8000001d : 4;
    const caches = [0, 1, 2, 3].map((subleaf) => leaf(properties, subleaf)).filter((row) => row !== undefined);
    if ((properties >= 0x80000000 ? cpu.maxExtendedLeaf : cpu.maxLeaf) < properties) {
      assert.equal(caches, []);
      continue;
    }
    assert.equal(caches.map(bytesOf), [32 << 10, 32 << 10, 256 << 10, 8 << 20], name(cpu));
    assert.is(leaf(0x80000006)!.ecx >>> 16, bytesOf(caches[2]!) >> 10, name(cpu));
    if (cpu.vendor !== "amd") continue;
    assert.is(leaf(0x80000005)!.ecx >>> 24, bytesOf(caches[0]!) >> 10);
    assert.is((leaf(0x80000006)!.edx >>> 18) * 512, bytesOf(caches[3]!) >> 10);
  }
});

test("signature, feature words and ends of the leaves are those of the row", () => {
  for (const cpu of all) {
    const leaf = leafOf(cpu);
    const words = featureWords(cpu.features);
    const { eax } = leaf(1)!;
    const family = ((eax >> 8) & 15) + (((eax >> 8) & 15) === 15 ? (eax >> 20) & 255 : 0);
    assert.equal([family, ((eax >> 4) & 15) | ((eax >> 12) & 0xf0), eax & 15], [cpu.family, cpu.model, cpu.stepping], name(cpu));
    assert.equal([leaf(1)!.edx, leaf(1)!.ecx, leaf(0x80000001)!.ecx], [words[1], words[2], words[6]], name(cpu));
    assert.is(leaf(0)!.eax, cpu.maxLeaf);
    assert.is(leaf(0x80000000)!.eax, cpu.maxExtendedLeaf);
    // A feature in a leaf that the model does not have could not be seen.
    for (const [word, needs] of [[3, 7], [4, 7], [7, 7], [0, 0xd]] as const) if (words[word] !== 0) assert.ok(cpu.maxLeaf >= needs, name(cpu));
    if (cpu.features.has("XSAVE")) assert.ok(cpu.maxLeaf >= 0xd, name(cpu));
    assert.ok(cpu.brand.length < 48 && /^[ -~]+$/.test(cpu.brand));
  }
});

test("beyond the last leaf Intel answers with its last one and AMD with zeros", async () => {
  const m = await BareMachine.create();
  const cpuid = (leaf: number): bigint[] => {
    m.kernel([0x0f, 0xa2, 0xf4]);
    m.setReg(RAX, leaf);
    m.setReg(RCX, 0);
    m.run();
    return [RAX, RBX, RCX, RDX].map((register) => m.reg(register));
  };
  for (const cpu of all) {
    m.machine.cpu = cpu;
    const last = cpuid(cpu.maxLeaf);
    for (const leaf of [cpu.maxLeaf + 1, 0x40000000, cpu.maxExtendedLeaf + 1, 0xc0000000]) {
      assert.equal(cpuid(leaf), cpu.vendor === "amd" ? [0n, 0n, 0n, 0n] : last, `${name(cpu)}: leaf ${leaf.toString(16)}`);
    }
  }
});

test("a model's name that is none is an error that lists them, and reset keeps the model", async () => {
  await Machine.create({ ramBytes: 65536, cpu: "8086" }).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /no CPU model "8086": there are v1, v2/),
  );
  const machine = await Machine.create({ ramBytes: 65536, cpu: "k8" });
  const before = machine.decode(Uint8Array.of(0xf3, 0x0f, 0xb8, 0xc0)); // POPCNT
  machine.reset();
  assert.equal(machine.decode(Uint8Array.of(0xf3, 0x0f, 0xb8, 0xc0)), before);
  assert.is(before.row, -1);
});

test("RDRAND and RDSEED draw from the machine's generator, set CF alone, and write the operand's size", async () => {
  const m = await BareMachine.create();
  let draws = 0;
  m.machine.random = () => [0x11111111, 0xeeeeeeee][draws++ % 2]!;
  for (const [code, before, after] of [
    [[0x48, 0x0f, 0xc7, 0xf0], -1, 0xeeeeeeee11111111n], // rdrand %rax
    [[0x0f, 0xc7, 0xf8], -1, 0x11111111n], // rdseed %eax
    [[0x66, 0x0f, 0xc7, 0xf0], 0, 0x1111n], // rdrand %ax
  ] as const) {
    draws = 0;
    m.kernel([...code, 0x9c, 0x5b, 0xf4]); // pushf; pop %rbx
    m.setReg(RAX, before);
    m.run();
    assert.is(m.reg(RAX), after);
    assert.is(m.reg(RBX) & 0x8d5n, 1n);
  }
});

test.run();

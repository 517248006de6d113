// Encodings whose feature is not where one would look for it, on models that do not offer it.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { cpuModel } from "../../host/machine/cpu-models";
import { RAX, RBX, RCX, RDX } from "../../kernel/abi/state";
import { VECTOR_GP, VECTOR_UD } from "../../kernel/abi/vectors";
import { BareMachine, USER_DATA } from "../cpu/bare-machine";

const HLT = 0xf4;
const NOTHING = VECTOR_GP; // the HLT at the end, at CPL 3

async function on(model: string): Promise<(code: number[]) => number> {
  const m = await BareMachine.create();
  m.machine.cpu = cpuModel(model);
  return (code) => {
    m.user([...code, HLT]);
    m.setReg(RAX, USER_DATA);
    for (const register of [RBX, RCX, RDX]) m.setReg(register, 0);
    m.run();
    return m.haltedIn;
  };
}

test("CMPXCHG16B is CMPXCHG8B with REX.W, but CX16 offers it", async () => {
  const [v1, v2] = [await on("v1"), await on("v2")];
  const cmpxchg8b = [0x0f, 0xc7, 0x08];
  assert.is(v1(cmpxchg8b), NOTHING);
  assert.is(v1([0x48, ...cmpxchg8b]), VECTOR_UD);
  assert.is(v2([0x48, ...cmpxchg8b]), NOTHING);
});

test("FISTTP came with SSE3", async () => {
  const [v1, v2] = [await on("v1"), await on("v2")];
  const fninit = [0xdb, 0xe3];
  for (const code of [[0xdb, 0x08], [0xdd, 0x08], [0xdf, 0x08]].map((fisttp) => [...fninit, ...fisttp])) {
    assert.is(v1(code), VECTOR_UD);
    assert.is(v2(code), NOTHING);
  }
});

test("MOVBE is #UD under F3, and CRC32 under F2 whatever stands beside it", async () => {
  const v2 = await on("v2");
  assert.is(v2([0x0f, 0x38, 0xf0, 0x08]), NOTHING);
  assert.is(v2([0x66, 0x0f, 0x38, 0xf0, 0x08]), NOTHING);
  assert.is(v2([0xf3, 0x0f, 0x38, 0xf0, 0x08]), VECTOR_UD);
  assert.is(v2([0xf3, 0x66, 0x0f, 0x38, 0xf1, 0x08]), VECTOR_UD);
  assert.is(v2([0x66, 0xf2, 0x0f, 0x38, 0xf1, 0x08]), NOTHING);
  assert.is(v2([0x0f, 0x38, 0xf0, 0xc8]), VECTOR_UD, "MOVBE has no register form");
});

test.run();

// FXSAVE, XSAVE and their kin outside 64-bit mode: the area is the same, but XMM8 to XMM15 are neither stored nor loaded
// (SDM Vol. 2A, FXSAVE and FXRSTOR; Vol. 1 13.5.2).

import { test } from "uvu";
import * as assert from "uvu/assert";
import { CR4, MXCSR, RAX, RBX, RDX, XCR0, XMM } from "../../kernel/abi/state";
import { type BareMachine, USER_DATA } from "./bare-machine";
import { go, inBothPaces, load } from "./both-paces";

const OSXSAVE = 0x40000n;
const FX_XMM = 160;
const HALF = 128;
const AREA = 0x400;
const FILL = 0xee;

function prepare(m: BareMachine, code: number[], bits: 32 | 64): void {
  load(m, code, bits);
  m.setReg(CR4, m.reg(CR4) | OSXSAVE);
  m.setReg(XCR0, 3);
  m.setReg(RBX, USER_DATA);
  m.setReg(RAX, 3);
  m.setReg(RDX, 0);
  m.setWord(MXCSR, 0x1f80);
  m.machine.registers.u8.set(Uint8Array.from({ length: 2 * HALF }, (_, i) => i), XMM);
}

const registers = (m: BareMachine) => m.machine.registers.u8.slice(XMM, XMM + 2 * HALF);
const isAll = (bytes: Uint8Array, value: number) => bytes.every((byte) => byte === value);

inBothPaces("FXSAVE, XSAVE, XSAVEC and XSAVEOPT of 32-bit code store XMM0 to XMM7 and leave the place of the others alone", (m, pace) => {
  for (const [name, code] of [["FXSAVE", [0x0f, 0xae, 0x03]], ["XSAVE", [0x0f, 0xae, 0x23]], ["XSAVEC", [0x0f, 0xc7, 0x23]], ["XSAVEOPT", [0x0f, 0xae, 0x33]]] as [string, number[]][]) {
    for (const bits of [32, 64] as const) {
      prepare(m, code, bits);
      m.write(USER_DATA, new Uint8Array(AREA).fill(FILL));
      m.write(USER_DATA + 512, new Uint8Array(64));
      const end = go(m, pace);
      assert.equal([end.vector, end.rip], [6, code.length], name);
      const area = m.phys.u8.slice(USER_DATA, USER_DATA + AREA);
      assert.equal(area.slice(FX_XMM, FX_XMM + HALF), registers(m).slice(0, HALF), name);
      const others = area.slice(FX_XMM + HALF, FX_XMM + 2 * HALF);
      if (bits === 32) assert.ok(isAll(others, FILL), name);
      else assert.equal(others, registers(m).slice(HALF), name);
    }
  }
});

inBothPaces("FXRSTOR and XRSTOR of 32-bit code load XMM0 to XMM7 and leave the others alone", (m, pace) => {
  for (const [name, code] of [["FXRSTOR", [0x0f, 0xae, 0x0b]], ["XRSTOR", [0x0f, 0xae, 0x2b]]] as [string, number[]][]) {
    for (const components of [3, 0]) {
      if (name === "FXRSTOR" && components === 0) continue;
      for (const bits of [32, 64] as const) {
        prepare(m, code, bits);
        const before = registers(m);
        const area = new Uint8Array(AREA).fill(FILL, FX_XMM, FX_XMM + 2 * HALF);
        area.set([0x7f, 3], 0);
        area.set([0x80, 0x1f], 24);
        area[512] = components;
        m.write(USER_DATA, area);
        const end = go(m, pace);
        assert.equal([end.vector, end.rip], [6, code.length], name);
        const loaded = components === 3 ? FILL : 0;
        assert.ok(isAll(registers(m).slice(0, HALF), loaded), `${name} ${bits} ${components}`);
        if (bits === 32) assert.equal(registers(m).slice(HALF), before.slice(HALF), `${name} ${components}`);
        else assert.ok(isAll(registers(m).slice(HALF), loaded), `${name} ${components}`);
      }
    }
  }
});

test.run();

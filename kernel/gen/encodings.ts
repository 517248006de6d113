// From the rows' opcode strings to the decoder's lookup: for each opcode a row, a group by prefix and ModRM, or a subgroup
// by ModRM.rm. A cell is one combination of (prefix column, mod, reg, rm).

import type { Row } from "../decode/row";

export interface Encoding {
  row: Row;
  /** 0 one-byte, 1 0F, 2 0F 38, 3 0F 3A; 4, 5, 6 the last three under a VEX prefix. */
  map: number;
  opcode: number;
  prefix: "any" | "NP" | "66" | "F3" | "F2";
  mod?: "mem" | "reg";
  reg?: number;
  rm?: number;
  hasModrm: boolean;
  lowRegister: boolean;
}

const MODRM_OPERAND = /^[EGMRSCDVWUPQN]([a-z]|$)/;

export function operandsOf(row: Row): string[] {
  return row.operands.split(",").map((o) => o.trim()).filter(Boolean);
}

export function isModrmOperand(operand: string): boolean {
  return !/^(DX|DS|CL|CS|SS|ES|AL|AX|BX|GS|FS)$/.test(operand) && MODRM_OPERAND.test(operand);
}

export interface VexWord {
  map: number;
  prefix: "NP" | "66" | "F3" | "F2";
  /** What VEX.L and VEX.W have to be; undefined: either. */
  l?: 0 | 1;
  w?: 0 | 1;
}

/**
 * The first word of a row under a VEX prefix, as the SDM spells it (Vol. 2A 3.1.1.2): `VEX.LZ.NP.0F38.W0`. Without W0 or W1 the bit is
 * the size of `y` operands, or means nothing.
 */
export function vexOf(row: Row): VexWord | undefined {
  const [first] = row.opcode.split(" ");
  if (!first.startsWith("VEX")) return undefined;
  const vex: VexWord = { map: 0, prefix: "NP" };
  for (const word of first.split(".").slice(1)) {
    if (word === "LZ" || word === "L0" || word === "128") vex.l = 0;
    else if (word === "L1" || word === "256") vex.l = 1;
    else if (word === "W0" || word === "W1") vex.w = word === "W1" ? 1 : 0;
    else if (word === "LIG" || word === "WIG") continue;
    else if (word === "NP" || word === "66" || word === "F3" || word === "F2") vex.prefix = word;
    else if (["0F", "0F38", "0F3A"].includes(word)) vex.map = ["0F", "0F38", "0F3A"].indexOf(word) + 4;
    else throw new Error(`row ${row.opcode} ${row.mnemonic}: what is ${word}?`);
  }
  if (!vex.map) throw new Error(`row ${row.opcode} ${row.mnemonic}: which map?`);
  return vex;
}

/** True where REX.W is part of the opcode, false where it must be absent; else undefined. */
export function rexW(row: Row): boolean | undefined {
  return row.opcode.startsWith("REX.W ") ? true : row.opcode.startsWith("W0 ") ? false : undefined;
}

export function encodingsOf(row: Row): Encoding[] {
  const words = row.opcode.split(/\s+/);
  let prefix: Encoding["prefix"] = "any";
  const vex = vexOf(row);
  if (rexW(row) !== undefined) words.shift();
  if (vex) {
    prefix = vex.prefix;
    words.shift();
  } else if (words[0] === "NP") {
    prefix = "NP";
    words.shift();
  } else if (words.length > 1 && /^(66|F2|F3)$/.test(words[0])) {
    prefix = words[0] as Encoding["prefix"];
    words.shift();
  }
  let map = vex?.map ?? 0;
  if (!vex && words.length > 1 && words[0] === "0F" && /^[0-9A-F]{2}/.test(words[1])) {
    words.shift();
    map = 1;
    const escape: string = words[0];
    if (words.length > 1 && (escape === "38" || escape === "3A") && /^[0-9A-F]{2}/.test(words[1])) {
      words.shift();
      map = escape === "38" ? 2 : 3;
    }
  }
  const first = words.shift()!;
  const low = first.endsWith("+r");
  const opcode = parseInt(first, 16);
  let mod: Encoding["mod"];
  let reg: number | undefined;
  let rm: number | undefined;
  let hasModrm = operandsOf(row).some(isModrmOperand);
  for (const word of words) {
    if (/^\/[0-7]$/.test(word)) {
      reg = Number(word[1]);
      hasModrm = true;
    } else if (word === "/r") hasModrm = true;
    else if (word === "mem" || word === "reg") {
      mod = word;
      hasModrm = true;
    } else if (/^[0-9A-F]{2}\+i$/.test(word)) {
      mod = "reg";
      reg = (parseInt(word, 16) >> 3) & 7;
      hasModrm = true;
    } else if (/^[0-9A-F]{2}$/.test(word)) {
      const byte = parseInt(word, 16);
      mod = byte >= 0xc0 ? "reg" : "mem";
      reg = (byte >> 3) & 7;
      rm = byte & 7;
      hasModrm = true;
    } else if (/^(ib|iw|id|io|cb|cw|cd)$/.test(word)) continue;
    else throw new Error(`row ${row.opcode} ${row.mnemonic}: what is ${word}?`);
  }
  const operands = operandsOf(row);
  if (!mod && operands.some((o) => /^M([a-z]|$)/.test(o))) mod = "mem";
  if (!mod && operands.some((o) => /^[RUN]([a-z]|$)/.test(o))) mod = "reg";
  const base = { row, map, prefix, mod, reg, rm, hasModrm, lowRegister: low };
  if (low) return Array.from({ length: 8 }, (_, i) => ({ ...base, opcode: opcode + i }));
  return [{ ...base, opcode }];
}

const COLUMNS = ["NP", "66", "F3", "F2"];
const specificity = (e: Encoding) => (e.prefix === "any" ? 0 : 1) + (e.rm === undefined ? 0 : 2) + (e.reg === undefined ? 0 : 4) + (e.mod === undefined ? 0 : 8);
const distinguishes = (r: Row) => r.mode !== undefined || r.vendor !== undefined || r.older !== undefined || rexW(r) !== undefined || vexOf(r)?.l !== undefined || vexOf(r)?.w !== undefined;

export interface Lookup {
  /** [map * 256 + opcode]: 0 invalid, row + 1, or 0x8000 | group. */
  opcodes: Uint16Array;
  /** Groups of 64: [prefix column][mem, reg][reg]: 0, row + 1, or 0x8000 | subgroup. */
  groups: number[];
  /** Subgroups of 8, by rm. */
  subgroups: number[];
  /** Per row the next candidate or 0xffff. */
  next: number[];
}

export function buildLookup(rows: Row[]): Lookup {
  const perOpcode = new Map<number, Encoding[]>();
  for (const row of rows) for (const e of encodingsOf(row)) {
    const key = e.map * 256 + e.opcode;
    perOpcode.set(key, [...(perOpcode.get(key) ?? []), e]);
  }
  const index = new Map(rows.map((r, i) => [r, i]));
  const next: number[] = rows.map(() => 0xffff);
  const opcodes = new Uint16Array(7 * 256);
  const groups: number[] = [];
  const subgroups: number[] = [];

  const choose = (cell: Encoding[]): number => {
    const sorted = [...cell].sort((a, b) => specificity(b) - specificity(a));
    for (let i = 0; i + 1 < sorted.length; i++) {
      const a = sorted[i].row;
      const b = sorted[i + 1].row;
      if (!distinguishes(a) && !distinguishes(b)) {
        if (specificity(sorted[i]) === specificity(sorted[i + 1])) throw new Error(`${a.opcode} ${a.mnemonic} and ${b.opcode} ${b.mnemonic} are one encoding`);
        break;
      }
      const known = next[index.get(a)!];
      const to = index.get(b)!;
      if (distinguishes(a)) {
        if (known !== 0xffff && known !== to) throw new Error(`${a.opcode} ${a.mnemonic} has two followers`);
        next[index.get(a)!] = to;
      }
      if (!distinguishes(b)) break;
    }
    // Rows that fit only one mode come first, so that the unrestricted one is the last resort.
    const first = sorted[0];
    return first ? index.get(first.row)! + 1 : 0;
  };

  for (const [key, encodings] of perOpcode) {
    encodings.sort((a, b) => Number(distinguishes(b.row)) - Number(distinguishes(a.row)));
    const cells: number[] = [];
    for (let column = 0; column < 4; column++)
      for (let mod = 0; mod < 2; mod++)
        for (let reg = 0; reg < 8; reg++)
          for (let rm = 0; rm < 8; rm++)
            cells.push(choose(encodings.filter((e) =>
              (e.prefix === "any" || e.prefix === COLUMNS[column]) && (e.mod === undefined || (e.mod === "reg") === (mod === 1))
              && (e.reg === undefined || e.reg === reg) && (e.rm === undefined || e.rm === rm))));
    if (cells.every((c) => c === cells[0])) {
      opcodes[key] = cells[0];
      continue;
    }
    opcodes[key] = 0x8000 | (groups.length / 64);
    for (let g = 0; g < 64; g++) {
      const eight = cells.slice(g * 8, g * 8 + 8);
      if (eight.every((c) => c === eight[0])) groups.push(eight[0]);
      else {
        groups.push(0x8000 | (subgroups.length / 8));
        subgroups.push(...eight);
      }
    }
  }
  return { opcodes, groups, subgroups, next };
}

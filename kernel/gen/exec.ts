// Writes build/kernel/exec.ts, the hot loop, build/kernel/slow.ts, its twins and the cold operations, and build/kernel/codes.ts.

import { PROFILE_CASES, PROFILE_COLD, PROFILE_LEFT, PROFILE_PAIRS } from "../abi/layout";
import { controlCases } from "./hot-control";
import { hotRows, sameAs32, type Form } from "./hot";
import { sequences } from "./sequences";
import { expand, functionsOf, inlined, isRaw, parameter, type Names, type Operation } from "./operations";
import type { Instance } from "./tables";

const NONE = 0xffff;
/** Names that exec() has itself: locals, and imports of the template. */
const IN_EXEC = new Set(["fres", "faux", "fcf", "sx", "msb", "CPU_BLOCK", "RAX", "RBP", "RCX", "RDX", "RSP", "SLOT_CODE_PAGE", "SLOT_EA", "SLOT_RMW", "SEG_BASE", "RIP", "a", "b", "i", "r"]);
const BITS: Record<string, number> = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, u64: 8, i64: 8, f64: 8, v128: 16 };

interface HotCase {
  name: string;
  text: string;
  slow: string;
}

/**
 * A later part of a sequence with the second half of its two-step tests left out: what the first half puts in doubt is done again by
 * the part's own case, since u is at the part and nothing of it has changed yet. A sequence is for what nearly always happens, and
 * virtual registers are short.
 */
function againAlone(text: string): string {
  return text.replace(/if \(([^{}]*)\) \{\s*if \([^{}]*\) break;\s*\}/g, "if ($1) continue;");
}

export class Hot {
  readonly cases: HotCase[] = [...controlCases.map((c) => ({ ...c }))];
  private readonly numbers = new Map<string, number>();
  readonly cold: number;
  readonly missing: string[] = [];

  /** Module (as seen from kernel/exec) -> names that inlined bodies use. */
  private readonly used = new Map<string, Set<string>>();

  constructor(
    private readonly operations: Map<string, Operation>, private readonly macros: Map<string, Operation>,
    private readonly namesIn: (file: string) => Names, private readonly profile: boolean,
  ) {
    for (const row of hotRows) for (const size of row.sizes) for (const form of row.forms) this.add(row.fn, size, form);
    if (!this.missing.length) for (const sequence of sequences) this.addSequence(sequence.split(" "));
    this.cold = this.cases.length;
  }

  private add(fn: string, size: number, form: Form): void {
    const fast = this.operations.get(`${fn}_fast`);
    const op = this.operations.get(fn);
    if (!op) {
      this.missing.push(fn);
      return;
    }
    const type = op.generic ? `u${size}` : "";
    const key = `${fn} ${type} ${form}`;
    const name = `${fn}${op.generic ? size : ""}_${form}`;
    this.numbers.set(key, this.cases.length);
    this.cases.push({ name, text: this.caseText(fast ?? op, type, form), slow: this.slowText(op, type, form) });
  }

  /** The parts' texts behind each other; each is left with u at itself. */
  private addSequence(names: string[]): void {
    const parts = names.map((name) => {
      const part = this.cases.find((c) => c.name === name);
      if (!part) throw new Error(`sequence ${names.join(" ")}: no case ${name}`);
      return part;
    });
    const texts = parts.map(({ name, text }, k) => {
      const doubted = k === 0 ? text : againAlone(text);
      if (k === parts.length - 1) return `{ ${doubted} }`;
      const plain = doubted.trim().replace(/\$NEXT(2?)$/, (_, two) => `u += ${two ? 64 : 32};`);
      if (plain.includes("$NEXT") || !/u \+= \d+;$/.test(plain)) throw new Error(`sequence ${names.join(" ")}: ${name} does not simply go on`);
      return `{ ${plain} }`;
    });
    this.cases.push({ name: names.join("__"), text: texts.join("\n        "), slow: parts[0].slow });
  }

  /**
   * `SEQUENCES`, and for each case the place of its list there: the sequences that it begins, the longest first, each as
   * how many further parts it has, its own case, those parts' cases. 0 ends a list.
   */
  private sequenceTables(): { lists: number[]; places: number[] } {
    const number = (name: string) => this.cases.findIndex((c) => c.name === name);
    const lists: number[] = [0];
    const places = this.cases.map(({ name }) => {
      const begun = sequences.map((s) => s.split(" ")).filter(([first]) => first === name).sort((a, b) => b.length - a.length);
      if (!begun.length) return 0;
      const place = lists.length * 2;
      for (const [, ...further] of begun) lists.push(further.length, number([name, ...further].join("__")), ...further.map(number));
      lists.push(0);
      return place;
    });
    return { lists, places: [...places, 0] };
  }

  private types(op: Operation, type: string) {
    const concrete = (t?: string) => (t === "T" ? type : t ?? "");
    return { a: concrete(parameter(op, "a")?.type), b: concrete(parameter(op, "b")?.type), r: concrete(op.result) };
  }

  private caseText(op: Operation, type: string, form: Form): string {
    const { a, b, r } = this.types(op, type);
    let body = inlined(op, type, this.macros);
    if (/\bbail\(\)/.test(body) && /\b(for|while|switch)\b/.test(body)) throw new Error(`${op.name}: bail() inside a loop or switch`);
    body = body.replace(/\bbail\(\);/g, "break;"); // leaves the switch: nothing has changed yet
    this.noteNames(body, op.file);
    if (op.result !== "void" && /^r_ = \w+;$/.test(body)) body = body.trim();
    const memory = form === "rr" ? "" : `$EA $TLB(${form === "mr" || form === "ms" ? "WRITE" : "READ"}, ${BITS[form === "rm" ? b : form === "ms" ? r : a]})`;
    const first = a && `const a: ${a} = load<${a}>(${form === "mr" || form === "mx" ? "p" : "load<u32>(u, 4)"});`;
    const second = b && `const b: ${b} = load<${b}>(${form === "rm" ? "p" : "load<u32>(u, 8)"});`;
    const third = parameter(op, "i") ? "const i: u64 = load<u64>(u, 24);" : "";
    const result = r !== "void" ? `let r_: ${r};` : "";
    let write = "";
    if (r !== "void") {
      if (form === "mr" || form === "ms") write = `store<${r}>(p, r_);`;
      else if (r === "u32") write = "store<u64>(load<u32>(u, 4), <u64>r_);";
      else write = `store<${r}>(load<u32>(u, 4), r_);`;
    }
    return `${memory} ${first} ${second} ${third} ${result} ${body} ${write} $NEXT`;
  }

  private noteNames(body: string, file: string): void {
    const { own, imported } = this.namesIn(file);
    for (const [name] of body.matchAll(/\b[A-Za-z_]\w*\b/g)) {
      const from = own.has(name) ? `./${file.replace(".ts", "")}` : imported.get(name);
      if (from && !this.macros.has(name) && !IN_EXEC.has(name)) this.used.set(from, (this.used.get(from) ?? new Set()).add(name));
    }
  }

  private slowText(op: Operation, type: string, form: Form): string {
    const { a, b, r } = this.types(op, type);
    const call = (args: string[]) => `${op.name}${op.generic ? `<${type}>` : ""}(${args.filter(Boolean).join(", ")})`;
    const i = parameter(op, "i") ? "load<u64>(u, 24)" : "";
    const lines: string[] = [];
    const fromMemory = form === "mr" || form === "mx" ? "a" : form === "rm" ? "b" : "";
    if (form === "mr") lines.push(`if (!probeWrite(ea(u), ${BITS[a]})) return;`);
    if (a) lines.push(`const a = ${fromMemory === "a" ? `readMem<${a}>(ea(u))` : `load<${a}>(dst(u))`};`);
    if (b) lines.push(`const b = ${fromMemory === "b" ? `readMem<${b}>(ea(u))` : `load<${b}>(src(u))`};`);
    if (fromMemory) lines.push("if (faulted) return;");
    if (r === "void") lines.push(`${call([a && "a", b && "b", i])};`);
    else {
      lines.push(`const r = ${call([a && "a", b && "b", i])};`);
      lines.push("if (faulted) return;");
      if (form === "mr" || form === "ms") lines.push(`writeMem<${r}>(ea(u), r);`);
      else lines.push(r === "u32" ? "store<u64>(dst(u), <u64>r);" : `store<${r}>(dst(u), r);`);
    }
    return lines.join(" ");
  }

  formsOf(instance: Instance): Record<"rr" | "rm" | "md" | "ms", number> {
    const { op, type } = instance;
    if (instance.via) return { rr: this.cold, rm: NONE, md: NONE, ms: NONE };
    const find = (form: Form) => {
      if (instance.third === "sub") return NONE;
      const t = sameAs32.has(op.name) && type === "u64" ? "u32" : type;
      return this.numbers.get(`${op.name} ${t} ${form}`) ?? NONE;
    };
    const md = find("mr") !== NONE ? find("mr") : find("mx");
    const rr = instance.third === "cl" ? NONE : find("rr");
    return { rr: rr === NONE ? this.cold : rr, rm: find("rm"), md, ms: find("ms") };
  }

  /** What the counters of a profile stand for, and where they are. */
  counters(instances: Instance[]): { cases: string[]; cold: string[]; at: Record<string, number> } {
    const at = { cases: PROFILE_CASES, left: PROFILE_LEFT, cold: PROFILE_COLD, pairs: PROFILE_PAIRS };
    return { at, cases: [...this.cases.map((c) => c.name), "COLD"], cold: instances.map((i) => `${i.op.name}${i.type && ` ${i.type}`}${i.third && ` ${i.third}`}`) };
  }

  codes(): string {
    const { lists, places } = this.sequenceTables();
    return [
      "// Made by kernel/gen: the case numbers of exec(). Not for editing.",
      ...this.cases.map((c, n) => `export const CODE_${c.name}: u32 = ${n};`),
      `export const CODE_COLD: u32 = ${this.cold};`,
      `export const SEQUENCES = memory.data<u16>([${lists}], 4);`,
      `export const SEQUENCE_OF = memory.data<u16>([${places}], 4);`,
      "/** Code of `operation` fused with Jcc cc, or 0. */",
      "export function fusedCode(operation: u32, cc: u32): u32 {",
      "  switch ((operation << 4) | cc) {",
      ...this.cases.flatMap((c, n) => {
        const m = /^((?:CMP|TEST)\d+)_JCC(\d+)$/.exec(c.name);
        return m ? [`    case ${this.cases.findIndex((x) => x.name === `${m[1]}_rr`) * 16 + Number(m[2])}: return ${n};`] : [];
      }),
      "    default: return 0;",
      "  }",
      "}",
      "",
    ].join("\n");
  }

  exec(): string {
    const cases = this.cases.map((c, n) => `      case ${n}: { // ${c.name}\n        ${this.spell(c.text)}\n      }`).join("\n");
    return `// Made by kernel/gen from the instruction table and the group files: the hot loop. Not for editing.
import { CONTEXT_MAP, CPU_BLOCK, PROFILE_CASES, PROFILE_PAIRS, TLB_BASE } from "../../kernel/abi/layout";
import {
  COUNT_CR3_WRITE, CR3, CR4, GS_BASE, KERNEL_GS_BASE, MODE, RAX, RBP, RCX, RDX, RSP, SLOT_CODE_PAGE, SLOT_EA, SLOT_RMW, SEG_BASE, RIP,
} from "../../kernel/abi/state";
import { CR4_PCIDE } from "../../kernel/abi/bits";
import { fres as fresGlobal, faux as fauxGlobal, fcf as fcfGlobal, sx, msb } from "../../kernel/cpu/flags";
import { chosenAt, clock, tlb as tlbGlobal, view } from "../../kernel/mmu/tlb";
import { budgetLeft, setBudgetLeft, setLeaveReason, LEAVE_SLOW, LEAVE_BUDGET, LEAVE_LOOKUP } from "../../kernel/exec/leave";
${this.imports()}

const PAGE_MASK: u64 = 0xfffffffffffff000;

/** Executes from micro-operation u (its block already paid for) until one needs the slow path; returns that one. */
export function exec(u: usize): usize {
  let fres: i64 = fresGlobal;
  let faux: i64 = fauxGlobal;
  let fcf: u32 = fcfGlobal;
  let count: i32 = budgetLeft;
  let tlb: usize = tlbGlobal;
  let why: u32 = LEAVE_SLOW;
  let goal: u64 = 0;${this.profile ? `\n  let previous: usize = ${this.cold};` : ""}
  while (true) {${this.profile ? this.counting() : ""}
    switch (<u32>load<u16>(u)) {
${cases}
      default: break;
    }
    if (why == LEAVE_LOOKUP) {
      // Address known, block not: TLB entry -> code page -> block at this offset.
      const e: usize = tlb + (((<usize>(goal >> 12) + <usize>(goal >> 22)) & 1023) << 5);
      if (load<u64>(e, 16) == (goal & PAGE_MASK)) {
        const c: usize = load<u32>(e, 28);
        if (c) {
          const t: usize = load<u32>(c + ((<usize>goal & 0xfff) << 2), 32);
          if (t) {
            store<u64>(CPU_BLOCK, goal & PAGE_MASK, SLOT_CODE_PAGE);
            const n: i32 = load<i32>(t - 32);
            u = t;
            if (count >= n) {
              count -= n;
              why = LEAVE_SLOW;
              continue;
            }
            why = LEAVE_BUDGET;
            break;
          }
        }
      }
      store<u64>(CPU_BLOCK, goal - load<u64>(CPU_BLOCK, SEG_BASE + 8), RIP);
    }
    break;
  }
  fresGlobal = fres;
  fauxGlobal = faux;
  fcfGlobal = fcf;
  tlbGlobal = tlb;
  setBudgetLeft(count);
  setLeaveReason(why);
  return u;
}
`;
  }

  private counting(): string {
    return `
    const code: usize = min<usize>(load<u16>(u), ${this.cold});
    store<u64>(PROFILE_CASES + (code << 3), load<u64>(PROFILE_CASES + (code << 3)) + 1);
    const pair: usize = PROFILE_PAIRS + ((previous * ${this.cold + 1} + code) << 2);
    store<u32>(pair, load<u32>(pair) + 1);
    previous = code;`;
  }

  private countingOne(table: string, index: string): string {
    return `
  const counter: usize = ${table} + (<usize>${index} << 3);
  store<u64>(counter, load<u64>(counter) + 1);`;
  }

  private imports(): string {
    return [...this.used].map(([from, names]) => {
      const path = from.startsWith("../") ? `../../kernel/${from.slice(3)}` : `../../kernel/exec/${from.slice(2)}`;
      return `import { ${[...names].join(", ")} } from "${path}";`;
    }).join("\n");
  }

  private spell(text: string): string {
    return expand(text, this.macros)
      .replaceAll("$EA ", "$BASE const ea: u64 = base; ")
      .replaceAll("$BASE ", "const base: u64 = load<u64>(<usize>load<u8>(u, 12), CPU_BLOCK) + (load<u64>(<usize>load<u8>(u, 13), CPU_BLOCK) << <u64>load<u8>(u, 14)) + <u64>load<i32>(u, 16); ")
      .replace(/\$TLB\((READ|WRITE), (\d+)\)/g, (_, tag, bytes) =>
        `const e: usize = tlb + (((<usize>(ea >> 12) + <usize>(ea >> 22)) & 1023) << 5); if (((ea + ${Number(bytes) - 1}) & PAGE_MASK) != load<u64>(e, ${tag === "READ" ? 0 : 8})) break; const p: usize = <usize>(<u32>ea + load<u32>(e, 24));`)
      .replaceAll("$NEXT2", "u += 64; continue;")
      .replaceAll("$NEXT", "u += 32; continue;")
      .replace(/\$BLOCK\((\w+)\)/g, "const n: i32 = load<i32>($1 - 32); u = $1; if (count < n) { why = LEAVE_BUDGET; break; } count -= n; continue;")
      .replace(/\$GOTO\((\w+)\)/g, "goal = $1; why = LEAVE_LOOKUP; break;");
  }

  slow(instances: Instance[]): string {
    const used = new Map<string, Set<string>>();
    const use = (op: Operation) => used.set(op.file, (used.get(op.file) ?? new Set()).add(op.name));
    for (const i of instances) use(i.op);
    const hotSlow = this.cases.map((c, n) => `    case ${n}: { ${c.slow.endsWith(";") ? c.slow : `${c.slow};`} return; } // ${c.name}`).join("\n");
    for (const row of hotRows) if (this.operations.has(row.fn)) use(this.operations.get(row.fn)!);
    for (const name of ["SWAPGS", "MOV_FROM_CR", "MOV_TO_CR", "BT", "BTS", "BTR", "LEA", "NOP", "CBW", "CWD", "PUSH", "POP", "LEAVE", "RET", "CALL_REL", "CALL", "JMP"]) use(this.operations.get(name)!);
    const imports = [...used].map(([file, names]) => `import { ${[...names].join(", ")} } from "../../kernel/exec/${file.replace(".ts", "")}";`).join("\n");
    const coldCases = instances.map((i, n) => `    case ${n}: { ${this.coldText(i)} return; }`).join("\n");
    return `// Made by kernel/gen: what exec() leaves to, one call at a time. Not for editing.
import { CPU_BLOCK, PROFILE_COLD, PROFILE_LEFT } from "../../kernel/abi/layout";
import { RCX } from "../../kernel/abi/state";
import { faulted } from "../../kernel/cpu/fault";
import { dst, ea, src, via } from "../../kernel/decode/uop";
import { probeWrite, readMem, writeMem } from "../../kernel/mmu/access";
import {
  CODE_POP64, CODE_PUSH64, CODE_XOR32_rr,
} from "./codes";
import {
  addressStep, addressStep32, branchStep, callStep, farPageStep, fusedStep, loadAligned, loadForUpdate, loadStep, moveIf, setByte, storeAligned, storeStep, storeUpdated, unfuse,
} from "../../kernel/exec/steps";
${imports}

/** Executes one micro-operation, whatever it is. */
export function slow(u: usize): void {${this.profile ? this.countingOne("PROFILE_LEFT", `min<usize>(load<u16>(u), ${this.cold})`) : ""}
  switch (<u32>load<u16>(u)) {
${hotSlow}
    default: cold(u);
  }
}

function cold(u: usize): void {${this.profile ? this.countingOne("PROFILE_COLD", "load<u16>(u, 2)") : ""}
  switch (<u32>load<u16>(u, 2)) {
${coldCases}
    default: unreachable();
  }
}
`;
  }

  private coldText(instance: Instance): string {
    const { op, type } = instance;
    if (isRaw(op)) return `${op.name}(u);`;
    const { a, b, r } = this.types(op, type);
    const i = { "": "", imm: instance.via ? "<u64>load<u32>(u, 24)" : "load<u64>(u, 24)", cl: "<u64>load<u8>(CPU_BLOCK, RCX)", sub: "<u64>load<u8>(u, 15)" }[instance.third];
    if (type === "u8" && op.name === "BSWAP") return "unreachable();";
    const c = parameter(op, "c")?.type;
    const args = [a && `load<${a}>(${instance.via ? "via" : "dst"}(u))`, b && `load<${b}>(src(u))`, c && `load<${c}>(load<u32>(u, 24))`, i].filter(Boolean).join(", ");
    const call = `${op.name}${op.generic ? `<${type}>` : ""}(${args})`;
    if (r === "void") return `${call};`;
    const write = `${r === "u32" ? "store<u64>(dst(u), <u64>r)" : `store<${r}>(dst(u), r)`};`;
    return `const r = ${call}; if (!faulted) ${write}`;
  }
}

/** The flag setters and readers that are opened up as text. */
export function flagMacros(source: string): Map<string, Operation> {
  const all = functionsOf(source, "flags.ts");
  const names = new Set(all.map((f) => f.name));
  for (const left of ["sx", "msb", "condition", "setZf", "arithmeticFlags", "setArithmeticFlags", "getFlags", "putFlags"]) names.delete(left);
  return new Map(all.filter((f) => names.has(f.name)).map((f) => [f.name, { ...f, body: f.body.replace(/\/\/[^\n]*/g, "") }]));
}

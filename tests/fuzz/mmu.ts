// The MMU against a plain slow walk (mmu-walk.ts): random paging structures, then accesses, changes of the structures, and the
// instructions that invalidate. Each access must end as a fresh walk ends, or as a translation does that the TLB may still hold
// (mmu-tlb.ts): the same frame or the same fault, error code and CR2; accessed and dirty flags set where they must be and nowhere
// else. A case is the choices that make all that.

import { CR4_PCIDE, CR4_PGE, CR4_SMAP, CR4_SMEP } from "../../kernel/abi/bits";
import type { Random } from "../silicon/random";
import { Choices } from "./choices";
import { DATA, MmuRig, type Observed, RAM_BYTES, TABLES, TABLES_BYTES, WRITTEN } from "./mmu-rig";
import { PossibleTlb } from "./mmu-tlb";
import { ACCESSED, type Access, type Controls, DIRTY, type Kind, type Translation, type Walk, errorCode, permitted, walkTables } from "./mmu-walk";
import type { Checker, Target } from "./target";

const STEPS = 48;
const CASE_BYTES = 3200;

// Tables a level, and the indexes of each that the case uses: neighbours, so that accesses cross from one to the next.
const PML4S = [TABLES, TABLES + 0x1000];
const PDPTS = [2, 3, 4].map((n) => TABLES + n * 0x1000);
const PDS = [5, 6, 7, 8].map((n) => TABLES + n * 0x1000);
const PTS = [9, 10, 11, 12, 13].map((n) => TABLES + n * 0x1000);
const INDEXES: Record<number, number[]> = { 4: [0, 1, 255, 256], 3: [0, 1, 511], 2: [0, 1, 511], 1: [0, 1, 2, 510, 511] };
const LEVELS: Record<number, number[]> = { 4: PML4S, 3: PDPTS, 2: PDS, 1: PTS };
const OFFSETS = [0, 1, 0x10, 0x800, 0xff0, 0xff8, 0xff9, 0xffc, 0xffd, 0xfff];
const SIZES = [1, 2, 4, 8, 16];
/** Pages that accesses come back to. */
const RECENT = 4;
const PCIDS = [0, 1, 2, 0xfff];
const PF = 14;
const GP = 13;
const BP = 3;
const UD = 6;

/** The tables before the access under way. */
const before = new Uint8Array(TABLES_BYTES);

const canonical = (linear: bigint) => BigInt.asIntN(48, linear) === linear;

/** One way an access may end. */
interface Ending {
  vector: number;
  error: number;
  cr2: bigint;
  /** Physical address of the first byte on each page touched; none after a fault. */
  physical: number[];
  /** Bits that must be set in paging-structure entries, and those that may be, by physical address. */
  must: Map<number, bigint>;
  may: Map<number, bigint>;
}

/** One page of an access: what a fresh walk or a cached translation makes of it. */
interface PartEnding {
  fault: { error: number; cr2: bigint } | null;
  page: number;
  must: [number, bigint][];
  may: [number, bigint][];
}

class Scenario {
  #pcid = 0;
  #pml4 = PML4S[0]!;
  #pcide = false;
  #pge = false;
  readonly #controls: Controls = { wp: false, smep: false, smap: false, nxe: false, ac: false };
  readonly #tlb = new PossibleTlb();
  readonly #log: string[] = [];
  readonly #recent: bigint[] = [];

  constructor(readonly rig: MmuRig, readonly random: Random) {
    rig.tables.fill(0);
    for (const level of [4, 3, 2, 1]) {
      for (const table of LEVELS[level]!) for (const index of INDEXES[level]!) this.#setEntry(level, table, index);
    }
    for (const pml4 of PML4S) rig.mapFixed(pml4);
    rig.start(this.#pml4);
  }

  get log(): string {
    return this.#log.join("\n");
  }

  #setEntry(level: number, table: number, index: number): void {
    const { random } = this;
    const large = (level === 3 && random.chance(0.15)) || (level === 2 && random.chance(0.25));
    let address: number;
    if (large) address = level === 3 ? 0 : random.chance(0.1) ? RAM_BYTES : random.pick([DATA, DATA + 0x200000]);
    else if (level > 1) address = random.pick(LEVELS[level - 1]!);
    else address = random.chance(0.03) ? RAM_BYTES + 0x3000 : DATA + 0x1000 * random.below((RAM_BYTES - DATA) >> 12);
    let entry = BigInt(address);
    const bit = (probability: number, mask: bigint) => {
      if (random.chance(probability)) entry |= mask;
    };
    if (!random.chance(0.08)) entry |= 1n;
    if (!random.chance(0.2)) entry |= 2n;
    if (!random.chance(0.25)) entry |= 4n;
    bit(0.1, 0x18n); // PWT, PCD
    bit(0.5, ACCESSED);
    bit(0.5, DIRTY);
    if (large) entry |= 0x80n;
    else if (level === 1) bit(0.3, 0x80n); // PAT
    else if (level === 4) bit(0.02, 0x80n); // reserved
    bit(0.3, 0x100n); // global
    bit(0.2, 0x7e00000000000e00n); // ignored
    bit(0.15, 1n << 63n);
    bit(0.02, 1n << 50n); // beyond MAXPHYADDR
    if (large) {
      bit(0.2, 0x1000n); // PAT
      bit(0.05, 0x4000n); // reserved
    }
    this.rig.machine.phys.setU64(table + 8 * index, entry);
  }

  /** Mostly a page that has been used before: only then can a stale translation show. */
  #linear(): bigint {
    const { random } = this;
    const offset = BigInt(random.pick(OFFSETS));
    if (this.#recent.length && random.chance(0.7)) return random.pick(this.#recent) + offset;
    const page = this.#freshPage();
    this.#recent.push(page);
    if (this.#recent.length > RECENT) this.#recent.shift();
    return page + offset;
  }

  #freshPage(): bigint {
    const { random } = this;
    const [i4, i3, i2, i1] = [4, 3, 2, 1].map((level) => BigInt(random.pick(INDEXES[level]!)));
    return BigInt.asIntN(48, (i4! << 39n) | (i3! << 30n) | (i2! << 21n) | (i1! << 12n));
  }

  /** The next step; answers what is wrong, "" if nothing. */
  step(): string {
    const kind = this.random.below(20);
    if (kind < 13) return this.#access();
    if (kind < 16) this.#edit();
    else this.#control();
    return "";
  }

  /** Changes an entry, mostly one that a page in use goes through. */
  #edit(): void {
    const { random } = this;
    let level = 1 + random.below(4);
    let table = random.pick(LEVELS[level]!);
    let index = random.pick(INDEXES[level]!);
    if (this.#recent.length && random.chance(0.8)) {
      const { entries } = this.#walk(random.pick(this.#recent));
      const which = random.chance(0.6) ? entries.length - 1 : random.below(entries.length);
      level = 4 - which;
      table = entries[which]!.at & ~0xfff;
      index = (entries[which]!.at & 0xfff) >> 3;
    }
    this.#setEntry(level, table, index);
    this.#log.push(`entry ${index} of level ${level} at 0x${table.toString(16)} = 0x${this.rig.machine.phys.getU64(table + 8 * index).toString(16)}`);
  }

  #cr4(): number {
    const { smep, smap } = this.#controls;
    return this.rig.cr4Base | (smep ? CR4_SMEP : 0) | (smap ? CR4_SMAP : 0) | (this.#pcide ? CR4_PCIDE : 0) | (this.#pge ? CR4_PGE : 0);
  }

  #control(): void {
    const { random, rig } = this;
    switch (random.below(9)) {
      case 0:
      case 1: {
        const linear = this.#linear();
        if (!canonical(linear)) return;
        rig.control("invlpg", linear);
        this.#tlb.invlpg(linear, this.#pcid);
        this.#log.push(`INVLPG 0x${BigInt.asUintN(64, linear).toString(16)}`);
        return;
      }
      case 2:
      case 3: {
        this.#pml4 = random.pick(PML4S);
        this.#pcid = this.#pcide ? random.pick(PCIDS) : 0;
        const noFlush = this.#pcide && random.chance(0.6);
        rig.control("cr3", BigInt(this.#pml4 | this.#pcid) | (noFlush ? 1n << 63n : 0n));
        if (!noFlush) this.#tlb.flushPcid(this.#pcid);
        this.#log.push(`CR3 = 0x${(this.#pml4 | this.#pcid).toString(16)}${noFlush ? " NOFLUSH" : ""}`);
        return;
      }
      case 4:
        this.#invpcid();
        return;
      case 5:
        if (random.chance(0.5)) this.#controls.smep = !this.#controls.smep;
        else this.#controls.smap = !this.#controls.smap;
        rig.control("cr4", BigInt(this.#cr4()));
        if (this.#controls.smep) this.#tlb.flushPcid(this.#pcid);
        break;
      case 6:
        if (random.chance(0.5)) this.#pge = !this.#pge;
        else {
          // Setting PCIDE wants CR3's low bits clear (SDM Vol. 3A 4.10.1).
          if (!this.#pcide && this.#pcid !== 0) return;
          this.#pcide = !this.#pcide;
          if (!this.#pcide) {
            rig.control("cr3", BigInt(this.#pml4));
            this.#pcid = 0;
          }
        }
        rig.control("cr4", BigInt(this.#cr4()));
        this.#tlb.flushAll();
        break;
      case 7:
        this.#controls.wp = !this.#controls.wp;
        rig.control("cr0", rig.cr0(this.#controls));
        break;
      default:
        this.#controls.nxe = !this.#controls.nxe;
        rig.control("efer", BigInt(rig.efer(this.#controls)));
    }
    this.#log.push(`controls: ${Object.entries({ ...this.#controls, pge: this.#pge, pcide: this.#pcide }).filter(([, on]) => on).map(([name]) => name).join(" ")}`);
  }

  #invpcid(): void {
    const { random, rig } = this;
    const kind = random.below(4);
    const pcid = this.#pcide && kind < 2 ? random.pick(PCIDS) : 0;
    const linear = kind === 0 ? this.#linear() : 0n;
    if (!canonical(linear)) return;
    rig.control("invpcid", linear, { kind, pcid });
    if (kind === 0) this.#tlb.invpcidAddress(linear, pcid);
    else if (kind === 1) this.#tlb.flushPcid(pcid);
    else if (kind === 2) this.#tlb.flushAll();
    else this.#tlb.flushNonGlobal();
    this.#log.push(`INVPCID ${kind}, PCID ${pcid}, 0x${BigInt.asUintN(64, linear).toString(16)}`);
  }

  #walk(linear: bigint): Walk {
    const { phys } = this.rig.machine;
    return walkTables((at) => phys.getU64(at), BigInt(this.#pml4), BigInt.asUintN(64, linear), this.#controls.nxe);
  }

  /** The ways in which the page of `linear` may take the access: by a fresh walk, then by what may be cached. */
  #partEndings(access: Access, linear: bigint): PartEnding[] {
    const walk = this.#walk(linear);
    const upper: [number, bigint][] = walk.entries.slice(0, -1).map(({ at }) => [at, ACCESSED]);
    const leaf = walk.entries.at(-1)!;
    const fault = (present: boolean, reserved: boolean) => ({ error: errorCode(access, this.#controls, present, reserved), cr2: BigInt.asUintN(64, linear) });
    const endings: PartEnding[] = [];
    const t = walk.translation;
    if (!t) endings.push({ fault: fault(false, walk.reserved!), page: 0, must: [], may: upper });
    else if (!permitted(t, access, this.#controls)) endings.push({ fault: fault(true, false), page: 0, must: [], may: [...upper, [leaf.at, ACCESSED]] });
    else endings.push({ fault: null, page: t.page, must: [...upper, [leaf.at, ACCESSED | (access.kind === "write" ? DIRTY : 0n)]], may: [] });
    for (const cached of this.#tlb.candidates(linear, this.#pcid)) {
      if (!permitted(cached, access, this.#controls)) endings.push({ fault: fault(true, false), page: 0, must: [], may: [] });
      // A write by a translation that is not dirty walks, to set the flag.
      else if (access.kind !== "write" || cached.dirty) endings.push({ fault: null, page: cached.page, must: [], may: [] });
    }
    return endings;
  }

  #access(): string {
    const { random, rig } = this;
    const kind = random.pick<Kind>(["read", "read", "write", "write", "execute"]);
    const access: Access = { kind, user: random.chance(0.6) };
    const modify = kind === "write" && random.chance(0.3);
    this.#controls.ac = !access.user && random.chance(0.3);
    const size = kind === "execute" ? 2 : modify ? random.pick([1, 2, 4, 8]) : random.pick(SIZES);
    let linear = this.#linear();
    if (kind === "execute") linear |= 1n;
    const last = linear + BigInt(size - 1);
    if (kind === "execute" && !canonical(last)) return "";
    const crosses = linear >> 12n !== last >> 12n;
    const second = (last >> 12n) << 12n;

    const endings: Ending[] = [];
    if (!canonical(linear) || !canonical(last)) endings.push({ vector: GP, error: 0, cr2: 0n, physical: [], must: new Map(), may: new Map() });
    // FF FF is an instruction without the second page.
    if (kind === "execute" && crosses && this.#partEndings(access, linear).some(({ fault, page }) => !fault && page >= RAM_BYTES)) return "";
    if (canonical(linear)) this.#addEndings(endings, access, linear, crosses && canonical(second) ? second : null, crosses);
    // What lies below DATA are the tables and the rig itself.
    if (endings.some(({ physical }) => physical.some((at) => at < DATA))) return "";

    before.set(rig.tables);
    const observed = rig.access(access, modify, linear, size, this.#controls.ac);
    const changed = this.#changedEntries();
    const fits = endings.some((ending) => flagsFit(ending, changed, (at) => rig.machine.phys.getU64(at)) && this.#fits(ending, observed, access, modify, linear, size));
    const name = `${access.user ? "user" : "supervisor"}${this.#controls.ac ? " (AC)" : ""} ${modify ? "read-modify-write" : kind}`;
    this.#log.push(`${name} of ${size} at 0x${BigInt.asUintN(64, linear).toString(16)}: vector ${observed.vector}, error ${observed.error}, CR2 0x${observed.cr2.toString(16)}`
      + ` value 0x${observed.value.toString(16)}; changed ${[...changed].map(([at, bits]) => `${at.toString(16)}:${bits.toString(16)}`).join(" ") || "nothing"}`);
    for (const { physical } of endings) for (const at of physical) if (kind === "write" && at < RAM_BYTES) rig.restoreFrame(at & ~0xfff);
    if (!fits) {
      this.#log.push(...endings.map((e) => `  allowed: vector ${e.vector < 0 ? "of the frame" : e.vector}, error ${e.error}, CR2 0x${e.cr2.toString(16)}, physical ${e.physical.map((at) => at.toString(16)).join()}`
        + `; must set ${[...e.must].map(([at, bits]) => `${at.toString(16)}:${bits.toString(16)}`).join(" ")}`));
      return `${access.user ? "user" : "supervisor"} ${modify ? "read-modify-write" : kind}${crosses ? " across pages" : ""}: ${endings.some(({ vector, error }) => observed.vector === vector && observed.error === error) ? "right ending, wrong frame or flags" : `vector ${observed.vector} error ${observed.error}`}`;
    }
    for (const part of crosses && canonical(second) ? [linear, second] : [linear]) if (canonical(part)) this.#remember(access, part);
    return "";
  }

  #addEndings(endings: Ending[], access: Access, linear: bigint, second: bigint | null, crosses: boolean): void {
    const offset = Number(linear & 0xfffn);
    for (const first of this.#partEndings(access, linear)) {
      if (first.fault) {
        endings.push({ vector: PF, ...first.fault, physical: [], must: new Map(), may: new Map(first.may) });
        continue;
      }
      if (second === null) {
        if (!crosses) endings.push({ vector: -1, error: 0, cr2: 0n, physical: [first.page + offset], must: new Map(first.must), may: new Map() });
        continue;
      }
      for (const next of this.#partEndings(access, second)) {
        // The first page's flags may be set although the second page faults.
        if (next.fault) endings.push({ vector: PF, ...next.fault, physical: [], must: new Map(), may: merged(first.must, next.may) });
        else endings.push({ vector: -1, error: 0, cr2: 0n, physical: [first.page + offset, next.page], must: merged(first.must, next.must), may: new Map() });
      }
    }
  }

  /** A translation that the access may have brought into the TLB. */
  #remember(access: Access, linear: bigint): void {
    const t = this.#walk(linear).translation;
    if (!t || !permitted(t, access, this.#controls)) return;
    const translation: Translation = { ...t, global: t.global && this.#pge };
    this.#tlb.add(linear, this.#pcid, translation);
  }

  /** Bits that have turned over since `before` was taken, by the physical address of the entry. */
  #changedEntries(): Map<number, bigint> {
    const changed = new Map<number, bigint>();
    if (Buffer.compare(before, this.rig.tables) === 0) return changed;
    const was = new DataView(before.buffer);
    for (let at = 0; at < TABLES_BYTES; at += 8) {
      const bits = was.getBigUint64(at, true) ^ this.rig.machine.phys.getU64(TABLES + at);
      if (bits) changed.set(TABLES + at, bits);
    }
    return changed;
  }

  /** Does what was observed agree with the ending, data included? */
  #fits(ending: Ending, observed: Observed, access: Access, modify: boolean, linear: bigint, size: number): boolean {
    if (ending.vector >= 0) {
      if (observed.vector !== ending.vector || observed.error !== ending.error || (ending.vector === PF && observed.cr2 !== ending.cr2)) return false;
      return access.kind !== "execute" || observed.rip === BigInt.asUintN(64, linear);
    }
    const bytes = bytesAt(ending.physical, Number(linear & 0xfffn), size);
    if (access.kind === "execute") {
      if (bytes[0]! >= RAM_BYTES) return observed.vector === UD;
      return observed.vector === (bytes[1]! >= RAM_BYTES ? 0xff : MmuRig.vectorOf(bytes[1]!)) && observed.rip === BigInt.asUintN(64, linear + 2n);
    }
    if (observed.vector !== BP) return false;
    const expected = bytes.map((at) => (at >= RAM_BYTES ? 0xff : at & 1 ? 0xcd : MmuRig.vectorOf(at)));
    if (access.kind === "read") return expected.every((byte, i) => Number((observed.value >> BigInt(8 * i)) & 0xffn) === byte);
    const wide = BigInt.asUintN(8 * size, size === 16 ? WRITTEN | ((~WRITTEN & 0xffffffffffffffffn) << 64n) : WRITTEN);
    const sum = expected.reduce((value, byte, i) => value | (BigInt(byte) << BigInt(8 * i)), 0n);
    const result = modify ? BigInt.asUintN(8 * size, sum + wide) : wide;
    const { u8 } = this.rig.machine.phys;
    return bytes.every((at, i) => at >= RAM_BYTES || u8[at] === Number((result >> BigInt(8 * i)) & 0xffn));
  }
}

/** Physical address of each byte of the access. */
function bytesAt([first, second]: number[], offset: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => (offset + i < 0x1000 ? first! + i : second! + (offset + i - 0x1000)));
}

function merged(...lists: [number, bigint][][]): Map<number, bigint> {
  const map = new Map<number, bigint>();
  for (const [at, bits] of lists.flat()) map.set(at, (map.get(at) ?? 0n) | bits);
  return map;
}

/** No bit has turned over but those that may, and those are set that must be. */
function flagsFit(ending: Ending, changed: Map<number, bigint>, load: (at: number) => bigint): boolean {
  for (const [at, bits] of changed) if (bits & ~((ending.must.get(at) ?? 0n) | (ending.may.get(at) ?? 0n))) return false;
  for (const [at, bits] of ending.must) if ((load(at) & bits) !== bits) return false;
  return true;
}

async function open(): Promise<Checker> {
  const rig = await MmuRig.create();
  const run = (bytes: Uint8Array): { complaint: string; log: string } => {
    const random = new Choices(bytes);
    const scenario = new Scenario(rig, random);
    for (let step = 0; step < STEPS && !random.spent; step++) {
      const complaint = scenario.step();
      if (complaint) return { complaint, log: scenario.log };
    }
    return { complaint: "", log: scenario.log };
  };
  return {
    batch: 20,
    generate: (random) => random.bytes(CASE_BYTES),
    check: (cases) => cases.map((bytes) => run(bytes).complaint),
    describe: (bytes) => run(bytes).log.replace(/^/gm, "  "),
  };
}

export const mmuTarget: Target = {
  name: "mmu",
  about: "random paging structures, accesses, invalidations",
  property: "same frame, or same fault, error code and CR2, same A and D flags as a plain slow walk; stale translations only where the SDM allows them",
  open,
};

// The program on the chip: tracer.c, which steps it, spoken to over two FIFOs, since each answer is waited for.

import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { NoChip } from "../silicon/native";

/** Registers as ptrace has them. `gpr` is in the order of the CPU block. */
export interface NativeState {
  gpr: bigint[];
  rip: bigint;
  rflags: bigint;
  fsBase: bigint;
  gsBase: bigint;
  /** FXSAVE image, 512 bytes. */
  fx: Uint8Array;
}

// Places in struct user_regs_struct, in words of 8 bytes
const GENERAL = [10, 11, 12, 5, 19, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0];
const RIP = 16;
const RFLAGS = 18;
const FS_BASE = 21;
const GS_BASE = 22;
const GENERAL_BYTES = 216;
const FX_BYTES = 512;

/** Path of the built tracer. Throws NoChip with the reason where a program can't be run and traced. */
export function buildTracer(projectRoot: string): string {
  if (process.platform !== "linux" || process.arch !== "x64") throw new NoChip("not x86-64 Linux");
  const source = join(projectRoot, "tests/lockstep/tracer.c");
  const binary = join(projectRoot, "build/tracer");
  if (existsSync(binary) && statSync(binary).mtimeMs > statSync(source).mtimeMs) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  const fresh = `${binary}.${process.pid}`;
  try {
    execFileSync("gcc", ["-O2", "-Wall", "-o", fresh, source], { stdio: "pipe" });
  } catch (error) {
    throw new NoChip(`gcc cannot build the tracer: ${String(error).split("\n")[0]}`);
  }
  renameSync(fresh, binary);
  return binary;
}

export class NativeSide {
  readonly #commands: number;
  readonly #answers: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "lockstep-"));

  constructor(tracer: string, program: string[]) {
    const fifos = ["commands", "answers"].map((name) => join(this.#folder, name));
    execFileSync("mkfifo", fifos);
    spawn(tracer, [...fifos, ...program], { stdio: ["ignore", "ignore", "inherit"] });
    this.#commands = openSync(fifos[0], "w");
    this.#answers = openSync(fifos[1], "r");
  }

  #take(bytes: number): Uint8Array {
    const into = new Uint8Array(bytes);
    for (let have = 0; have < bytes;) {
      const n = readSync(this.#answers, into, have, bytes - have, null);
      if (n === 0) throw new NoChip("the tracer has ended: may this process trace?");
      have += n;
    }
    return into;
  }

  #send(command: Uint8Array | string): void {
    try {
      writeSync(this.#commands, command as string);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EPIPE") throw new NoChip("the tracer has ended: may this process trace?");
      throw error;
    }
  }

  state(): NativeState {
    this.#send("r");
    const bytes = this.#take(GENERAL_BYTES + FX_BYTES);
    const view = new DataView(bytes.buffer);
    const word = (i: number) => view.getBigUint64(8 * i, true);
    return { gpr: GENERAL.map(word), rip: word(RIP), rflags: word(RFLAGS), fsBase: word(FS_BASE), gsBase: word(GS_BASE), fx: bytes.subarray(GENERAL_BYTES) };
  }

  /** One instruction. False: the program has ended. */
  step(): boolean {
    this.#send("s");
    return this.#take(1)[0] === 1;
  }

  /** The page at `linear` as it is now, if it can be read. */
  page(linear: bigint): Uint8Array | undefined {
    const command = new DataView(new ArrayBuffer(9));
    command.setUint8(0, 0x70);
    command.setBigUint64(1, linear, true);
    this.#send(new Uint8Array(command.buffer));
    return this.#take(1)[0] ? this.#take(4096) : undefined;
  }

  close(): void {
    closeSync(this.#commands);
    closeSync(this.#answers);
    rmSync(this.#folder, { recursive: true });
  }
}

// `ring3 trace`: runs the program until it makes the wanted system call, and shows that one crossing instruction by instruction.
// Entered from main.ts; capstone, 1.8 MB, is loaded only here. The stepping is host/ring0/crossing.ts.

import {
  Crossing, doorNamed, run, syscallName, syscallNumber, type CrossingFrame, type Door, type Kernel,
} from "../index";
import { UsageError, type Options } from "./options";
import { guestOf, runnableError } from "./run";
import { writeLine } from "./streams";
import { disassembler, jsonListing, pictureListing } from "./trace-listing";
import { Picture } from "./trace-picture";

/** The program ended, and never made the call. */
const EXIT_NOT_SEEN = 1;

/** Ends the run when the crossing is complete. */
class CrossingDone extends Error {}

/** Runs the program up to the wanted call and through it. Answers our exit status: 0 when the crossing was shown. */
export async function traceCommand(options: Options, rest: readonly string[]): Promise<number> {
  const door = doorOf(options.door);
  const wanted = wantedCall(options.syscall, door);
  const guest = guestOf(options, rest);
  const name = rest[0]!;
  let kernel: Kernel | undefined;
  const disassemble = await disassembler((address) => kernel?.ring0.text.symbolize(address));
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR;
  const picture = new Picture({ colour, print, door });
  let crossing: Crossing | undefined;
  const memory = {
    readMemory: (address: number) => crossing!.readMemory(address),
    nameOf: (address: number) => crossing!.nameOf(address),
  };
  const listing = options.json ? jsonListing(disassemble, memory, print) : pictureListing(picture, disassemble, memory);
  let seen = false;
  let calls: string[] = [];
  // By the frame of the way in: execve and rt_sigreturn leave another one.
  let row = "";
  guest.options.strace = (line) => calls.push(line);
  const made = new Set<string>();
  guest.options.onSyscall = (event) => made.add(event.name);
  guest.options.onBoot = (booted) => {
    kernel = booted;
    crossing = new Crossing(booted.ring0, {
      wanted,
      step(step) {
        if (!seen && !options.json) picture.title(rest.join(" "));
        seen = true;
        listing.step(step);
      },
      frame(frame) {
        calls = [];
        row = tableRow(frame, door);
        listing.frame(frame);
      },
      handled: (frame) => listing.handled(frame, [row, ...calls]),
      done(state, bytes) {
        listing.done(state, bytes);
        throw new CrossingDone();
      },
    }, door);
  };
  try {
    await run(guest.program, guest.options);
  } catch (error) {
    if (error instanceof CrossingDone) return 0;
    throw runnableError(name, error);
  }
  if (seen) {
    if (!options.json) picture.noReturn(calls);
    return 0;
  }
  // The execve that started the program was no instruction of its own.
  made.delete("execve");
  const by = door.name === "syscall" ? "" : ` by ${door.title}`;
  const call = options.syscall !== undefined ? `a call of ${options.syscall}${by}` : by === "" ? "any system call" : `a crossing${by}`;
  writeLine(`ring3: ${name}: ended without ${call}; it made ${[...made].join(", ") || "none"}`);
  return EXIT_NOT_SEEN;
}

/** @throws UsageError that lists the doors */
function doorOf(name: string): Door {
  try {
    return doorNamed(name);
  } catch (error) {
    throw new UsageError(`--door: ${(error as Error).message}`);
  }
}

/** `sys_call_table[1]: sys_write`, as do_syscall_64 looked it up; of an exception or interrupt the function. */
function tableRow(frame: CrossingFrame, door: Door): string {
  if (door.closedBy === undefined) return `${door.calls}, here in TypeScript`;
  const number = Number(frame.fields.find((field) => field.name === "orig_ax")!.value & 0xffffffffn);
  const native = door.name === "syscall";
  const name = syscallName(number, native ? "x86-64" : "i386");
  return `${native ? "sys_call_table" : "ia32_sys_call_table"}[${number}]: ${name === undefined ? "none, -ENOSYS" : `sys_${name}, here in TypeScript`}`;
}

/** Which call: a number, a name, or the first of all. */
function wantedCall(word: string | undefined, door: Door): (number: number) => boolean {
  if (word === undefined) return () => true;
  if (door.closedBy === undefined) throw new UsageError(`--syscall: ${door.title} is no system call`);
  if (door.name !== "syscall") return (made) => String(made) === word || syscallName(made, "i386") === word;
  const number = /^\d+$/.test(word) ? Number(word) : syscallNumber(word);
  if (number === undefined) throw new UsageError(`--syscall: Linux has no call "${word}" on x86-64`);
  return (made) => made === number;
}

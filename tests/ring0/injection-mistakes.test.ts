// The injection test can fail: on entry code with a known mistake put back it does, each time.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Guest, GuestOptions } from "./crossing-guest";
import { DOORS, type Door } from "./injection-doors";
import { EVENTS, NESTED_EVENTS } from "./injection-events";
import { entryTextWith, withoutCanonicalCheck } from "./entry-text-mistakes";
import { InjectionRig } from "./injection-rig";
import { assemble } from "../../host/ring0/assemble.build";
import type { EntryOptions } from "../../host/ring0/calling.asm";
import { entryTextOf } from "../../host/ring0/entry-symbols";
import { entryTextFor } from "../../host/ring0/entry-text.asm";
import { CEA_IDT, CPU_ENTRY_AREA, KERNEL_TEXT, PHYS_CPU_ENTRY_AREA } from "../../host/ring0/layout";
import { VECTOR_DB, VECTOR_MC, VECTOR_NMI } from "../../kernel/abi/vectors";

const options = { pti: true, pcid: false, fsgsbase: false, smap: true } satisfies EntryOptions & GuestOptions;

/** What goes wrong first, at these doors. */
async function complaint(doors: readonly Door[], guest: GuestOptions): Promise<string> {
  for (const door of doors) {
    try {
      const rig = await InjectionRig.create(door, guest);
      rig.inject([...EVENTS, ...NESTED_EVENTS]);
    } catch (error) {
      return (error as Error).message;
    }
  }
  return "nothing";
}

const doors = (...names: string[]) => names.map((name) => DOORS.find((door) => door.name === name)!);
const systemCall = doors("SYSCALL and SYSRET");

test("as it is, the entry code passes at the doors of this file", async () => {
  const all = doors("SYSCALL and SYSRET", "SYSCALL and back to a RIP that is not canonical", "NMI at entry_SYSCALL_64", "INT 0x80");
  for (const guest of [options, { ...options, fsgsbase: true }]) assert.is(await complaint(all, guest), "nothing");
  const same = entryTextOf({ base: KERNEL_TEXT, ...assemble("entry text", entryTextFor(options)) });
  assert.is(await complaint(systemCall, { ...options, text: same }), "nothing");
});

test("an NMI that decides by CS alone whether to SWAPGS is found", async () => {
  const text = entryTextWith(options, "end_repeat_nmi", "nmi_restore", (piece) => {
    const call = piece.slice(piece.indexOf("movq    %rsp, %rdi"));
    return `end_repeat_nmi:\n    pushq $-1\n    call error_entry\n    movq %rax, %rsp\n    ${call.slice(0, call.indexOf("\n", call.indexOf(".byte")))}\n`;
  });
  assert.match(await complaint(systemCall, { ...options, text }), /^SYSCALL and SYSRET, NMI at entry_SYSCALL_64 .*: (a hypercall|code behind the trampoline)/);
});

test("an NMI that tells the GS base by its sign, although FSGSBASE lets programs have any, is found", async () => {
  const text = entryTextOf({ base: KERNEL_TEXT, ...assemble("entry text for no FSGSBASE", entryTextFor(options)) });
  assert.match(await complaint(systemCall, { ...options, fsgsbase: true, text }), /^SYSCALL and SYSRET, NMI at entry_SYSCALL_64 .*: a hypercall with the user's GS base/);
});

test("SYSRET without a look at RCX is found", async () => {
  const text = withoutCanonicalCheck(options);
  const way = doors("SYSCALL and back to a RIP that is not canonical");
  assert.match(await complaint(way, { ...options, text }), /SYSRETQ|asm_exc_|double_fault/);
  // AMD's processors fault behind the SYSRET, at CPL 3: there the same mistake is none.
  assert.is(await complaint(way, { ...options, vendor: "amd", text }), "nothing");
});

test("a way back that goes to the user page table before it has left the task stack is found", async () => {
  const text = entryTextWith(options, "syscall_return_via_sysret", "entry_SYSRETQ_unsafe_stack", (piece) =>
    piece.replace("    movq    %rsp, %rdi", "    movq    %cr3, %rdi\n    orq     $0x1000, %rdi\n    movq    %rdi, %cr3\n    movq    %rsp, %rdi"));
  assert.match(await complaint(systemCall, { ...options, text }), /exception 8 at syscall_return_via_sysret|exception 14|user page table/);
});

test("a #DB, an #MC and an NMI whose way back forgets the page table it came from are found", async () => {
  const paranoid = entryTextWith(options, "paranoid_exit", "paranoid_exit_done", (piece) => piece.replace(/\n[^\n]*, %cr3/, ""));
  assert.match(await complaint(systemCall, { ...options, text: paranoid }), /word 0x120 of the CPU block|kernel's page table/);
  const nmi = entryTextWith(options, "end_repeat_nmi", "nmi_restore", (piece) => piece.replace(/\n[^\n]*, %cr3/, ""));
  assert.match(await complaint(systemCall, { ...options, text: nmi }), /^SYSCALL and SYSRET, NMI .*(word 0x120 of the CPU block|kernel's page table)/);
});

test("NMIs that do not look whether they interrupt another are found", async () => {
  const text = entryTextWith(options, "nmi_from_kernel", "nested_nmi", () => "nmi_from_kernel:\n    pushq %rdx\n    jmp first_nmi\n");
  assert.match(await complaint(doors("NMI at entry_SYSCALL_64"), { ...options, text }), /^NMI at entry_SYSCALL_64, (NMI|#DB) in the NMI handler/);
});

test("a nested NMI that does not make the outer one run again is found", async () => {
  const text = entryTextWith(options, "nested_nmi", "nested_nmi_out", () => "nested_nmi:\n");
  assert.match(await complaint(doors("NMI at entry_SYSCALL_64"), { ...options, text }), /^NMI at entry_SYSCALL_64, (NMI|#DB) in the NMI handler .*: it was handled 0 times/);
});

/** The gate of `vector` without its IST. */
function withoutIst(door: Door, vector: number): Door {
  const start = (guest: Guest, regs: Parameters<NonNullable<Door["start"]>>[1]) => {
    guest.machine.phys.u8[PHYS_CPU_ENTRY_AREA + (CEA_IDT - CPU_ENTRY_AREA) + 16 * vector + 4] = 0;
    door.start?.(guest, regs);
  };
  return { ...door, start };
}

test("a gate of NMI, #DB or #MC without a stack of its own is found", async () => {
  for (const vector of [VECTOR_NMI, VECTOR_DB, VECTOR_MC]) {
    for (const smap of [true, false]) {
      const found = await complaint(systemCall.map((door) => withoutIst(door, vector)), { ...options, smap });
      assert.match(found, /^SYSCALL and SYSRET, (NMI|#DB|#MC)[^:]* at entry_SYSCALL_64/, `vector ${vector}`);
    }
  }
});

test.run();

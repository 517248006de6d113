// The picture of one crossing, drawn from a tiny guest on the real entry code: every step of the way is in it, in 100 columns.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { disassembler, jsonListing, pictureListing } from "../../host/cli/trace-listing";
import { Picture } from "../../host/cli/trace-picture";
import { Crossing } from "../../host/ring0/crossing";
import { SUSPEND } from "../../host/ring0/hypercall";
import { guestProgram, type Guest } from "../ring0/crossing-guest";

const PROGRAM = `
  movl $39, %eax
  syscall
  movl $110, %eax
  movq $0x1234, %rdi
  syscall
  movl %eax, %ebx
  movl $60, %eax
  syscall
`;

interface Traced {
  lines: string[];
  guest: Guest;
}

async function trace(options: { pti: boolean; pcid: boolean }, json = false): Promise<Traced> {
  const guest = await guestProgram(PROGRAM, options);
  guest.answer = (arrival, regs) => {
    if (arrival.number === 60) return SUSPEND;
    regs.ax = arrival.number + 1000;
  };
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  const disassemble = await disassembler((address) => guest.ring0.text.symbolize(address));
  const memory = { readMemory: (address: number) => crossing.readMemory(address), nameOf: (address: number) => crossing.nameOf(address) };
  const listing = json ? jsonListing(disassemble, memory, print) : pictureListing(new Picture({ colour: false, print }), disassemble, memory);
  const crossing = new Crossing(guest.ring0, {
    wanted: (number) => number === 110,
    step: (step) => listing.step(step),
    frame: (frame) => listing.frame(frame),
    handled: (frame) => listing.handled(frame, ["getppid() = 1110"]),
    done: (state, bytes) => listing.done(state, bytes),
  });
  guest.go();
  return { lines, guest };
}

function inOrder(lines: string[], patterns: RegExp[]): void {
  let at = 0;
  for (const pattern of patterns) {
    while (at < lines.length && !pattern.test(lines[at]!)) at++;
    assert.ok(at < lines.length, `${pattern} is missing, or not in its place:\n${lines.join("\n")}`);
    at++;
  }
}

test("the picture shows the way in, the frame and the way back, in order", async () => {
  const { lines, guest } = await trace({ pti: true, pcid: true });
  if (process.env.RING3_SHOW) console.log(lines.join("\n"));
  inOrder(lines, [
    /^  3 user   user +0000000000401\w{3} syscall .*rcx/,
    /-- Ring 0/,
    /^entry_SYSCALL_64:/,
    /^  0 user   user .* swapgs .*GS\.base 0 ->/,
    /movq %rsp, %gs:0x1014 +TSS\.sp2 = 7ffff8000000/,
    /movq %cr3, %rsp/,
    /^  0 user   none .* movq %rsp, %cr3 +cr3/,
    /-- The kernel's page table/,
    /^  0 kernel none .* movq %gs:0x100c, %rsp/,
    /-- The task's own kernel stack/,
    /^  0 kernel kernel .* pushq .*pt_regs->ss = 2b/,
    /pt_regs->sp = 7ffff8000000/,
    /pt_regs->cs = 33/,
    /pt_regs->orig_ax = 6e/,
    /pt_regs->di = 1234/,
    /pt_regs->ax = ffffffffffffffda/,
    /pt_regs->r15/,
    /vmcall/,
    /-- do_syscall_64 is reached/,
    /\| ss +\| +2b \|/,
    /\| orig_ax +\| +6e \|/,
    /\| di +\| +1234 \|/,
    /\| r15 /,
    /getppid\(\) = 1110/,
    /-- The way back/,
    /^syscall_return_via_sysret:/,
    /popq %rax .*rax/,
    /-- The entry stack/,
    /-- The user's page table/,
    /-- The user's stack, still in ring 0/,
    /swapgs/,
    /^  0 user   user .* sysretq/,
    /-- Ring 3 again/,
    /^  3 user   user .* movl %eax, %ebx/,
  ]);
  for (const line of lines) {
    assert.ok(line.length <= 100, `${line.length}: ${line}`);
    assert.not.match(line, /\x1b/);
  }
  assert.equal(guest.arrivals.map((arrival) => arrival.number), [39, 110, 60], "the guest's own calls, and no fault of ours");
});

test("without PTI there is one page table and no CR3 write", async () => {
  const { lines } = await trace({ pti: false, pcid: false });
  inOrder(lines, [/^  3 full   user/, /swapgs/, /TSS\.sp2/, /kernel stack/, /pt_regs->ss/, /vmcall/, /sysretq/, /^  3 full   user/]);
  assert.not.match(lines.join("\n"), /cr3/);
});

test("--json gives each step as an object of its own", async () => {
  const { lines } = await trace({ pti: true, pcid: true }, true);
  const objects = lines.map((line) => JSON.parse(line));
  assert.equal([...new Set(objects.map((object) => object.kind))], ["instruction", "pt_regs", "handled", "next"]);
  assert.is(objects[0].text, "syscall");
  assert.is(objects[0].cpl, 3);
  assert.ok(objects.some((object) => object.text === "swapgs" && object.cpl === 0 && object.label === "entry_SYSCALL_64"));
  assert.is(objects.find((object) => object.kind === "handled").fields.ax, "0x456");
});

test.run();

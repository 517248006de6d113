// Watches guest RAM while a program that may do anything runs: frames that are no frame of the program hold what they held. Canary
// frames lie among the program's own, the kernel's text and IDT are compared with what they were, and at the end every frame that was
// given out has come back.

import type { Kernel } from "../../host/index";
import { KERNEL_TEXT_SIZE, PHYS_CPU_ENTRY_AREA, PHYS_KERNEL_TEXT } from "../../host/ring0/layout";
import { NO_FRAME, PAGE_SIZE } from "../../host/machine/phys-memory";
import type { OpenFile } from "../../host/linux/vfs/file";
import type { Task } from "../../host/linux/task";

const MOST_CANARIES = 64;
/** The IDT is the first page of the cpu_entry_area. */
const REGIONS: readonly [string, number, number][] = [
  ["kernel text", PHYS_KERNEL_TEXT, KERNEL_TEXT_SIZE],
  ["IDT", PHYS_CPU_ENTRY_AREA, PAGE_SIZE],
];

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

export class MemoryWatch {
  #kernel: Kernel | null = null;
  #regions: Uint8Array[] = [];
  /** Physical addresses. */
  readonly canaries: number[] = [];
  #complaint = "";

  /** For RunOptions.onBoot. */
  boot(kernel: Kernel): void {
    this.#kernel = kernel;
    this.#regions = REGIONS.map(([, at, bytes]) => kernel.machine.phys.read(at, bytes));
    this.plant();
  }

  #pattern(frame: number): Uint8Array {
    return new Uint8Array(PAGE_SIZE).fill(0xa5 ^ (frame >>> 12));
  }

  /** One canary more, where the next frame of the program would have been. Called now and then while it runs. */
  plant(): void {
    if (!this.#kernel) return;
    const { phys } = this.#kernel.machine;
    if (this.canaries.length >= MOST_CANARIES || phys.framesFree < 16) return;
    const frame = phys.allocFrame();
    if (frame === NO_FRAME) return;
    phys.write(frame, this.#pattern(frame));
    this.canaries.push(frame);
  }

  /** For RunOptions.onExit: what must hold of a task's memory and files whatever it did. */
  taskEnds(task: Task): void {
    this.#complaint ||= areasComplaint(task) || filesComplaint(task);
  }

  /** What was touched that is not the program's, or what was wrong when a task ended; "" if nothing. */
  complaint(): string {
    const { phys } = this.#kernel!.machine;
    for (const [i, [name, at, bytes]] of REGIONS.entries()) if (!same(phys.view(at, bytes), this.#regions[i]!)) return `the ${name} has changed`;
    for (const frame of this.canaries) if (!same(phys.view(frame, PAGE_SIZE), this.#pattern(frame))) return "a frame that is not the program's has changed";
    return this.#complaint;
  }

  /** Frames in use now that the run is over, canaries not counted. */
  get framesInUse(): number {
    return this.#kernel!.machine.phys.framesInUse - this.canaries.length;
  }
}

function areasComplaint(task: Task): string {
  let end = 0;
  for (const vma of task.mm.vmas.list) {
    if (vma.start % PAGE_SIZE || vma.end % PAGE_SIZE || vma.start >= vma.end) return "a memory area without whole pages";
    if (vma.start < end) return "memory areas that overlap";
    end = vma.end;
  }
  return "";
}

/** A file has at least as many references as the descriptors that are its. */
function filesComplaint(task: Task): string {
  const descriptors = new Map<OpenFile, number>();
  for (const fd of task.files.numbers()) {
    const file = task.files.getRaw(fd);
    descriptors.set(file, (descriptors.get(file) ?? 0) + 1);
  }
  for (const [file, count] of descriptors) if (file.references < count) return `an open file with ${file.references} references and ${count} descriptors`;
  return "";
}

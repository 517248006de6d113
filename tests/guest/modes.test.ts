// The bundled guests in every mode of the machine there is: PTI and PCID on and off, several ASLR seeds, none.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run, type RunOptions } from "../../host/index";
import { root } from "../command";

const GUESTS = [
  { name: "hello-asm", args: [], output: "Hello, world!\n", status: 0 },
  { name: "hello", args: [], output: "Hello, world!\n", status: 0 },
  { name: "page-fault", args: [], output: "mmap of 16 pages: 0 page faults\nfirst touch of each: 16 page faults\nsecond touch of each: 0 page faults\n", status: 0 },
  { name: "segv", args: [], output: "segv: writing to address 0\n", status: 139 },
  { name: "getppid", args: ["300"], output: "getppid 300: 300 alike\n", status: 0 },
  { name: "quicksort", args: ["1"], output: "quicksort 1: 5e3b9cea\n", status: 0 },
];

const MODES: RunOptions[] = [true, false].flatMap((pti) => [true, false].map((pcid) => ({ pti, pcid })));
const LAYOUTS: RunOptions[] = [{ seed: 1 }, { seed: 2 }, { seed: "a word" }, { aslr: false }];

async function output(name: string, options: RunOptions): Promise<{ text: string; status: number; instructions: number }> {
  const program = readFileSync(join(root, "guest-programs", name));
  const parts: Uint8Array[] = [];
  const take = (bytes: Uint8Array) => void parts.push(bytes.slice());
  const result = await run(program, { ...options, programPath: `/bin/${name}`, stdout: take, stderr: take });
  return { text: Buffer.concat(parts).toString(), status: result.status, instructions: result.instructions };
}

const described = (options: RunOptions) => JSON.stringify(options).replace(/[{}"]/g, "").replace(/,/g, " ");

for (const mode of MODES) {
  for (const layout of LAYOUTS) {
    test(`the guests do the same with ${described({ ...mode, ...layout })}`, async () => {
      for (const guest of GUESTS) {
        const ended = await output(guest.name, { ...mode, ...layout, args: [guest.name, ...guest.args] });
        assert.is(ended.text, guest.output, guest.name);
        assert.is(ended.status, guest.status, guest.name);
      }
    });
  }
}

test("one seed and the virtual clock give one run, to the instruction", async () => {
  const first = await output("quicksort", { seed: 7, clock: "virtual", args: ["quicksort", "1"] });
  const second = await output("quicksort", { seed: 7, clock: "virtual", args: ["quicksort", "1"] });
  assert.is(first.instructions, second.instructions);
});

test.run();

// Guests on the chip and on our machine, instruction by instruction.

import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RBX } from "../../kernel/abi/state";
import { NoChip, chipName } from "../silicon/native";
import { projectRoot } from "../source-files";
import { type Progress, lockstep } from "./lockstep";
import { buildTracer, NativeSide } from "./native-side";

let tracer = "";
try {
  tracer = buildTracer(projectRoot);
  const native = new NativeSide(tracer, [join(projectRoot, "guest-programs/hello-asm")]);
  native.state();
  native.close();
} catch (error) {
  if (!(error instanceof NoChip)) throw error;
  tracer = "";
  console.log(`SKIP: guests in lockstep with the chip (${error.message})`);
}

async function compare(program: string, most: number, watch?: Parameters<typeof lockstep>[3]): Promise<Progress> {
  const native = new NativeSide(tracer, [join(projectRoot, "guest-programs", program)]);
  try {
    return await lockstep(native, most, /AMD/.test(chipName()), watch);
  } finally {
    native.close();
  }
}

if (tracer) {
  for (const [program, most] of [["hello", 5000], ["numeric-sse", 3000], ["numeric-x87", 3000], ["crypto", 2000]] as const) {
    test(`${program} does on our machine what it does on the chip`, async () => {
      const { steps, ended, difference } = await compare(program, most);
      assert.equal(difference, undefined);
      assert.ok(ended || steps === most);
    });
  }

  test("a register that is not the chip's is found at the instruction that shows it", async () => {
    const { steps, difference } = await compare("hello", 100, (m, n) => void (n === 40 && m.setReg(RBX, 0x1234567)));
    assert.is(steps, 40);
    assert.is(difference?.registers[0][0], "rbx");
  });
}

test.run();

// Random registers at every door, some seconds of them; and that they find a mistake.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { withoutCanonicalCheck, entryTextWith } from "../ring0/entry-text-mistakes";
import { Random } from "../silicon/random";
import { testCampaign } from "./campaign";
import { doorsTarget, openDoors } from "./doors";

test("whatever is in the program's registers, every door takes it in and gives it back", () => testCampaign(doorsTarget));

const options = { pti: true, pcid: false, fsgsbase: false, smap: true, vendor: "intel" } as const;

test("random cases find SYSRET without a look at RCX, R8 that is not restored, and AC that is not cleared", async () => {
  const mistakes = [
    withoutCanonicalCheck(options),
    entryTextWith(options, "swapgs_restore_regs_and_return_to_usermode", "restore_regs_and_return_to_kernel", (piece) => piece.replace("popq    %r8", "popq    %rcx")),
    entryTextWith(options, "entry_INT80_compat", "entry_SYSENTER_compat", (piece) => piece.replace("clac", "nop")),
  ];
  for (const text of mistakes) {
    const checker = await openDoors([{ ...options, text }]);
    const random = new Random(1);
    let answers: string[] = [];
    for (let n = 0; n < 100 && !answers.some(Boolean); n++) answers = await checker.check(Array.from({ length: 100 }, () => checker.generate(random)));
    assert.ok(answers.some(Boolean), "nothing found");
  }
});

test.run();

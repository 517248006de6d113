// Nothing between two instructions breaks a crossing: at every instruction of every door's way in and out an NMI, an #MC, a #DB of each
// kind and a timer interrupt, in every mode; and the program ends as it does without.
// RING3_INJECTION=all takes all modes; by default some of them, in which every switch has both values.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GuestOptions } from "./crossing-guest";
import { Violation } from "./crossing-watch";
import { DOORS } from "./injection-doors";
import { EVENTS, NESTED_EVENTS } from "./injection-events";
import { InjectionRig } from "./injection-rig";

const everything = process.env.RING3_INJECTION === "all";
const both = [true, false];
const modes: GuestOptions[] = everything
  ? both.flatMap((pti) => both.flatMap((pcid) => both.flatMap((fsgsbase) => both.flatMap((smap) => (["intel", "amd"] as const).map((vendor) => ({ pti, pcid, fsgsbase, smap, vendor }))))))
  : [
    { pti: true, pcid: true, fsgsbase: true, vendor: "intel" },
    { pti: true, pcid: true, fsgsbase: false, vendor: "amd" },
    { pti: true, pcid: false, fsgsbase: false, smap: false, vendor: "intel" },
    { pti: false, pcid: false, fsgsbase: true, vendor: "amd" },
    { pti: false, pcid: true, fsgsbase: false, vendor: "intel" },
  ];

for (const options of modes) {
  const where = Object.entries(options).map(([name, value]) => `${name}=${value}`).join(" ");

  test(`${where}: an event at any instruction of any door changes nothing`, async () => {
    let injections = 0;
    const problems: string[] = [];
    for (const door of DOORS) {
      if (door.vendor !== undefined && door.vendor !== options.vendor) continue;
      const rig = await InjectionRig.create(door, options);
      try {
        injections += rig.inject([...EVENTS, ...NESTED_EVENTS], everything ? 1 : door.stride);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        problems.push(error.message);
      }
    }
    assert.equal(problems, []);
    assert.ok(injections > 20_000, `${injections} injections`);
  });
}

test.run();

// A page fault in the entry code, at every instruction: where the program's frame makes IRETQ fault it is the program's (the doors of
// injection.test.ts go there); anywhere else it is a bug of the kernel's, and ends in a report that says where.

import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GuestOptions } from "./crossing-guest";
import { DOORS } from "./injection-doors";
import { InjectionRig } from "./injection-rig";
import { VECTOR_DF, VECTOR_PF } from "../../kernel/abi/vectors";

const modes: GuestOptions[] = [
  { pti: true, pcid: true, vendor: "intel" },
  { pti: true, pcid: false, vendor: "amd", fsgsbase: false },
  { pti: false, pcid: false, vendor: "intel" },
];
const names = [
  "SYSCALL and SYSRET", "SYSCALL and IRETQ", "INT 0x80", "SYSENTER and SYSRETL", "SYSCALL of 32-bit code and SYSRETL", "INT 0x80 and back to a 16-bit stack",
  "UD2", "INT1", "a timer interrupt", "an NMI of user code", "NMI at entry_SYSCALL_64", "#MC at entry_SYSCALL_64", "#DB at entry_SYSCALL_64",
];

for (const options of modes) {
  const where = Object.entries(options).map(([name, value]) => `${name}=${value}`).join(" ");
  const doors = names.map((name) => DOORS.find((door) => door.name === name)!).filter((door) => door.vendor === undefined || door.vendor === options.vendor);

  test(`${where}: a fault at any instruction of the entry code with RSP in a guard page is #DF on its stack, and a report of the instruction`, async () => {
    let count = 0;
    for (const door of doors) {
      const rig = await InjectionRig.create(door, options);
      for (const { place, rip, fault } of rig.forceFaults(true)) {
        count++;
        assert.equal([fault.vector, fault.stack, fault.ip, fault.userMode], [VECTOR_DF, "IST #DF", rip, false], `${door.name}, ${place}`);
        assert.match(fault.report.message, /^kernel stack overflow \(guard page, task 1's\); rip=ffffffff81\w{6} \(\w+(\+0x\w+)?\)/);
      }
    }
    assert.ok(count > 800, `${count} instructions`);
  });

  test(`${where}: with RSP as it is it is #PF or #DF in the kernel, never the program's, but at the IRETQ`, async () => {
    for (const door of doors) {
      const rig = await InjectionRig.create(door, options);
      for (const { place, rip, fault } of rig.forceFaults(false)) {
        if (place.startsWith("native_irq_return_iret ")) {
          // Here a fault is that of what it returns to.
          assert.is(fault.ip === rip, false, place);
          continue;
        }
        assert.ok(fault.vector === VECTOR_PF || fault.vector === VECTOR_DF, `${door.name}, ${place}: vector ${fault.vector}`);
        assert.equal([fault.ip, fault.userMode], [rip, false], `${door.name}, ${place}`);
      }
    }
  });
}

test.run();

// Single instructions in random states on this computer's chip and on our machine: the silicon oracle's generator, runners and
// comparison (tests/silicon), as a target. A case is two bytes for the row of the instruction table and four for the seed of the state.

import { rows } from "../../kernel/decode/rows";
import { cpuModel } from "../../host/machine/cpu-models";
import { type Difference, compare } from "../silicon/compare";
import { disassemble } from "../silicon/disassemble";
import { featuresOf } from "../silicon/features";
import { type Instance, generate, isComparable } from "../silicon/generate";
import { MachineRunner } from "../silicon/machine-runner";
import { type Native, NoChip, buildNativeRunner, chipVendor, runNatively } from "../silicon/native";
import { Random } from "../silicon/random";
import { projectRoot } from "../source-files";
import { CannotRun, type Checker, type Target } from "./target";

async function open(): Promise<Checker> {
  let runner: Native;
  try {
    runner = buildNativeRunner(projectRoot);
  } catch (error) {
    if (error instanceof NoChip) throw new CannotRun(`there is no chip to ask: ${error.message}`);
    throw error;
  }
  const vendor = chipVendor();
  const create = () => MachineRunner.create({ ...cpuModel("v2"), vendor });
  let machine = await create();
  const ofChip = featuresOf((cases) => runNatively(runner, cases));
  const chosen = rows.filter((row) => isComparable(row, 64, vendor) && (row.cpuid === undefined || (ofChip.has(row.cpuid) && machine.features.has(row.cpuid))));

  const instanceOf = (bytes: Uint8Array): Instance => {
    const view = new DataView(Uint8Array.of(...bytes, 0, 0, 0, 0, 0, 0).buffer);
    return generate(chosen[view.getUint16(0, true) % chosen.length]!, new Random(view.getUint32(2, true)), vendor);
  };
  const ask = (instances: Instance[]) => runNatively(runner, instances.map((instance) => instance.case));

  const differ = async (instance: Instance, chip: ReturnType<typeof ask>[number]): Promise<Difference[]> => {
    for (const path of ["step", "block"] as const) {
      try {
        const differences = compare(instance, chip, machine.run(instance.case, path), vendor);
        if (differences.length) return differences;
      } catch (error) {
        machine = await create();
        return [{ what: "our machine threw", chip: "", ours: String(error) }];
      }
    }
    return [];
  };

  return {
    batch: 2000,
    generate: (random) => random.bytes(6),
    async check(cases) {
      const instances = cases.map(instanceOf);
      const chip = ask(instances);
      const texts: string[] = [];
      for (const [i, instance] of instances.entries()) {
        let differences = await differ(instance, chip[i]!);
        // What the chip's system lost at a task switch is not what the instruction did: the chip has to do it twice.
        if (differences.length) differences = await differ(instance, ask([instance])[0]!);
        const { opcode, mnemonic, operands } = instance.row;
        texts.push(differences.length ? [`${opcode} ${mnemonic} ${operands}: ${differences.map((d) => d.what.replace(/[\d a-f]{2,}$|\d+$/, "")).join()}`,
          ...differences.map((d) => `  ${d.what}: chip ${d.chip}, ours ${d.ours}`), `  ${await disassemble(instance.case.code, 0)}`].join("\n") : "");
      }
      return texts;
    },
  };
}

export const instructionsTarget: Target = {
  name: "instructions",
  about: "single instructions of the table in random states, on this computer's chip (x86-64 Linux with gcc) and on our machine",
  property: "the same registers, flags, memory and exception, but for what the manuals leave undefined",
  open,
};

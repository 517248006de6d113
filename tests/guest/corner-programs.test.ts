// Programs that live on the corner cases of the instruction set: floating point in all formats and rounding modes, code that
// writes code, 32-bit code entered by a far return, the cryptographic extensions. Each prints what it prints on silicon; numeric.c also as
// this computer's gcc optimises it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Ended, execute, hasProgram, ring3, root, scratchFolder, skip } from "../command";

const folder = scratchFolder();
const golden = (name: string) => readFileSync(join(root, "tests/golden", `${name}.txt`), "utf8");

interface Program {
  name: string;
  output: string;
  /** Why this computer may be unable to run it, by what the program itself or the signal says. */
  unable?: (natively: Ended) => string | undefined;
}

const PROGRAMS: Program[] = [
  { name: "numeric-sse", output: golden("numeric-sse") },
  { name: "numeric-x87", output: golden("numeric-x87") },
  { name: "jit", output: "jit: 4324 of 4324 checks hold\n" },
  {
    name: "compat",
    output: "compat: ten checks in 32-bit code hold\n",
    unable: (natively) => (natively.status === 139 ? "the kernel offers no 32-bit code segment" : undefined),
  },
  {
    name: "crypto",
    output: golden("crypto"),
    unable: (natively) => (natively.status === 2 ? "the processor has not all of AES, PCLMULQDQ, SHA, SSE4.2" : undefined),
  },
];

for (const { name, output, unable } of PROGRAMS) {
  test(`${name} does on ring3 what it does on silicon`, () => {
    const guest = ring3(["run", name]);
    assert.is(guest.text, output, guest.stderr);
    assert.is(guest.status, 0);
    if (process.platform !== "linux" || process.arch !== "x64") return skip(`${name} natively`, "not x86-64 Linux");
    const natively = execute(join(root, "guest-programs", name), []);
    const reason = unable?.(natively);
    if (reason !== undefined) return skip(`${name} natively`, reason);
    assert.is(natively.text, output);
    assert.is(natively.status, 0);
  });
}

for (const flags of [[], ["-mfpmath=387"], ["-msse4.2"]]) {
  const name = ["gcc -static -O3", ...flags].join(" ");
  test(`numeric.c by ${name}`, () => {
    if (!hasProgram("gcc")) return skip(name, "no gcc");
    const path = join(folder, `numeric${flags.join("")}`);
    const built = execute("gcc", ["-static", "-O3", "-frounding-math", ...flags, "-o", path, join(root, "guest-programs/numeric.c"), "-lm"]);
    if (built.status !== 0) return skip(name, built.stderr.split("\n")[0]!);
    const guest = ring3(["run", path]);
    assert.is(guest.text, execute(path, []).text, guest.stderr);
    assert.is(guest.status, 0);
  });
}

test.run();

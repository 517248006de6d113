// Help and version texts of `ring3`. Entered from main.ts, loaded only when asked for.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bundledNames } from "./bundled";
import { optionsHelp, UsageError, type Command } from "./options";

const SUMMARY: Record<Command, string> = {
  run: "run a Linux x86-64 program; its output, input and exit status are the command's",
  trace: "show one system call instruction by instruction, from SYSCALL to SYSRET",
  inspect: "print GDT, IDT, TSS, MSRs, page tables and stacks at a point of a program's life",
  maps: "run a program several times, and print its /proc/self/maps of each run side by side",
  aslr: "measure how random the address space is, over thousands of programs loaded",
  vdso: "list what is in linux-vdso.so.1, or write it to a file",
  bench: "measure a system call against the vDSO, every door into ring 0, or a program's crossings",
};

const EXAMPLES: Record<Command, string[]> = {
  run: [
    "ring3 run hello                                 a bundled program",
    "ring3 run ./a.out one two                       a program of yours, with arguments",
    "ring3 run --strace hello                        its system calls, as strace prints them",
    "ring3 run --mount .:/data cat /data/notes.txt   a folder of yours inside the guest",
    "ring3 run --root / /bin/ls -l /etc              a dynamic program in your own system, read-only",
    "ring3 run --seed 1 --timeout 5 ./a.out          the same addresses each time, 5 seconds at most",
    "ring3 run --cpu k8 --vendor intel ./a.out       another processor; --cpu help lists them",
  ],
  trace: [
    "ring3 trace hello                               the first system call of hello",
    "ring3 trace --syscall write hello-asm           its first write",
    "ring3 trace --syscall 39 --pti=off ./a.out      getpid by number, without page-table isolation",
    "ring3 trace --door int80 ./a.out                its first INT 0x80; --door page_fault its first page fault",
  ],
  inspect: [
    "ring3 inspect hello                             as its first system call enters ring 0",
    "ring3 inspect --at boot hello                   before its first instruction",
    "ring3 inspect --at exception --json hello       as its first exception is handled, for programs",
  ],
  maps: [
    "ring3 maps hello                                the vDSO, the stack and the heap stand elsewhere each time",
    "ring3 maps --no-aslr --runs 3 hello             three times the same",
    "ring3 maps --runs 1 --root / /bin/true          one run: the lines as Linux prints them",
  ],
  aslr: [
    "ring3 aslr                                      a table and a histogram for each region",
    "ring3 aslr --execs 20000 --svg aslr.svg         more of them, and a picture",
  ],
  vdso: [
    "ring3 vdso                                      its functions, with address and size",
    "ring3 vdso --dump vdso.so                       the file, for objdump -d, readelf -Ws and gdb",
  ],
  bench: [
    "ring3 bench                                     all doors, with and without PTI and PCID",
    "ring3 bench --native --html crossings.html      beside this processor and qemu-x86_64; charts for a slide",
    "ring3 bench --pti=off --csv                     only without page-table isolation",
    "ring3 bench doors                               one crossing by each door into ring 0, for each switch",
    "ring3 bench --program hello                     the crossings of a program, by system call",
    "ring3 bench --program ./a.out --folded a.folded one two   its time, for flame-graph tools",
  ],
};

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

function wrapped(words: string[], indent: string): string {
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1)!.length + word.length > 90) lines.push("");
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines.map((line) => `${indent}${line.trimStart()}`).join("\n");
}

export function commandHelp(command: Command): number {
  const aboutProgram = [
    "<program> is the name of a bundled program or a path of a static ELF file; with --root also a dynamic one:",
    wrapped(bundledNames(), "  "),
    "",
    "Options end at the program's name; everything behind it is the guest's. --opt=V and --opt V are the same.",
  ];
  const takesProgram = command !== "aslr" && command !== "vdso" && command !== "bench";
  return print(
    [
      `ring3 ${command} [options]${takesProgram ? " <program> [args...]" : ""}`,
      "",
      `  ${SUMMARY[command]}`,
      "",
      ...(takesProgram ? aboutProgram : ["--opt=V and --opt V are the same."]),
      optionsHelp(command),
      "",
      "Examples:",
      ...EXAMPLES[command].map((example) => `  ${example}`),
      "",
      "Exit status: the guest's, 128+n when signal n ended it; 2 usage, 127 program not found, 126 not runnable,",
      "124 timed out, 70 a bug of ring3.",
    ].join("\n"),
  );
}

export function help(words: readonly string[]): number {
  const about = words[0];
  if (about !== undefined && about in SUMMARY) return commandHelp(about as Command);
  if (about !== undefined && about !== "help" && about !== "version") {
    throw new UsageError(`no help on "${about}": ring3 knows ${Object.keys(SUMMARY).join(", ")}`);
  }
  return print(
    [
      "ring3: Linux x86-64 programs on an x86-64 machine made of WebAssembly",
      "",
      ...Object.entries(SUMMARY).map(([command, summary]) => `  ring3 ${command.padEnd(7)} ${summary}`),
      "  ring3 help    this text; `ring3 help run` and the like list the options",
      "  ring3 version print the version",
      "",
      "Examples:",
      ...[...EXAMPLES.run, ...EXAMPLES.trace].map((example) => `  ${example}`),
    ].join("\n"),
  );
}

/** The nearest package.json above this file is ours, in the bundle as in the sources. */
export function version(): number {
  for (let directory = __dirname; ; directory = dirname(directory)) {
    try {
      return print(`ring3 ${JSON.parse(readFileSync(join(directory, "package.json"), "utf8")).version}`);
    } catch (error) {
      if (directory === dirname(directory)) throw error;
    }
  }
}

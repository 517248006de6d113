// The `ring3` command: picks the command, and turns every kind of ending into an exit status and at most one line.
// Entered from start.ts. Leaves to run.ts, trace.ts or help.ts, each run only when it is wanted.
//
//   the guest's own status; 128 + n when a signal ended it
//   2 usage    127 program not found    126 found but not runnable    124 --timeout    70 a bug of ours

import { ProgramNotRunnable } from "./bundled";
import { parseOptions, UsageError } from "./options";
import { EXIT_BUG, runCommand } from "./run";
import { writeLine } from "./streams";

const EXIT_USAGE = 2;

async function command(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  switch (name) {
    case "run":
    case "trace":
    case "inspect":
    case "maps":
    case "aslr":
    case "vdso":
    case "bench": {
      // `bench doors` is one command of two words: its options come behind both.
      const doors = name === "bench" && rest[0] === "doors";
      const line = parseOptions(name, doors ? rest.slice(1) : rest);
      if (line.help) return (await import("./help")).commandHelp(name);
      if (name === "run") return runCommand(line.options, line.rest);
      if (name === "trace") return (await import("./trace")).traceCommand(line.options, line.rest);
      if (name === "bench") return (await import("./bench")).benchCommand(line.options, line.rest, doors);
      if (name === "inspect") return (await import("./inspect")).inspectCommand(line.options, line.rest);
      if (name === "maps") return (await import("./maps")).mapsCommand(line.options, line.rest);
      if (line.rest.length > 0) throw new UsageError(`ring3 ${name} takes no program: what is "${line.rest[0]}"?`);
      if (name === "aslr") return (await import("./aslr")).aslrCommand(line.options);
      return (await import("./vdso")).vdsoCommand(line.options);
    }
    case "help":
    case "--help":
    case "-h":
      return (await import("./help")).help(rest);
    case "version":
    case "--version":
      return (await import("./help")).version();
    case undefined:
      throw new UsageError("no command given: try `ring3 run hello`, `ring3 trace hello` or `ring3 help`");
    default:
      throw new UsageError(`unknown command "${name}": ring3 knows run, trace, inspect, maps, aslr, vdso, bench, help and version`);
  }
}

function describeBug(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return `internal error: ${message.replace(/\s*\n\s*/g, " ")} (please report it; RING3_DEBUG=1 prints where)`;
}

async function main(): Promise<number> {
  try {
    return await command(process.argv.slice(2));
  } catch (error) {
    if (error instanceof UsageError) {
      writeLine(`ring3: ${error.message}`);
      return EXIT_USAGE;
    }
    if (error instanceof ProgramNotRunnable) {
      writeLine(`ring3: ${error.message}`);
      return error.exitStatus;
    }
    writeLine(`ring3: ${describeBug(error)}`);
    if (error instanceof Error && "report" in error) for (const line of error.report as readonly string[]) writeLine(`  ${line}`);
    if (process.env.RING3_DEBUG && error instanceof Error) writeLine(String(error.stack));
    return EXIT_BUG;
  }
}

// Everything written has been written synchronously, and a poll for input may still be armed: leave at once.
void main().then((status) => process.exit(status));

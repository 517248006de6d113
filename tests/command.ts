// Runs the built `ring3` command, and programs of this computer, for the tests that compare them.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

export const root = process.env.RING3_ROOT ?? process.cwd();

/** No run here takes longer unless it hangs. */
const HANG_MS = 60_000;

export interface Ended {
  /** Exit status; 128 + n after signal n, -1 after a hang. */
  status: number;
  stdout: Buffer;
  /** Standard output as UTF-8. */
  text: string;
  stderr: string;
}

function cliPath(): string {
  const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return join(root, typeof bin === "string" ? bin : bin.ring3);
}

export function execute(file: string, words: readonly string[], options: { input?: string | Uint8Array; cwd?: string; env?: Record<string, string> } = {}): Ended {
  const child = spawnSync(file, words, {
    input: options.input ?? "",
    cwd: options.cwd,
    env: options.env ?? process.env,
    maxBuffer: 1 << 28,
    timeout: HANG_MS,
    killSignal: "SIGKILL",
  });
  if (child.error && child.status === null && child.signal === null) throw child.error;
  const status = child.status ?? (child.error ? -1 : 128 + constants.signals[child.signal!]);
  return { status, stdout: child.stdout, text: child.stdout.toString(), stderr: child.stderr.toString() };
}

/** `ring3 ...words` */
export function ring3(words: readonly string[], options: { input?: string | Uint8Array; cwd?: string; env?: Record<string, string> } = {}): Ended {
  return execute(process.execPath, [cliPath(), ...words], options);
}

/** A shell command line in which $RING3 is the command; bash with pipefail off, so its status is the last command's. */
export function shell(line: string, cwd?: string): Ended {
  return execute("bash", ["-c", line], { cwd, env: { ...process.env, RING3: `${process.execPath} ${cliPath()}` } as Record<string, string> });
}

/** `ring3 ...words` as a child whose streams stay open. */
export function startRing3(words: readonly string[]) {
  return spawn(process.execPath, [cliPath(), ...words], { stdio: ["pipe", "pipe", "pipe"] });
}

/** Is there such a program on this computer, and can it run x86-64 Linux programs itself? */
export function hasProgram(name: string): boolean {
  if (process.platform !== "linux" || process.arch !== "x64") return false;
  return (process.env.PATH ?? "").split(":").some((directory) => existsSync(join(directory, name)));
}

/** A 32-bit program of this computer: by its kernel, else under qemu-i386, which is then the referee; null where there is neither. */
export function execute32(file: string, words: readonly string[], options: Parameters<typeof execute>[2] = {}): (Ended & { referee: string }) | null {
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  // Where the kernel does not, a shell is given the file: so let one be tried whose output is known.
  const probe = execute(join(root, "guest-programs/hello32-int80"), []);
  if (probe.text === "Hello, world!\n") return { ...execute(file, words, options), referee: "this processor" };
  return hasProgram("qemu-i386") ? { ...execute("qemu-i386", [file, ...words], options), referee: "qemu-i386" } : null;
}

/** Prints the line that tests/run.mjs counts. */
export function skip(what: string, why: string): void {
  console.log(`SKIP: ${what} (${why})`);
}

/** A folder that is gone when the test process ends. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ring3-test-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

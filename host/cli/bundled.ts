// From the word after `ring3 run` to an ELF file's bytes: a bundled guest, a path of the host, or a program of --root.
// Entered from run.ts and trace.ts.

import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** A program that cannot be run, with what a shell would exit with: 127 not found, 126 found but not runnable. */
export class ProgramNotRunnable extends Error {
  constructor(
    message: string,
    readonly exitStatus: 126 | 127,
  ) {
    super(message);
  }
}

export interface ProgramFile {
  bytes: Uint8Array;
  /** Absolute path by which the guest knows it (/proc/self/exe, AT_EXECFN). */
  guestPath: string;
}

/** Where the guest looks for a program named without a slash under --root. */
const GUEST_PATH = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];

/** More symbolic links than this on one path are a loop (Linux MAXSYMLINKS). */
const LINKS_MAX = 40;

/**
 * Finds and reads the program.
 * A word with a slash is a path: inside `root` when one is given and has it, else of the host. A word without is a program
 * in the directories of PATH inside `root`, then a bundled guest, then a file in the working directory.
 * @throws ProgramNotRunnable with one line that says why
 */
export function findProgram(word: string, root: string | undefined): ProgramFile {
  if (word.includes("/")) {
    const inRoot = root === undefined || !word.startsWith("/") ? undefined : resolveInRoot(root, word);
    if (inRoot !== undefined) return { bytes: readProgram(word, inRoot), guestPath: word };
    return { bytes: readProgram(word, resolve(word)), guestPath: guestPathOf(resolve(word)) };
  }
  if (root !== undefined) {
    for (const directory of GUEST_PATH) {
      const guestPath = `${directory}/${word}`;
      const inRoot = resolveInRoot(root, guestPath);
      if (inRoot !== undefined && fs.statSync(inRoot).isFile()) return { bytes: readProgram(word, inRoot), guestPath };
    }
  }
  const bundled = bundledPath(word);
  if (bundled !== undefined) return { bytes: fs.readFileSync(bundled), guestPath: `/bin/${word}` };
  if (word !== "" && fs.existsSync(word)) return { bytes: readProgram(word, resolve(word)), guestPath: guestPathOf(resolve(word)) };
  throw new ProgramNotRunnable(`${word}: not found (bundled programs: ${bundledNames().join(", ")}; a path has a / in it)`, 127);
}

/** Names of the programs that come with ring3. */
export function bundledNames(): string[] {
  const directory = bundledDirectory();
  if (directory === undefined) return [];
  return fs.readdirSync(directory).filter((name) => !name.includes(".")).sort();
}

function bundledPath(name: string): string | undefined {
  const directory = bundledDirectory();
  if (directory === undefined || name === "" || name.includes(".")) return undefined;
  const path = join(directory, name);
  return fs.existsSync(path) ? path : undefined;
}

/** guest-programs/ beside the package's own package.json; this file is a few folders below it, bundled or not. */
export function bundledDirectory(): string | undefined {
  let directory = __dirname;
  for (;;) {
    const candidate = join(directory, "guest-programs");
    if (fs.existsSync(candidate)) return candidate;
    const parent = dirname(directory);
    if (parent === directory) return undefined;
    directory = parent;
  }
}

function readProgram(word: string, path: string): Uint8Array {
  try {
    const stat = fs.statSync(path);
    if (stat.isDirectory()) throw new ProgramNotRunnable(`${word}: is a directory`, 126);
    if (!stat.isFile()) throw new ProgramNotRunnable(`${word}: not a regular file`, 126);
    if (process.platform !== "win32" && !(stat.mode & 0o111)) throw new ProgramNotRunnable(`${word}: not executable`, 126);
    return fs.readFileSync(path);
  } catch (error) {
    if (error instanceof ProgramNotRunnable) throw error;
    throw new ProgramNotRunnable(...whyUnreadable(word, error as NodeJS.ErrnoException));
  }
}

function whyUnreadable(word: string, error: NodeJS.ErrnoException): [string, 126 | 127] {
  switch (error.code) {
    case "ENOENT":
      return [`${word}: not found`, 127];
    case "ENOTDIR":
      return [`${word}: a component of the path is not a directory`, 126];
    case "EACCES":
    case "EPERM":
      return [`${word}: permission denied`, 126];
    case "ERR_FS_FILE_TOO_LARGE":
      return [`${word}: too large to be loaded`, 126];
    case "ERR_INVALID_ARG_VALUE":
      return [`${JSON.stringify(word)}: not a path`, 127];
    default:
      return [`${word}: cannot be read (${error.code ?? error.message})`, 126];
  }
}

/** A host path as the guest spells it. On Windows the drive and the backslashes go. */
function guestPathOf(path: string): string {
  if (process.platform !== "win32") return path;
  return `/${basename(path)}`;
}

/**
 * The host path of a guest path under `root`, symbolic links followed as the guest would: an absolute one starts at the
 * root again and .. stops there. Undefined when there is no such file.
 */
function resolveInRoot(root: string, guestPath: string): string | undefined {
  let todo = guestPath.split("/");
  let done: string[] = [];
  for (let links = 0; todo.length > 0; ) {
    const name = todo.shift()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      done.pop();
      continue;
    }
    const path = join(root, ...done, name);
    let stat: fs.Stats;
    try {
      stat = fs.lstatSync(path);
    } catch {
      return undefined;
    }
    if (!stat.isSymbolicLink()) {
      done.push(name);
      continue;
    }
    if (++links > LINKS_MAX) return undefined;
    const target = fs.readlinkSync(path);
    if (target.startsWith("/")) done = [];
    todo = [...target.split("/"), ...todo];
  }
  return join(root, ...done);
}

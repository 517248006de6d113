// The command line's JavaScript, compiled. dist/command.cjs is the bundle of main.ts, wrapped in a function as Node wraps a CommonJS
// module; dist/command.cache is what V8 had compiled of it when `ring3 run hello` had run (code-cache.build.ts). With it, V8 parses and
// compiles nothing that a plain run needs. V8 itself checks that the cache was made by the same version, with the same flags, from
// the same text, and compiles as ever where it was not: a missing or foreign cache costs time and nothing else.
// Used by start.ts, and by the build.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Script } from "node:vm";

export const CACHE_FILE = "command.cache";

/** The function around a CommonJS module (Node's modules.html, "The module wrapper"). */
export type ModuleWrapper = (exports: object, require: NodeJS.Require, module: { exports: object }, filename: string, directory: string) => void;

/** @param directory where the bundle and its cache are */
export function compileCommand(directory: string): Script {
  const filename = join(directory, "command.cjs");
  return new Script(readFileSync(filename, "latin1"), { filename, cachedData: readCache(join(directory, CACHE_FILE)) });
}

function readCache(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Runs what compileCommand answered; from then on it is main.ts that works. */
export function runCommandScript(script: Script, directory: string, require: NodeJS.Require): void {
  const module = { exports: {} };
  const wrapper = script.runInThisContext() as ModuleWrapper;
  wrapper(module.exports, require, module, join(directory, "command.cjs"), directory);
}

// Build step, a process of its own: runs `ring3 run hello` from the bundle, and when it ends keeps what V8 has compiled by then
// as the bundle's code cache. Called from build.mjs with dist/ as its only argument.

import { rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { CACHE_FILE, compileCommand, runCommandScript } from "./code-cache";

/** Seconds. A machine that does not get that far has no code cache, and its builder finds out otherwise. */
const TIME_LIMIT = "20";

const directory = process.argv[2]!;
const cache = join(directory, CACHE_FILE);
rmSync(cache, { force: true });
const script = compileCommand(directory);
// main.ts ends with process.exit().
process.on("exit", () => writeFileSync(cache, script.createCachedData()));
process.argv.splice(2, Infinity, "run", "--quiet", "--timeout", TIME_LIMIT, "hello");
runCommandScript(script, directory, createRequire(join(directory, "command.cjs")));

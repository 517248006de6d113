#!/usr/bin/env node
// What `ring3` starts: dist/main.cjs. Compiles the command line from V8's code cache and runs it. CommonJS, since Node loads some 40
// modules of its own for its ES module loader, which takes as long as all that a hello does.
// Entered from the shell. Leaves to main.ts.

import { setFlagsFromString } from "node:v8";
import { compileCommand, runCommandScript } from "./code-cache";

/**
 * V8 counts the bytes of code that a function has run through before it optimises it. The interpreter's loop is so large that
 * a hello would have it, and what it calls, compiled by TurboFan: 100 ms of CPU that come too late to be of use. Programs
 * that run for longer than a few milliseconds do not notice the difference.
 */
const WASM_TIERING_BUDGET = 100_000_000;

const script = compileCommand(__dirname);
// After compileCommand: V8 accepts a code cache only under the flags it was made with.
setFlagsFromString(`--wasm-tiering-budget=${WASM_TIERING_BUDGET}`);
runCommandScript(script, __dirname, require);

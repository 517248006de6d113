// Reads the operations out of the group files (kernel/exec/*.ts) as text: name, signature, body. And splices them: inlined()
// gives a body as statements for exec(), with the flag setters of kernel/cpu/flags.ts opened up as text, because there the
// flag words are locals.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Parameter {
  name: string;
  type: string;
}

/** Where the names that a source file uses come from: its own functions, and its imports. */
export interface Names {
  own: Set<string>;
  imported: Map<string, string>;
}

export interface Operation {
  name: string;
  generic: boolean;
  parameters: Parameter[];
  result: string;
  body: string;
  file: string;
}

/** `NAME(u: usize): void` does everything itself. */
export const isRaw = (op: Operation) => op.parameters.length === 1 && op.parameters[0].name === "u";
export const parameter = (op: Operation, name: string) => op.parameters.find((p) => p.name === name);

function balanced(text: string, from: number, open: string, close: string): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text[i] === open) depth++;
    else if (text[i] === close && --depth === 0) return i;
  }
  throw new Error(`no ${close} for the ${open} in: ${text.slice(from, from + 60)}`);
}

/** Every exported function of one AssemblyScript source. */
export function functionsOf(source: string, file: string): Operation[] {
  const found: Operation[] = [];
  const head = /export function (\w+)(<T>)?\(/g;
  for (let m = head.exec(source); m; m = head.exec(source)) {
    const openAt = m.index + m[0].length - 1;
    const closeAt = balanced(source, openAt, "(", ")");
    const bodyAt = source.indexOf("{", closeAt);
    const bodyEnd = balanced(source, bodyAt, "{", "}");
    const parameters = source.slice(openAt + 1, closeAt).split(",").map((p) => p.trim()).filter(Boolean).map((p) => {
      const [name, type] = p.split(":").map((s) => s.trim());
      return { name, type: type.split("=")[0].trim() };
    });
    found.push({
      name: m[1], generic: !!m[2], parameters, file,
      result: source.slice(closeAt + 1, bodyAt).replace(":", "").trim(),
      body: source.slice(bodyAt + 1, bodyEnd).trim(),
    });
  }
  return found;
}

export function namesOf(source: string): Names {
  const imported = new Map<string, string>();
  for (const m of source.matchAll(/import \{([^}]*)\} from "([^"]+)"/g)) {
    for (const name of m[1].split(",").map((n) => n.trim()).filter(Boolean)) imported.set(name, m[2]);
  }
  const own = new Set([...source.matchAll(/^(?:export )?(?:function|const|let) (\w+)/gm)].map((m) => m[1]));
  return { own, imported };
}

export function readOperations(folder: string): Map<string, Operation> {
  const operations = new Map<string, Operation>();
  for (const file of readdirSync(folder).filter((f) => f.endsWith(".ts")).sort()) {
    for (const op of functionsOf(readFileSync(join(folder, file), "utf8"), file)) {
      if (!/^[A-Z][A-Z0-9]+(_\w+)?$/.test(op.name)) continue;
      const twin = operations.get(op.name);
      if (twin) throw new Error(`operation ${op.name} stands in ${twin.file} and in ${file}`);
      operations.set(op.name, op);
    }
  }
  return operations;
}

/** Splits an argument list at its top-level commas. */
function splitArguments(text: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "(" || c === "[") depth++;
    else if (c === ")" || c === "]") depth--;
    else if (c === "," && depth === 0) {
      out.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  const last = text.slice(start).trim();
  if (last) out.push(last);
  return out;
}

const substitute = (body: string, name: string, value: string) => body.replace(new RegExp(`\\b${name}\\b`, "g"), value);

/** Opens up calls of `macros` in `text` until none is left. */
export function expand(text: string, macros: Map<string, Operation>): string {
  for (let rounds = 0; rounds < 200; rounds++) {
    let changed = false;
    for (const macro of macros.values()) {
      const at = text.search(new RegExp(`(?<![.\\w])${macro.name}(<\\w+>)?\\(`));
      if (at < 0) continue;
      const openAt = text.indexOf("(", at);
      const closeAt = balanced(text, openAt, "(", ")");
      const type = /<(\w+)>/.exec(text.slice(at, openAt))?.[1];
      const args = splitArguments(text.slice(openAt + 1, closeAt));
      let body = macro.body;
      macro.parameters.forEach((p, i) => {
        body = substitute(body, p.name, /^[\w]+$/.test(args[i]) ? args[i] : `(${args[i]})`);
      });
      if (type) body = substitute(body, "T", type);
      if (macro.result === "void") {
        const end = text[closeAt + 1] === ";" ? closeAt + 2 : closeAt + 1;
        text = `${text.slice(0, at)}{ ${body} }${text.slice(end)}`;
      } else {
        const value = /^return ([^;]*);$/s.exec(body.trim())?.[1];
        if (value === undefined) throw new Error(`${macro.name} is not one expression`);
        text = `${text.slice(0, at)}(${value})${text.slice(closeAt + 1)}`;
      }
      changed = true;
      break;
    }
    if (!changed) return text;
  }
  throw new Error(`expansion does not end: ${text.slice(0, 80)}`);
}

/**
 * The body of a value operation as statements that leave the result in `r_`. Each `return x` becomes an assignment; an early return
 * turns what follows into the else branch, since exec() has no function to return from.
 */
export function inlined(op: Operation, type: string, macros: Map<string, Operation>): string {
  let body = op.body.replace(/\/\/[^\n]*/g, "");
  if (op.generic) body = substitute(body, "T", type);
  body = assignReturns(body, op.result !== "void");
  return expand(body, macros);
}

function assignReturns(body: string, hasResult: boolean): string {
  const early = /if \(([^{;]*)\) (return[^;]*;|\{)/g;
  for (let m = early.exec(body); m; m = early.exec(body)) {
    let block: string;
    let end: number;
    if (m[2] === "{") {
      const open = m.index + m[0].length - 1;
      end = balanced(body, open, "{", "}") + 1;
      block = body.slice(open + 1, end - 1);
      if (!/\breturn\b/.test(block)) continue;
    } else {
      block = m[2];
      end = m.index + m[0].length;
    }
    const rest = body.slice(end).replace(/^\s*else\b/, "");
    return `${body.slice(0, m.index)}if (${m[1]}) { ${assignReturns(block, hasResult)} } else { ${assignReturns(rest, hasResult)} }`;
  }
  return body.replace(/return ([^;]*);/g, hasResult ? "r_ = $1;" : "$1;").replace(/return;/g, "");
}

// The source files of the project and their import lines, for the tests that hold the layout of DESIGN.md.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, posix } from "node:path";

export const projectRoot = process.env.RING3_ROOT ?? process.cwd();

export interface SourceFile {
  /** From the project root, with forward slashes. */
  path: string;
  text: string;
  /** Lines without comments, for looking at code alone. */
  code: string;
  imports: { specifier: string; target: string | null; typeOnly: boolean }[];
}

const sourceEnding = /\.(ts|mts|mjs|js)$/;

export function sourceFiles(...folders: string[]): SourceFile[] {
  const files: SourceFile[] = [];
  for (const folder of folders) {
    let names: string[];
    try {
      names = readdirSync(join(projectRoot, folder), { recursive: true }).map(String);
    } catch {
      continue;
    }
    for (const name of names.sort()) {
      if (!sourceEnding.test(name) || name.endsWith(".d.ts")) continue;
      files.push(readSourceFile(posix.join(folder, name.replaceAll("\\", "/"))));
    }
  }
  return files;
}

function readSourceFile(path: string): SourceFile {
  const text = readFileSync(join(projectRoot, path), "utf8");
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
  const imports: SourceFile["imports"] = [];
  const form = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?["']([^"'\n]+)["']|\bimport\(\s*["']([^"'\n]+)["']/g;
  for (const match of code.matchAll(form)) {
    const specifier = match[2] ?? match[3];
    const target = specifier.startsWith(".") ? posix.normalize(posix.join(dirname(path), specifier)) : null;
    imports.push({ specifier, target, typeOnly: match[1] !== undefined });
  }
  return { path, text, code, imports };
}

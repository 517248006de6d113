// Programs that the compilers of this computer make: static glibc and musl, static-PIE, C++ with iostream and exceptions,
// and dynamic ones under --root /. Each prints what it prints natively.
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { execute, hasProgram, ring3, scratchFolder, skip } from "../command";

const folder = scratchFolder();

const C = `
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
static _Thread_local int perThread = 7;
static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
int main(int argc, char **argv) {
    printf("%d arguments\\n", argc - 1);
    qsort(argv + 1, argc - 1, sizeof *argv, compare);
    for (int i = 1; i < argc; i++) printf("%s%c", argv[i], i + 1 < argc ? ' ' : '\\n');
    printf("%.17g %Lg %a\\n", sqrt(argc + 1.0), (long double)argc / 3, cos(argc));
    char *big = malloc(3 << 20);
    memset(big, 'x', 3 << 20);
    big[100] = 0;
    printf("%zu %d %s\\n", strlen(big), perThread++, getenv("GREETING"));
    free(big);
    if (!fopen("/no/such/file", "r")) fprintf(stderr, "%s\\n", strerror(errno));
    return 42;
}
`;

const CXX = `
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
struct Noisy { std::string name; ~Noisy() { std::cout << "gone: " << name << '\\n'; } };
static int risky(int n) {
    Noisy noisy{"level " + std::to_string(n)};
    if (n == 0) throw std::runtime_error("bottom");
    return risky(n - 1) + 1;
}
int main(int argc, char **argv) {
    std::map<std::string, int> counts;
    for (std::string word; std::cin >> word;) counts[word]++;
    for (auto &[word, count] : counts) std::cout << word << ": " << count << '\\n';
    try { risky(3); } catch (const std::exception &e) { std::cout << "caught " << e.what() << std::endl; }
    try { std::vector<int>().at(5); } catch (const std::out_of_range &) { std::cout << "out of range\\n"; }
    std::cout << 1.0 / 3 << ' ' << std::hex << 255 << std::endl;
    return argc;
}
`;

interface Build {
  name: string;
  compiler: string;
  flags: string[];
  source: "c" | "cc";
  /** Options of `ring3 run`. */
  options?: string[];
}

const MUSL = "/usr/lib/x86_64-linux-musl";

const BUILDS: Build[] = [
  { name: "gcc -static", compiler: "gcc", flags: ["-static", "-O2"], source: "c" },
  { name: "gcc -static -O0", compiler: "gcc", flags: ["-static", "-O0"], source: "c" },
  { name: "gcc -static-pie", compiler: "gcc", flags: ["-static-pie", "-O2"], source: "c" },
  { name: "musl-gcc -static", compiler: "musl-gcc", flags: ["-static", "-O2"], source: "c" },
  // musl-gcc's specs know no -static-pie: they link against the dynamic linker all the same. These are its parts by hand.
  {
    name: "musl, static-PIE",
    compiler: "musl-gcc",
    flags: ["-O2", "-fPIE", "-static", "-nostartfiles", "-Wl,-pie,--no-dynamic-linker,-z,text", `${MUSL}/rcrt1.o`, `${MUSL}/crti.o`, `${MUSL}/crtn.o`],
    source: "c",
  },
  { name: "musl-gcc, dynamic under --root /", compiler: "musl-gcc", flags: ["-O2"], source: "c", options: ["--root", "/"] },
  { name: "gcc, dynamic under --root /", compiler: "gcc", flags: ["-O2"], source: "c", options: ["--root", "/"] },
  { name: "g++ -static with iostream and exceptions", compiler: "g++", flags: ["-static", "-O1"], source: "cc" },
  { name: "g++, dynamic under --root /", compiler: "g++", flags: ["-O1"], source: "cc", options: ["--root", "/"] },
];

const SOURCES = { c: C, cc: CXX };
const ARGUMENTS = ["pear", "apple", "fig"];
const INPUT = "to be or not to be\n";

for (const { name, compiler, flags, source, options = [] } of BUILDS) {
  test(name, () => {
    if (!hasProgram(compiler)) return skip(name, `no ${compiler}`);
    const from = join(folder, `program.${source}`);
    const path = join(folder, name.replace(/[^\w+]+/g, "-"));
    writeFileSync(from, SOURCES[source]);
    const built = execute(compiler, [...flags, "-o", path, from, "-lm"]);
    if (built.status !== 0) return skip(name, `${compiler} cannot build it here: ${built.stderr.split("\n")[0]}`);
    const native = execute(path, ARGUMENTS, { input: INPUT, env: { GREETING: "hello" } });
    const guest = ring3(["run", ...options, "--env", "GREETING=hello", path, ...ARGUMENTS], { input: INPUT });
    assert.is(guest.stderr, native.stderr);
    assert.is(guest.text, native.text);
    assert.is(guest.status, native.status);
  });
}

test.run();

// The command line of ring3, word by word (host/cli/options.ts).
import { test } from "uvu";
import * as assert from "uvu/assert";
import { optionsHelp, parseOptions, UsageError } from "../../host/cli/options";

function usageError(command: "run" | "trace", words: string[]): string {
  try {
    parseOptions(command, words);
  } catch (error) {
    assert.instance(error, UsageError);
    const message = (error as Error).message;
    assert.not.match(message, /\n/);
    return message;
  }
  throw new Error(`accepted: ${words.join(" ")}`);
}

test("without options the table's defaults hold", () => {
  const { options, rest, help } = parseOptions("run", ["hello", "a"]);
  assert.equal(rest, ["hello", "a"]);
  assert.is(help, false);
  assert.is(options.memory, 256);
  assert.is(options.pti, true);
  assert.is(options.pcid, true);
  assert.is(options.cwd, "/");
  assert.is(options.seed, undefined);
  assert.is(options.timeout, undefined);
  assert.equal(options.env, []);
  assert.is(options["no-aslr"], false);
});

test("--opt=V and --opt V mean the same", () => {
  const joined = parseOptions("run", ["--memory=64", "--pti=off", "--env=A=1", "hello"]);
  const apart = parseOptions("run", ["--memory", "64", "--pti", "off", "--env", "A=1", "hello"]);
  assert.equal(joined, apart);
  assert.is(joined.options.memory, 64);
  assert.is(joined.options.pti, false);
  assert.equal(joined.options.env, ["A=1"]);
});

test("after the program's name everything is the guest's", () => {
  const { options, rest } = parseOptions("run", ["--quiet", "cat", "--strace", "--", "-h"]);
  assert.equal(rest, ["cat", "--strace", "--", "-h"]);
  assert.is(options.quiet, true);
  assert.is(options.strace, false);
});

test("-- ends the options", () => {
  assert.equal(parseOptions("run", ["--", "--odd-name", "x"]).rest, ["--odd-name", "x"]);
  assert.equal(parseOptions("run", ["--strace", "--"]).rest, []);
});

test("a list option gathers its values in order", () => {
  assert.equal(parseOptions("run", ["--env", "A=1", "--env=B=", "x"]).options.env, ["A=1", "B="]);
});

test("a value may begin with a dash", () => {
  assert.is(parseOptions("run", ["--cwd", "-odd", "x"]).options.cwd, "-odd");
});

test("memory is MiB, or has a unit", () => {
  for (const [text, mebibytes] of [["64", 64], ["64M", 64], ["2g", 2048], ["1GiB", 1024], ["512mb", 512]] as const) {
    assert.is(parseOptions("run", ["--memory", text, "x"]).options.memory, mebibytes);
  }
});

test("a timeout is seconds, or has a unit, and comes out in milliseconds", () => {
  for (const [text, milliseconds] of [["2", 2000], ["0.5", 500], [".25", 250], ["100ms", 100], ["3s", 3000], ["1m", 60000]] as const) {
    assert.is(parseOptions("run", ["--timeout", text, "x"]).options.timeout, milliseconds);
  }
});

test("a seed has 64 bits, decimal or hexadecimal", () => {
  assert.is(parseOptions("run", ["--seed", "18446744073709551615", "x"]).options.seed, 0xffffffffffffffffn);
  assert.is(parseOptions("run", ["--seed=0xff", "x"]).options.seed, 255n);
});

test("--help is seen wherever an option can stand, and not behind the program", () => {
  assert.is(parseOptions("run", ["--quiet", "--help"]).help, true);
  assert.is(parseOptions("trace", ["-h"]).help, true);
  assert.is(parseOptions("run", ["echo", "--help"]).help, false);
});

test("mistakes are one line that names the option", () => {
  assert.match(usageError("run", ["--frob", "x"]), /unknown option --frob/);
  assert.match(usageError("run", ["--frob=1", "x"]), /unknown option --frob /);
  assert.match(usageError("run", ["-q", "x"]), /unknown option -q/);
  assert.match(usageError("run", ["--strace=yes", "x"]), /--strace takes no value/);
  assert.match(usageError("run", ["--env"]), /--env wants a value/);
  assert.match(usageError("run", ["--root=", "x"]), /--root wants a value/);
  assert.match(usageError("run", ["--pti", "maybe", "x"]), /--pti is on or off/);
  assert.match(usageError("run", ["--memory", "lots", "x"]), /--memory is a number of MiB/);
  assert.match(usageError("run", ["--memory", "4096", "x"]), /--memory is from 4 to 4031 MiB/);
  assert.match(usageError("run", ["--memory=0", "x"]), /--memory is from/);
  assert.match(usageError("run", ["--timeout", "-1", "x"]), /--timeout is a number of seconds/);
  assert.match(usageError("run", ["--seed", "abc", "x"]), /--seed is an unsigned number/);
  assert.match(usageError("run", ["--seed", "18446744073709551616", "x"]), /64 bits/);
  assert.match(usageError("run", ["--syscall", "write", "x"]), /option of `ring3 trace`/);
  assert.match(usageError("trace", ["--strace", "x"]), /option of `ring3 run`/);
});

test("the help names every option of the command and fits 100 columns", () => {
  for (const command of ["run", "trace"] as const) {
    const help = optionsHelp(command);
    assert.match(help, /--memory MIB/);
    for (const line of help.split("\n")) assert.ok(line.length <= 100, `${line.length}: ${line}`);
  }
  assert.match(optionsHelp("run"), /--strace/);
  assert.not.match(optionsHelp("trace"), /--strace/);
});

test.run();

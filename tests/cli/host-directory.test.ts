// A folder of this computer as the guest sees it (host/cli/host-directory.ts): complete, in order, and with no way out.
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hostDirectory } from "../../host/cli/host-directory";
import { execute, hasProgram, scratchFolder, skip } from "../command";

const folder = scratchFolder();
fs.mkdirSync(join(folder, "inside/deep"), { recursive: true });
fs.mkdirSync(join(folder, "outside"));
fs.writeFileSync(join(folder, "inside/file"), "content");
fs.writeFileSync(join(folder, "outside/secret"), "secret");
fs.symlinkSync("../outside", join(folder, "inside/way-out"));
fs.symlinkSync("file", join(folder, "inside/link"));

const directory = hostDirectory(join(folder, "inside"), false);
const writable = hostDirectory(join(folder, "inside"), true);

function code(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "no error";
}

test("stat is lstat, of the folder itself for the empty path", () => {
  assert.is(directory.stat("").mode & 0o170000, 0o040000);
  assert.is(directory.stat("link").mode & 0o170000, 0o120000);
  assert.is(directory.readlink("link"), "file");
  const stat = directory.stat("file");
  const native = fs.lstatSync(join(folder, "inside/file"), { bigint: true });
  assert.is(stat.size, 7);
  assert.is(BigInt(stat.mtime.sec) * 1_000_000_000n + BigInt(stat.mtime.nsec), native.mtimeNs);
  assert.is(code(() => directory.stat("nothing")), "ENOENT");
  assert.is(code(() => directory.stat("file/x")), "ENOTDIR");
});

test("no path leads through a link", () => {
  assert.is(code(() => directory.stat("way-out/secret")), "ELOOP");
  assert.is(code(() => directory.open("way-out/secret", false)), "ELOOP");
  assert.is(code(() => writable.unlink!("way-out/secret")), "ELOOP");
  assert.is(code(() => writable.create!("way-out/new", 0o644)), "ELOOP");
  assert.is(code(() => directory.open("link", false)), "ENXIO");
});

test("names come in the file system's own order", () => {
  if (!hasProgram("ls")) return skip("readdir order", "no ls");
  for (let i = 0; i < 40; i++) fs.writeFileSync(join(folder, "inside/deep", `n${(i * 7919) % 1000}`), "");
  const native = execute("ls", ["-U", join(folder, "inside/deep")]).text.trim().split("\n");
  assert.equal(directory.readdir("deep"), native);
});

test("names are byte strings", () => {
  if (process.platform !== "linux") return skip("names that are not UTF-8", "not Linux");
  fs.writeFileSync(Buffer.concat([Buffer.from(join(folder, "inside/deep/")), Buffer.from([0xff, 0xe9])]), "odd");
  assert.ok(directory.readdir("deep").includes("\xff\xe9"));
  assert.is(directory.stat("deep/\xff\xe9").size, 3);
});

test("opening what is no regular file fails at once", () => {
  if (!hasProgram("mkfifo")) return skip("FIFO in a mounted folder", "no mkfifo");
  execute("mkfifo", [join(folder, "inside/fifo")]);
  assert.is(code(() => directory.open("fifo", false)), "ENXIO");
  assert.is(code(() => directory.open("deep", false)), "ENXIO");
});

test("the read-only folder has no writing half, the writable one keeps the asked mode", () => {
  assert.is(directory.write, undefined);
  assert.is(directory.create, undefined);
  writable.create!("new", 0o666);
  assert.is(fs.statSync(join(folder, "inside/new")).mode & 0o777, 0o666);
  assert.is(code(() => writable.create!("new", 0o666)), "EEXIST");
  const handle = writable.open("new", true);
  assert.is(writable.write!(handle, Buffer.from("abcdef"), 2), 6);
  writable.truncateHandle!(handle, 5);
  const bytes = new Uint8Array(10);
  assert.is(writable.read(handle, bytes, 0), 5);
  assert.equal([...bytes.subarray(0, 5)], [0, 0, 97, 98, 99]);
  writable.close(handle);
  writable.utimes!("new", { sec: 5, nsec: 0 }, { sec: 7, nsec: 500_000_000 });
  assert.equal(writable.stat("new").mtime, { sec: 7, nsec: 500_000_000 });
  writable.rename!("new", "newer");
  writable.unlink!("newer");
  assert.is(code(() => writable.stat("newer")), "ENOENT");
});

test.run();

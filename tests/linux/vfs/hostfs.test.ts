// A host folder in the guest: what is shown, what is refused, no way out.

import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hostDirectory } from "../../../host/cli/host-directory";
import * as E from "../../../host/linux/errno";
import { sysChdir, sysGetcwd, sysGetdents64, sysMkdir, sysRename, sysRmdir, sysUnlink } from "../../../host/linux/syscalls/directory";
import { sysClose, sysOpen } from "../../../host/linux/syscalls/open";
import { sysLseek, sysPread64, sysRead, sysTruncate, sysWrite } from "../../../host/linux/syscalls/read-write";
import { sysAccess, sysChmod, sysFstat, sysStat, sysStatfs } from "../../../host/linux/syscalls/stat";
import { O_CREAT, O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY } from "../../../host/linux/uapi-fcntl";
import { BUFFER, type Rig, rig } from "./rig";

const folder = fs.mkdtempSync(join(tmpdir(), "ring3-hostfs-"));
const box = join(folder, "box");
fs.mkdirSync(join(box, "sub"), { recursive: true });
fs.writeFileSync(join(folder, "secret"), "secret");
fs.writeFileSync(join(box, "file"), "0123456789");
fs.writeFileSync(join(box, "sub/big"), Buffer.alloc(200_000, 0x61));
fs.symlinkSync("../secret", join(box, "relative"));
fs.symlinkSync(join(folder, "secret"), join(box, "absolute"));
fs.symlinkSync("sub", join(box, "here"));
fs.symlinkSync("sub/big", join(box, "inside"));
execFileSync("mkfifo", [join(box, "fifo")]);
test.after(() => fs.rmSync(folder, { recursive: true }));

const mounted = (writable: boolean) => rig({ mounts: [{ directory: hostDirectory(box, writable), path: "/mnt/box", writable }] });
function list(r: Rig, path: string): string[] {
  const fd = r.call(sysOpen, path, O_DIRECTORY, 0) as number;
  const found: string[] = [];
  for (let count; (count = r.call(sysGetdents64, fd, BUFFER, 100) as number) > 0; ) {
    for (let at = 0; at < count; at += r.memory.getU16(BUFFER + at + 16)) found.push(r.memory.getCString(BUFFER + at + 19, 256));
  }
  r.call(sysClose, fd);
  return found.sort();
}

test("a mounted folder reads like the host's, with its inode numbers", () => {
  const r = mounted(false);
  const fd = r.call(sysOpen, "/mnt/box/inside", O_RDONLY, 0) as number;
  assert.is(r.call(sysRead, fd, BUFFER, 150_000), 150_000);
  assert.is(r.call(sysRead, fd, BUFFER, 150_000), 50_000);
  assert.is(r.call(sysRead, fd, BUFFER, 150_000), 0);
  assert.is(r.call(sysLseek, fd, -5, 2), 199_995);
  r.call(sysFstat, fd, BUFFER);
  assert.is(r.memory.getU64(BUFFER + 8), fs.statSync(join(box, "sub/big")).ino);
  assert.equal(list(r, "/mnt/box"), [".", "..", "absolute", "fifo", "file", "here", "inside", "relative", "sub"]);
  r.call(sysChdir, "/mnt/box/sub/..");
  assert.is(r.text(BUFFER, r.call(sysGetcwd, BUFFER, 100) as number), "/mnt/box\0");
  assert.is(r.call(sysStatfs, "/mnt/box", BUFFER), 0);
});

test("links and dots stay inside the guest", () => {
  const r = mounted(false);
  assert.is(r.call(sysOpen, "/mnt/box/relative", O_RDONLY, 0), -E.ENOENT);
  assert.is(r.call(sysOpen, "/mnt/box/absolute", O_RDONLY, 0), -E.ENOENT);
  assert.is(r.call(sysOpen, "/mnt/box/../../../../secret", O_RDONLY, 0), -E.ENOENT);
});

test("a directory that becomes a link behind the guest's back is not followed", () => {
  const r = mounted(false);
  r.call(sysChdir, "/mnt/box/sub");
  fs.renameSync(join(box, "sub"), join(folder, "aside"));
  fs.symlinkSync(folder, join(box, "sub"));
  assert.is(r.call(sysOpen, "secret", O_RDONLY, 0), -E.ELOOP);
  fs.unlinkSync(join(box, "sub"));
  fs.renameSync(join(folder, "aside"), join(box, "sub"));
  assert.ok((r.call(sysOpen, "big", O_RDONLY, 0) as number) > 0);
});

test("a FIFO of the host is refused, not waited for", () => {
  assert.is(mounted(false).call(sysOpen, "/mnt/box/fifo", O_RDONLY, 0), -E.ENXIO);
});

test("a read-only mount refuses every change with EROFS", () => {
  const r = mounted(false);
  for (const result of [
    r.call(sysOpen, "/mnt/box/file", O_WRONLY, 0), r.call(sysOpen, "/mnt/box/new", O_RDWR | O_CREAT, 0o644),
    r.call(sysMkdir, "/mnt/box/new", 0o755), r.call(sysUnlink, "/mnt/box/file"), r.call(sysRmdir, "/mnt/box/sub"),
    r.call(sysRename, "/mnt/box/file", "/mnt/box/other"), r.call(sysTruncate, "/mnt/box/file", 0),
    r.call(sysChmod, "/mnt/box/file", 0o777), r.call(sysAccess, "/mnt/box/file", 2),
  ]) assert.is(result, -E.EROFS);
  assert.is(r.call(sysMkdir, "/mnt/box/sub", 0o755), -E.EEXIST);
});

test("a writable mount writes through", () => {
  const r = mounted(true);
  const fd = r.call(sysOpen, "/mnt/box/new", O_RDWR | O_CREAT, 0o640) as number;
  r.put(BUFFER, "written");
  assert.is(r.call(sysWrite, fd, BUFFER, 7), 7);
  assert.is(r.call(sysPread64, fd, BUFFER, 100, 3), 4);
  assert.is(fs.readFileSync(join(box, "new"), "latin1"), "written");
  assert.is(fs.statSync(join(box, "new")).mode & 0o777, 0o640);
  assert.is(r.call(sysRename, "/mnt/box/new", "/mnt/box/sub/renamed"), 0);
  assert.is(r.call(sysWrite, fd, BUFFER, 7), 7);
  assert.is(fs.statSync(join(box, "sub/renamed")).size, 14);
  assert.is(r.call(sysUnlink, "/mnt/box/sub/renamed"), 0);
  assert.is(r.call(sysFstat, fd, BUFFER), 0);
  assert.is(r.call(sysMkdir, "/mnt/box/dir", 0o755), 0);
  assert.is(r.call(sysRmdir, "/mnt/box/dir"), 0);
});

test("a host folder as root is not touched, and yet has /dev, /proc, /tmp, mount points and files of ours", () => {
  const before = fs.readdirSync(box);
  const r = rig({
    root: hostDirectory(box, false),
    mounts: [{ directory: hostDirectory(join(box, "sub"), false), path: "/here/deep/mount" }],
    files: { "/bin/tool": Buffer.from("tool") },
  });
  assert.is(r.call(sysStat, "/file", BUFFER), 0);
  assert.ok((r.call(sysOpen, "/dev/null", O_RDWR, 0) as number) > 0);
  assert.ok((r.call(sysOpen, "/tmp/x", O_RDWR | O_CREAT, 0o600) as number) > 0);
  assert.is(r.call(sysOpen, "/x", O_RDWR | O_CREAT, 0o600), -E.EROFS);
  assert.is(r.call(sysOpen, "/bin/x", O_RDWR | O_CREAT, 0o600), -E.EROFS);
  assert.is(r.call(sysStat, "/proc/self/status", BUFFER), 0);
  assert.is(r.call(sysStat, "/sub/deep/mount/big", BUFFER), 0);
  assert.is(r.call(sysStat, "/sub/big", BUFFER), 0);
  assert.is(r.call(sysOpen, "/bin/tool", O_WRONLY, 0), -E.EROFS);
  assert.ok((r.call(sysOpen, "/bin/tool", O_RDONLY, 0) as number) > 0);
  assert.ok(list(r, "/").includes("proc"));
  assert.equal(fs.readdirSync(box), before);
});

test("a host folder as root that has a /tmp shows that one", () => {
  const outer = fs.mkdtempSync(join(tmpdir(), "ring3-hostfs-"));
  fs.mkdirSync(join(outer, "tmp"));
  fs.writeFileSync(join(outer, "tmp/kept"), "kept");
  const r = rig({ root: hostDirectory(outer, false) });
  assert.equal(list(r, "/tmp"), [".", "..", "kept"]);
  assert.is(r.call(sysOpen, "/tmp/x", O_RDWR | O_CREAT, 0o600), -E.EROFS);
  fs.rmSync(outer, { recursive: true });
});

test.run();

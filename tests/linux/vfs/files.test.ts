// File system calls against the answers that Linux gives.

import { test } from "uvu";
import * as assert from "uvu/assert";
import * as E from "../../../host/linux/errno";
import { sysGetcwd, sysChdir, sysGetdents64, sysLink, sysMkdir, sysReadlink, sysRename, sysRenameat2, sysRmdir, sysSymlink, sysUnlink } from "../../../host/linux/syscalls/directory";
import { sysClose, sysDup, sysDup2, sysDup3, sysFcntl, sysFlock, sysOpen, sysOpenat2 } from "../../../host/linux/syscalls/open";
import { sysFallocate, sysFtruncate, sysLseek, sysPread64, sysPwrite64, sysRead, sysReadv, sysSendfile, sysWrite, sysWritev } from "../../../host/linux/syscalls/read-write";
import { sysAccess, sysChmod, sysFstat, sysLstat, sysStat, sysStatx, sysUtimensat, sysFaccessat2 } from "../../../host/linux/syscalls/stat";
import { AT_FDCWD, O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY } from "../../../host/linux/uapi-fcntl";
import { BAD, BUFFER, type Rig, rig } from "./rig";

const CREATE = O_RDWR | O_CREAT;
function put(r: Rig, path: string, text: string): void {
  const fd = r.call(sysOpen, path, CREATE | O_TRUNC, 0o644) as number;
  assert.ok(fd >= 0, path);
  r.put(BUFFER, text);
  assert.is(r.call(sysWrite, fd, BUFFER, text.length), text.length);
  r.call(sysClose, fd);
}
function get(r: Rig, path: string): string {
  const fd = r.call(sysOpen, path, O_RDONLY, 0) as number;
  assert.ok(fd >= 0, `${path}: ${fd}`);
  const count = r.call(sysRead, fd, BUFFER, 65536) as number;
  r.call(sysClose, fd);
  return r.text(BUFFER, count);
}
function names(r: Rig, path: string, size = 4096): string[] {
  const fd = r.call(sysOpen, path, O_RDONLY | O_DIRECTORY, 0) as number;
  const found: string[] = [];
  for (;;) {
    const count = r.call(sysGetdents64, fd, BUFFER, size) as number;
    assert.ok(count >= 0, `getdents64 ${count}`);
    if (count === 0) break;
    for (let at = 0; at < count; at += r.memory.getU16(BUFFER + at + 16)) found.push(r.memory.getCString(BUFFER + at + 19, 256));
  }
  r.call(sysClose, fd);
  return found;
}
const nlink = (r: Rig, path: string) => (assert.is(r.call(sysLstat, path, BUFFER), 0), r.memory.getU32(BUFFER + 16));
const size = (r: Rig, path: string) => (assert.is(r.call(sysStat, path, BUFFER), 0), r.memory.getU64(BUFFER + 48));

test("a file keeps what was written, and append goes to the end", () => {
  const r = rig();
  put(r, "/a", "hello");
  const fd = r.call(sysOpen, "/a", O_WRONLY | O_APPEND, 0) as number;
  r.put(BUFFER, " world");
  assert.is(r.call(sysWrite, fd, BUFFER, 6), 6);
  assert.is(get(r, "/a"), "hello world");
  assert.is(r.call(sysRead, fd, BUFFER, 1), -E.EBADF);
});

test("descriptors are the lowest free ones and dup2 replaces", () => {
  const r = rig();
  put(r, "/a", "x");
  assert.is(r.call(sysOpen, "/a", 0, 0), 3);
  assert.is(r.call(sysDup, 3), 4);
  assert.is(r.call(sysClose, 0), 0);
  assert.is(r.call(sysDup, 3), 0);
  assert.is(r.call(sysDup2, 3, 9), 9);
  assert.is(r.call(sysDup3, 3, 3, 0), -E.EINVAL);
  assert.is(r.call(sysDup2, 77, 77), -E.EBADF);
  assert.is(r.call(sysDup2, 3, 5000), -E.EBADF);
  assert.is(r.call(sysFcntl, 3, 0, 7), 7);
  assert.is(r.call(sysFcntl, 3, 1030, 7), 8);
  assert.is(r.call(sysFcntl, 8, 1, 0), 1);
  assert.is(r.call(sysClose, -1), -E.EBADF);
});

test("open answers Linux's errors for impossible names", () => {
  const r = rig();
  put(r, "/file", "x");
  r.call(sysMkdir, "/dir", 0o755);
  r.call(sysSymlink, "loop", "/loop");
  r.call(sysSymlink, "/nowhere", "/dangling");
  const errors: [string, number, number][] = [
    ["", O_RDONLY, E.ENOENT], ["/none", O_RDONLY, E.ENOENT], ["/file/", O_RDONLY, E.ENOTDIR], ["/file/x", O_RDONLY, E.ENOTDIR],
    ["/file/..", O_RDONLY, E.ENOTDIR], ["/dir", O_WRONLY, E.EISDIR], ["/dir", CREATE, E.EISDIR], ["/new/", CREATE, E.EISDIR],
    ["/loop", O_RDONLY, E.ELOOP], ["/dangling", O_RDONLY, E.ENOENT], ["/dangling", O_RDONLY | O_NOFOLLOW, E.ELOOP],
    ["/dangling", CREATE | O_EXCL, E.EEXIST], ["/file", CREATE | O_EXCL, E.EEXIST], ["/file", O_DIRECTORY, E.ENOTDIR],
    [`/${"n".repeat(256)}`, O_RDONLY, E.ENAMETOOLONG], ["/x".repeat(2048), O_RDONLY, E.ENAMETOOLONG], ["/..", O_WRONLY, E.EISDIR],
    ["/.", CREATE | O_EXCL, E.EEXIST], ["/dir", O_TMPFILE, E.EINVAL],
  ];
  for (const [name, flags, error] of errors) assert.is(r.call(sysOpen, name, flags, 0o644), -error, `${name} ${flags.toString(8)}`);
  assert.is(r.call(sysOpen, BAD, O_RDONLY, 0), -E.EFAULT);
  assert.ok((r.call(sysOpen, "/dangling", CREATE, 0o644) as number) > 0);
  assert.is(get(r, "/nowhere"), "");
});

test("symbolic links lead on from their own directory, 40 deep at most", () => {
  const r = rig();
  r.call(sysMkdir, "/d", 0o755);
  put(r, "/d/f", "inside");
  r.call(sysSymlink, "f", "/d/l");
  r.call(sysSymlink, "d/../d/l", "/up");
  assert.is(get(r, "/up"), "inside");
  assert.is(r.call(sysReadlink, "/up", BUFFER, 4), 4);
  assert.is(r.text(BUFFER, 4), "d/..");
  assert.is(r.call(sysReadlink, "/d/f", BUFFER, 4), -E.EINVAL);
  r.call(sysSymlink, "/d/f", "/l0");
  for (let i = 1; i <= 40; i++) r.call(sysSymlink, `/l${i - 1}`, `/l${i}`);
  assert.is(get(r, "/l39"), "inside");
  assert.is(r.call(sysOpen, "/l40", 0, 0), -E.ELOOP);
});

test("hard links count, and a name that is gone leaves the open file", () => {
  const r = rig();
  put(r, "/a", "kept");
  assert.is(r.call(sysLink, "/a", "/b"), 0);
  assert.is(nlink(r, "/a"), 2);
  assert.is(r.call(sysLink, "/a", "/b"), -E.EEXIST);
  const fd = r.call(sysOpen, "/a", O_RDONLY, 0) as number;
  assert.is(r.call(sysUnlink, "/a"), 0);
  assert.is(r.call(sysUnlink, "/b"), 0);
  assert.is(r.call(sysRead, fd, BUFFER, 10), 4);
  r.call(sysFstat, fd, BUFFER);
  assert.is(r.memory.getU32(BUFFER + 16), 0);
  assert.is(r.call(sysReadlink, `/proc/self/fd/${fd}`, BUFFER, 100), 12);
  assert.is(r.text(BUFFER, 12), "/a (deleted)");
});

test("directories count their subdirectories and go only when empty", () => {
  const r = rig();
  const before = nlink(r, "/");
  assert.is(r.call(sysMkdir, "/d/", 0o777), 0);
  assert.is(nlink(r, "/"), before + 1);
  assert.is(r.call(sysMkdir, "/d/e", 0o777), 0);
  assert.is(nlink(r, "/d"), 3);
  for (const [path, error] of [["/d", E.ENOTEMPTY], ["/d/.", E.EINVAL], ["/d/..", E.ENOTEMPTY], ["/", E.EBUSY], ["/proc", E.EBUSY], ["/no", E.ENOENT]] as const) {
    assert.is(r.call(sysRmdir, path), -error, path);
  }
  assert.is(r.call(sysUnlink, "/d"), -E.EISDIR);
  assert.is(r.call(sysMkdir, "/d", 0o777), -E.EEXIST);
  assert.is(r.call(sysMkdir, "/", 0o777), -E.EEXIST);
  r.call(sysChdir, "/d/e");
  assert.is(r.call(sysRmdir, "/d/e"), 0);
  assert.is(r.call(sysGetcwd, BUFFER, 100), -E.ENOENT);
  assert.is(r.call(sysOpen, "new", CREATE, 0o644), -E.ENOENT);
});

test("rename replaces, refuses what would make a loop, and exchanges", () => {
  const r = rig();
  put(r, "/a", "A");
  put(r, "/b", "B");
  r.call(sysMkdir, "/d", 0o755);
  r.call(sysMkdir, "/d/e", 0o755);
  assert.is(r.call(sysRename, "/d", "/d/e/f"), -E.EINVAL);
  assert.is(r.call(sysRename, "/d/e", "/d"), -E.ENOTEMPTY);
  assert.is(r.call(sysRename, "/a", "/d"), -E.EISDIR);
  assert.is(r.call(sysRename, "/d", "/a"), -E.ENOTDIR);
  assert.is(r.call(sysRename, "/a", "/tmp/a"), -E.EXDEV);
  assert.is(r.call(sysRename, "/a/", "/c"), -E.ENOTDIR);
  assert.is(r.call(sysRename, "/.", "/c"), -E.EBUSY);
  assert.is(r.call(sysRenameat2, AT_FDCWD, "/a", AT_FDCWD, "/b", 1), -E.EEXIST);
  assert.is(r.call(sysRenameat2, AT_FDCWD, "/a", AT_FDCWD, "/b", 2), 0);
  assert.is(get(r, "/a") + get(r, "/b"), "BA");
  assert.is(r.call(sysRename, "/a", "/b"), 0);
  assert.is(get(r, "/b"), "B");
  r.call(sysChdir, "/d/e");
  assert.is(r.call(sysRename, "/d", "/moved"), 0);
  const count = r.call(sysGetcwd, BUFFER, 100) as number;
  assert.is(r.text(BUFFER, count), "/moved/e\0");
  assert.is(r.call(sysGetcwd, BUFFER, 3), -E.ERANGE);
});

test("readdir gives each name once while others come and go", () => {
  const r = rig();
  r.call(sysMkdir, "/d", 0o755);
  for (let i = 0; i < 50; i++) put(r, `/d/f${i}`, "");
  const fd = r.call(sysOpen, "/d", O_RDONLY | O_DIRECTORY, 0) as number;
  const seen: string[] = [];
  for (;;) {
    const count = r.call(sysGetdents64, fd, BUFFER, 64) as number;
    if (count <= 0) break;
    for (let at = 0; at < count; at += r.memory.getU16(BUFFER + at + 16)) seen.push(r.memory.getCString(BUFFER + at + 19, 256));
    const last = seen.at(-1)!;
    if (last.startsWith("f")) r.call(sysUnlink, `/d/${last}`);
  }
  assert.is(new Set(seen).size, seen.length);
  assert.is(seen.length, 52);
  assert.is(r.call(sysLseek, fd, 0, 0), 0);
  assert.is(r.call(sysGetdents64, fd, BUFFER, 10), -E.EINVAL);
  assert.equal(names(r, "/dev").slice(0, 2), [".", ".."]);
  assert.ok(names(r, "/").includes("proc"));
});

test("a hole reads as zeroes and costs nothing; SEEK_DATA finds the bytes", () => {
  const r = rig();
  const fd = r.call(sysOpen, "/sparse", CREATE, 0o644) as number;
  r.put(BUFFER, "end");
  assert.is(r.call(sysPwrite64, fd, BUFFER, 3, 10_000_000_000), 3);
  assert.is(size(r, "/sparse"), 10_000_000_003);
  r.call(sysFstat, fd, BUFFER);
  assert.is(r.memory.getU64(BUFFER + 64), 8);
  assert.is(r.call(sysPread64, fd, BUFFER, 5, 5_000_000), 5);
  assert.is(r.text(BUFFER, 5), "\0\0\0\0\0");
  assert.is(r.call(sysLseek, fd, 0, 3), 9_999_998_976);
  assert.is(r.call(sysLseek, fd, 0, 4), 0);
  assert.is(r.call(sysLseek, fd, 10_000_000_003, 3), -E.ENXIO);
  assert.is(r.call(sysFtruncate, fd, 9_999_999_999), 0);
  assert.is(r.call(sysFtruncate, fd, 10_000_000_005), 0);
  assert.is(r.call(sysPread64, fd, BUFFER, 100, 9_999_999_998), 7);
  assert.is(r.text(BUFFER, 7), "\0".repeat(7));
});

test("wild lengths, offsets and addresses give errno, and a fault midway gives the count", () => {
  const r = rig();
  const fd = r.call(sysOpen, "/f", CREATE, 0o644) as number;
  assert.is(r.call(sysWrite, fd, 2 ** 47 - 4096, 8192), -E.EFAULT);
  assert.is(r.call(sysWrite, fd, BUFFER, 2 ** 64), -E.EFAULT);
  assert.is(r.call(sysWrite, fd, BAD, 10), -E.EFAULT);
  assert.is(r.call(sysWrite, fd, BAD - 100, 2 ** 40), 100);
  assert.is(r.call(sysPread64, fd, BAD - 10, 4096, 0), 10);
  assert.is(r.call(sysPread64, fd, BUFFER, 10, -1), -E.EINVAL);
  assert.is(r.call(sysPread64, fd, BUFFER, 10, 2 ** 62), 0);
  assert.is(r.call(sysPwrite64, fd, BUFFER, 10, 2 ** 62), -E.EFBIG);
  assert.is(r.call(sysLseek, fd, -1, 0), -E.EINVAL);
  assert.is(r.call(sysLseek, fd, 0, 9), -E.EINVAL);
  assert.is(r.call(sysLseek, 0, 0, 0), 0);
  assert.is(r.call(sysReadv, fd, BUFFER, 1025), -E.EINVAL);
  assert.is(r.call(sysReadv, fd, BUFFER, -1), -E.EINVAL);
  r.memory.putU64(BUFFER, BUFFER + 100);
  r.memory.putU64(BUFFER + 8, 3);
  r.memory.putU64(BUFFER + 16, BAD);
  r.memory.putU64(BUFFER + 24, 3);
  assert.is(r.call(sysWritev, fd, BUFFER, 2), 3);
  assert.is(r.call(sysFallocate, fd, 0, 0, 2 ** 50), -E.ENOSPC);
  assert.is(r.call(sysFtruncate, fd, -1), -E.EINVAL);
  assert.is(r.call(sysStat, "/f", BAD), -E.EFAULT);
});

test("an in-memory file system has a limit, filled to the last page", () => {
  const r = rig({ ramfsLimit: 10 * 4096 });
  const fd = r.call(sysOpen, "/big", CREATE, 0o644) as number;
  assert.is(r.call(sysWrite, fd, BUFFER, 65536), 40960);
  assert.is(r.call(sysWrite, fd, BUFFER, 1), -E.ENOSPC);
  r.call(sysUnlink, "/big");
  const other = r.call(sysOpen, "/other", CREATE, 0o644) as number;
  assert.is(r.call(sysWrite, other, BUFFER, 1), -E.ENOSPC);
  r.call(sysClose, fd);
  assert.is(r.call(sysWrite, other, BUFFER, 1), 1);
});

test("permissions are those of owner, group and others, and root passes", () => {
  const r = rig({}, 1000);
  assert.is(r.call(sysOpen, "/f", CREATE, 0o644), -E.EACCES);
  const fd = r.call(sysOpen, "/tmp/f", CREATE, 0o400) as number;
  assert.ok(fd >= 0, "a new file opens for writing whatever its mode");
  assert.is(r.call(sysOpen, "/tmp/f", O_WRONLY, 0), -E.EACCES);
  assert.is(r.call(sysAccess, "/tmp/f", 4), 0);
  assert.is(r.call(sysAccess, "/tmp/f", 1), -E.EACCES);
  assert.is(r.call(sysFaccessat2, AT_FDCWD, "/tmp/f", 8, 0), -E.EINVAL);
  assert.is(r.call(sysChmod, "/tmp/f", 0o755), 0);
  assert.is(r.call(sysAccess, "/tmp/f", 1), 0);
  assert.is(r.call(sysChmod, "/dev/null", 0o777), -E.EPERM);
  assert.is(r.call(sysUnlink, "/dev/null"), -E.EACCES);
  assert.is(r.call(sysUtimensat, AT_FDCWD, "/dev/null", 0, 0), 0);
});

test("devices, and O_PATH, which opens nothing", () => {
  const r = rig();
  const zero = r.call(sysOpen, "/dev/zero", O_RDWR, 0) as number;
  r.put(BUFFER, "xxxx");
  assert.is(r.call(sysRead, zero, BUFFER, 4), 4);
  assert.is(r.text(BUFFER, 4), "\0\0\0\0");
  assert.is(r.call(sysWrite, r.call(sysOpen, "/dev/full", O_RDWR, 0) as number, BUFFER, 4), -E.ENOSPC);
  const nul = r.call(sysOpen, "/dev/null", O_RDWR, 0) as number;
  assert.is(r.call(sysWrite, nul, BUFFER, 4), 4);
  assert.is(r.call(sysRead, nul, BUFFER, 4), 0);
  assert.is(r.call(sysOpen, "/dev/tty", O_RDWR, 0), -E.ENXIO);
  const path = r.call(sysOpen, "/dev/null", O_PATH, 0) as number;
  assert.is(r.call(sysRead, path, BUFFER, 4), -E.EBADF);
  assert.is(r.call(sysFstat, path, BUFFER), 0);
  assert.is(r.memory.getU64(BUFFER + 40), 0x103);
  assert.is(r.call(sysStatx, path, "", 0x1000, 0x7ff, BUFFER), 0);
  assert.is(r.memory.getU32(BUFFER + 128), 1);
  assert.is(r.memory.getU32(BUFFER + 132), 3);
});

test("/proc/self says what is open, and its links are followed without their text", () => {
  const r = rig();
  put(r, "/f", "text");
  const fd = r.call(sysOpen, "/f", O_RDONLY, 0) as number;
  r.call(sysUnlink, "/f");
  assert.is(get(r, `/proc/self/fd/${fd}`), "text");
  assert.is(get(r, `/dev/fd/${fd}`), "text");
  assert.is(get(r, "/proc/42/comm"), "test\n");
  assert.is(get(r, "/proc/self/task/42/comm"), "test\n");
  assert.ok(get(r, "/proc/mounts").includes("proc /proc proc rw"));
  assert.ok(get(r, "/proc/self/limits").includes("Max open files            1024"));
  assert.equal(names(r, "/proc/self/fd").slice(0, 5), [".", "..", "0", "1", "2"]);
  assert.is(r.call(sysOpen, "/proc/43", 0, 0), -E.ENOENT);
  assert.is(r.call(sysOpen, "/proc/self/new", CREATE, 0o644), -E.ENOENT);
  put(r, "/proc/self/comm", "renamed by itself\n");
  assert.is(get(r, "/proc/self/comm"), "renamed by itse\n");
});

test("openat2 keeps a walk inside its directory", () => {
  const r = rig();
  r.call(sysMkdir, "/box", 0o755);
  put(r, "/secret", "s");
  put(r, "/box/f", "f");
  r.call(sysSymlink, "/secret", "/box/out");
  const box = r.call(sysOpen, "/box", O_DIRECTORY, 0) as number;
  const how = (path: string, resolve: number) => {
    r.memory.putU64(BUFFER, 0);
    r.memory.putU64(BUFFER + 8, 0);
    r.memory.putU64(BUFFER + 16, resolve);
    return r.call(sysOpenat2, box, path, BUFFER, 24);
  };
  assert.is(how("../secret", 8), -E.EXDEV);
  assert.is(how("out", 8), -E.EXDEV);
  assert.is(how("out", 4), -E.ELOOP);
  assert.is(how("out", 16), -E.ENOENT);
  assert.ok((how("../../f", 16) as number) > 0);
  assert.is(how("f", 64), -E.EINVAL);
});

test("sendfile copies, flock excludes the other open file, O_TMPFILE has no name until linked", () => {
  const r = rig();
  put(r, "/a", "0123456789");
  const a = r.call(sysOpen, "/a", O_RDONLY, 0) as number;
  const b = r.call(sysOpen, "/b", CREATE, 0o644) as number;
  r.memory.putU64(BUFFER, 4);
  assert.is(r.call(sysSendfile, b, a, BUFFER, 100), 6);
  assert.is(r.memory.getU64(BUFFER), 10);
  assert.is(r.call(sysSendfile, b, a, 0, 2), 2);
  assert.is(get(r, "/b"), "45678901");
  const other = r.call(sysOpen, "/b", O_RDONLY, 0) as number;
  assert.is(r.call(sysFlock, b, 2), 0);
  assert.is(r.call(sysFlock, other, 2 | 4), -E.EAGAIN);
  r.call(sysClose, b);
  assert.is(r.call(sysFlock, other, 2 | 4), 0);
  const unnamed = r.call(sysOpen, "/", O_TMPFILE | O_RDWR, 0o600) as number;
  assert.ok(unnamed > 0);
  assert.equal(names(r, "/").filter((n) => n.startsWith("#")), []);
});

/** Recorded on Linux's tmpfs, in this order; what later kernels changed is left out. */
test("a list of odd calls ends as on Linux", () => {
  const r = rig();
  r.call(sysMkdir, "/q", 0o755);
  r.call(sysChdir, "/q");
  r.call(sysMkdir, "d", 0o755);
  r.call(sysMkdir, "d/e", 0o755);
  put(r, "f", "");
  r.call(sysSymlink, "d", "ld");
  r.call(sysSymlink, "nope", "dang");
  const rows: [string, number, () => unknown][] = [
    ["open ld nofollow", -E.ELOOP, () => r.call(sysOpen, "ld", O_NOFOLLOW, 0)],
    ["open ld/ nofollow", 3, () => r.call(sysOpen, "ld/", O_NOFOLLOW, 0)],
    ["open ld nofollow directory", -E.ENOTDIR, () => r.call(sysOpen, "ld", O_NOFOLLOW | O_DIRECTORY, 0)],
    ["open dang creat nofollow", -E.ELOOP, () => r.call(sysOpen, "dang", CREATE | O_NOFOLLOW, 0o644)],
    ["open f tmpfile", -E.ENOTDIR, () => r.call(sysOpen, "f", O_TMPFILE | O_RDWR, 0o644)],
    ["unlink d/", -E.EISDIR, () => r.call(sysUnlink, "d/")],
    ["unlink f/", -E.ENOTDIR, () => r.call(sysUnlink, "f/")],
    ["unlink ld/", -E.ENOTDIR, () => r.call(sysUnlink, "ld/")],
    ["rmdir ld", -E.ENOTDIR, () => r.call(sysRmdir, "ld")],
    ["rmdir ld/", -E.ENOTDIR, () => r.call(sysRmdir, "ld/")],
    ["unlink /", -E.EISDIR, () => r.call(sysUnlink, "/")],
    ["unlink .", -E.EISDIR, () => r.call(sysUnlink, ".")],
    ["rename f g/", -E.ENOTDIR, () => r.call(sysRename, "f", "g/")],
    ["rename d g/", 0, () => r.call(sysRename, "d", "g/")],
    ["rename g ..", -E.EBUSY, () => r.call(sysRename, "g", "..")],
    ["rename ld/ h", -E.ENOTDIR, () => r.call(sysRename, "ld/", "h")],
    ["mkdir ld", -E.EEXIST, () => r.call(sysMkdir, "ld", 0o755)],
    ["mkdir dang/", -E.EEXIST, () => r.call(sysMkdir, "dang/", 0o755)],
    ["symlink dang/", -E.EEXIST, () => r.call(sysSymlink, "a", "dang/")],
    ["symlink n/", -E.ENOENT, () => r.call(sysSymlink, "a", "n/")],
    ["link f n/", -E.ENOENT, () => r.call(sysLink, "f", "n/")],
    ["link dang n2", 0, () => r.call(sysLink, "dang", "n2")],
    ["open d/../f/..", -E.ENOENT, () => r.call(sysOpen, "d/../f/..", 0, 0)],
    ["mkdir /proc/x", -E.ENOENT, () => r.call(sysMkdir, "/proc/x", 0o755)],
    ["unlink /proc/version", -E.EPERM, () => r.call(sysUnlink, "/proc/version")],
    ["rename /proc/version", -E.ENOENT, () => r.call(sysRename, "/proc/version", "/proc/x")],
    ["chmod /proc/version", 0, () => r.call(sysChmod, "/proc/version", 0o777)],
  ];
  for (const [what, expected, run] of rows) assert.is(run(), expected, what);
});

test.run();

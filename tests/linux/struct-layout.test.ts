// The field tables of structs: sizes and offsets are the compiler's for each ABI, and a value comes back as it was written.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Abi, I386, I386_TIME64, X86_64 } from "../../host/linux/abi";
import type { Struct } from "../../host/linux/struct-layout";
import * as structs from "../../host/linux/uapi-structs";
import { execute, hasProgram, scratchFolder, skip } from "../command";

/** C types of the rows with fields of their own names: [struct, type, fields]. In the headers of the kernel, by its names. */
const ROWS: [Struct<string>, string, string[]][] = [
  [structs.IOVEC, "struct iovec", ["iov_base base", "iov_len len"]],
  [structs.UTIMBUF, "struct utimbuf", ["actime", "modtime"]],
  [structs.TMS, "struct tms", ["tms_utime", "tms_stime", "tms_cutime", "tms_cstime"]],
  [structs.RLIMIT, "struct rlimit", ["rlim_cur", "rlim_max"]],
  [structs.RUSAGE, "struct rusage", ["ru_utime.tv_sec utime_sec", "ru_stime.tv_usec stime_usec", "ru_maxrss maxrss", "ru_minflt minflt"]],
  [structs.SYSINFO, "struct sysinfo", ["uptime", "totalram", "freeram", "procs", "mem_unit"]],
  [structs.ROBUST_LIST_HEAD, "struct robust_list_head", ["list", "futex_offset", "list_op_pending pending"]],
  [structs.STACK_T, "stack_t", ["ss_sp", "ss_flags", "ss_size"]],
  [structs.FLOCK, "struct flock", ["l_type", "l_whence", "l_start", "l_len", "l_pid"]],
  [structs.SIGEVENT, "struct sigevent", ["sigev_value value", "sigev_signo signo", "sigev_notify notify", "sigev_notify_thread_id tid"]],
  [structs.STAT, "struct stat", ["st_dev", "st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size", "st_blksize", "st_blocks",
    "st_atime", "st_mtime", "st_ctime"]],
  [structs.STATFS, "struct statfs", ["f_type", "f_bsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_fsid", "f_namelen", "f_frsize",
    "f_flags"]],
  [structs.USER_DESC, "struct user_desc", ["entry_number", "base_addr", "limit"]],
];
const ROWS_32: typeof ROWS = [
  [structs.STAT64, "struct stat64", ["st_dev", "__st_ino st_ino_low", "st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size", "st_blksize", "st_blocks",
    "st_atime", "st_ino"]],
  [structs.STATFS64, "struct statfs64", ["f_type", "f_bsize", "f_blocks", "f_ffree", "f_namelen", "f_flags"]],
  [structs.OLD_SIGACTION, "struct sigaction", ["sa_mask mask", "sa_flags flags", "sa_restorer restorer"]],
];

const HEADERS = `
#include <stddef.h>
#include <linux/types.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/signal.h>
#include <asm/siginfo.h>
#include <asm/ldt.h>
#include <linux/futex.h>
#include <linux/sysinfo.h>
#include <linux/resource.h>
#include <linux/uio.h>
#include <linux/times.h>
#include <linux/utime.h>
#include <linux/fcntl.h>
extern int printf(const char *, ...);
`;

function layoutIn(struct: Struct<string>, abi: Abi, name: string): number {
  // The offset shows where the bytes of that field alone are.
  const zero = struct.encode(abi, new Proxy({}, { get: () => 0 }));
  const one = struct.encode(abi, new Proxy({}, { get: (_, field) => (field === name ? -1 : 0) }));
  return one.findIndex((byte, index) => byte !== zero[index]);
}

for (const [abi, flag, rows] of [[X86_64, "-m64", ROWS], [I386, "-m32", [...ROWS, ...ROWS_32]]] as const) {
  test(`sizes and offsets are those of the kernel's headers for ${abi.name}`, () => {
    const what = `struct layouts against ${flag}`;
    if (!hasProgram("gcc")) return skip(what, "no gcc");
    const folder = scratchFolder();
    const prints = rows.flatMap(([, type, fields]) => [
      `printf("%zu\\n", sizeof(${type}));`, ...fields.map((field) => `printf("%zu\\n", (size_t)offsetof(${type}, ${field.split(" ")[0]}));`),
    ]);
    const source = join(folder, "layout.c");
    // Constants in an object file: nothing has to run.
    const values = prints.map((print) => /, (.*)\);$/.exec(print)![1]);
    writeFileSync(source, `${HEADERS}\n__attribute__((section("layout"))) const unsigned table[] = { ${values.map((v) => `(unsigned)(${v})`).join(", ")} };\n`);
    const built = execute("gcc", [flag, "-c", "-Wno-everything", "-o", join(folder, "layout.o"), source]);
    if (built.status !== 0) return skip(what, `gcc cannot build it here: ${built.stderr.split("\n").find((line) => /error/.test(line))}`);
    execute("objcopy", ["-O", "binary", "--only-section=layout", join(folder, "layout.o"), join(folder, "layout.bin")]);
    const bytes = readFileSync(join(folder, "layout.bin"));
    const expected = Array.from({ length: values.length }, (_, index) => bytes.readUInt32LE(index * 4));
    let at = 0;
    for (const [struct, type, fields] of rows) {
      assert.is(struct.size(abi), expected[at++], `sizeof(${type})`);
      for (const field of fields) assert.is(layoutIn(struct, abi, field.split(" ").at(-1)!), expected[at++], `${type}: ${field}`);
    }
  });
}

test("times have the width that the row says, and the upper half of a 32-bit program's nanoseconds counts for nothing", () => {
  assert.is(structs.TIMESPEC.size(X86_64), 16);
  assert.is(structs.TIMESPEC.size(I386), 8);
  assert.is(structs.TIMESPEC.size(I386_TIME64), 16);
  const view = new DataView(new ArrayBuffer(16));
  view.setBigInt64(0, -5n, true);
  view.setBigUint64(8, 0xdeadbeef_00000007n, true);
  assert.equal(structs.TIMESPEC.decode(I386_TIME64, view), { tv_sec: -5, tv_nsec: 7 });
  assert.ok(structs.TIMESPEC.decode(X86_64, view).tv_nsec < 0);
});

test("what is written is read back, to the width of the field", () => {
  const values = { l_type: -1, l_whence: 2, l_start: -4096, l_len: 2 ** 40, l_pid: 7 };
  for (const [struct, abi, read] of [
    [structs.FLOCK, X86_64, values], [structs.FLOCK64, I386, values], [structs.FLOCK, I386, { ...values, l_len: 0 }],
  ] as const) {
    const bytes = struct.encode(abi, values);
    assert.equal(struct.decode(abi, new DataView(bytes.buffer)), read);
  }
});

test.run();

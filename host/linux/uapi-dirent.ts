// struct linux_dirent and struct linux_dirent64 (fs/readdir.c, include/linux/dirent.h). Written by getdents.
import { EOVERFLOW, Errno } from "./errno";
import { put64 } from "./uapi-stat";

export const DT_UNKNOWN = 0;

/** d_type is the type nibble of st_mode (include/linux/fs_types.h): DT_REG 8 = S_IFREG >> 12. */
export function direntType(mode: number): number {
  return (mode >>> 12) & 15;
}

//   struct linux_dirent64, 8-byte aligned            struct linux_dirent, whose ino and off are words: of 4 bytes on i386
//    0     8     16     18   19                       0     8     16     18            reclen-1
//   +-----+-----+------+----+----------+---+         +-----+-----+------+----------+---+----+
//   | ino | off |reclen|type| name     | 0 |         | ino | off |reclen| name     | 0 |type|
//   +-----+-----+------+----+----------+---+         +-----+-----+------+----------+---+----+
//   off is the position of the *next* entry: what lseek takes back.

export function encodeDirent64(name: string, ino: number, off: number, type: number): Uint8Array {
  const reclen = (19 + name.length + 1 + 7) & ~7;
  const bytes = new Uint8Array(reclen);
  const view = new DataView(bytes.buffer);
  put64(view, 0, ino);
  put64(view, 8, off);
  view.setUint16(16, reclen, true);
  bytes[18] = type;
  putName(bytes, 19, name);
  return bytes;
}

/** linux_dirent of i386, 4-byte aligned. Throws EOVERFLOW for an inode number that it has no room for. */
export function encodeDirent32(name: string, ino: number, off: number, type: number): Uint8Array {
  if (ino > 0xffffffff) throw new Errno(EOVERFLOW);
  const reclen = (10 + name.length + 2 + 3) & ~3;
  const bytes = new Uint8Array(reclen);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ino, true);
  view.setUint32(4, off, true);
  view.setUint16(8, reclen, true);
  putName(bytes, 10, name);
  bytes[reclen - 1] = type;
  return bytes;
}

export function encodeDirent(name: string, ino: number, off: number, type: number): Uint8Array {
  const reclen = (18 + name.length + 2 + 7) & ~7;
  const bytes = new Uint8Array(reclen);
  const view = new DataView(bytes.buffer);
  put64(view, 0, ino);
  put64(view, 8, off);
  view.setUint16(16, reclen, true);
  putName(bytes, 18, name);
  bytes[reclen - 1] = type;
  return bytes;
}

function putName(bytes: Uint8Array, at: number, name: string): void {
  for (let i = 0; i < name.length; i++) bytes[at + i] = name.charCodeAt(i);
}

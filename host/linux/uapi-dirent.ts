// struct linux_dirent and struct linux_dirent64 (fs/readdir.c, include/linux/dirent.h). Written by getdents.
import { put64 } from "./uapi-stat";

export const DT_UNKNOWN = 0;

/** d_type is the type nibble of st_mode (include/linux/fs_types.h): DT_REG 8 = S_IFREG >> 12. */
export function direntType(mode: number): number {
  return (mode >>> 12) & 15;
}

//   struct linux_dirent64, 8-byte aligned            struct linux_dirent
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

// /etc/passwd and /etc/group of the in-memory root, so that `ls -l` in the guest has names for owners: root, and for the files of
// a mounted folder the user who runs us. Called from run.ts; with --root the guest sees the root's own.

import { readFileSync } from "node:fs";

/** Answers files by absolute guest path. @param mounted is there a folder of the host in the guest? */
export function accountFiles(mounted: boolean): Record<string, string> {
  const passwd = ["root:x:0:0:root:/:/bin/sh", "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"];
  const group = ["root:x:0:", "nogroup:x:65534:"];
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (mounted && uid !== 0) passwd.push(`${nameOf("/etc/passwd", uid) ?? "user"}:x:${uid}:${gid}::/:/bin/sh`);
  if (mounted && gid !== 0) group.push(`${nameOf("/etc/group", gid) ?? "user"}:x:${gid}:`);
  return { "/etc/passwd": `${passwd.join("\n")}\n`, "/etc/group": `${group.join("\n")}\n` };
}

/** The name that a file of lines `name:x:id:...` has for an id. */
function nameOf(file: string, id: number): string | undefined {
  try {
    const row = readFileSync(file, "latin1")
      .split("\n")
      .map((line) => line.split(":"))
      .find((fields) => fields[2] === String(id));
    return row?.[0];
  } catch {
    return undefined;
  }
}

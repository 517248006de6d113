// /proc/mounts and /proc/self/mountinfo (Linux fs/proc_namespace.c): one line per mount that the task's root reaches.

import type { Task } from "../task";
import { major, minor } from "../uapi-stat";
import type { Mount } from "./dentry";
import { Path } from "./dentry";

/** Space, tab, newline and backslash as octal, as mangle_path does. */
function escaped(text: string): string {
  return text.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

function* reachable(task: Task): Iterable<{ mount: Mount; at: string }> {
  for (const mount of task.kernel.vfs.mounts) {
    const place = new Path(mount, mount.root).print(task.fs.root);
    if (place.reachable) yield { mount, at: escaped(place.text) };
  }
}

export function mountsText(task: Task): string {
  let text = "";
  for (const { mount, at } of reachable(task)) {
    text += `${escaped(mount.source)} ${at} ${mount.fs.type} ${mount.readOnly ? "ro" : "rw"}${mount.options} 0 0\n`;
  }
  return text;
}

export function mountinfoText(task: Task): string {
  let text = "";
  for (const { mount, at } of reachable(task)) {
    const { dev } = mount.fs;
    const rights = mount.readOnly ? "ro" : "rw";
    text +=
      `${mount.id} ${mount.at?.mount.id ?? 0} ${major(dev)}:${minor(dev)} / ${at} ${rights}${mount.options} - ` +
      `${mount.fs.type} ${escaped(mount.source)} ${rights}\n`;
  }
  return text;
}

// The kinds of system call by how they lay out what they pass in user memory: x86-64's own, i386's (Linux: compat), and i386's
// calls of 2038 and after, whose times have 64 bits. A row of a call table names its kind; task.abi is that of the call being served.

export interface Abi {
  readonly name: "x86-64" | "i386" | "i386, 64-bit time";
  /** Bytes of long, size_t and pointers. */
  readonly word: 4 | 8;
  /** What 64-bit integers are aligned to in a struct. */
  readonly align64: 4 | 8;
  /** Bytes of time_t, and of the nanoseconds or microseconds beside it. */
  readonly time: 4 | 8;
}

export const X86_64: Abi = { name: "x86-64", word: 8, align64: 8, time: 8 };
export const I386: Abi = { name: "i386", word: 4, align64: 4, time: 4 };
export const I386_TIME64: Abi = { name: "i386, 64-bit time", word: 4, align64: 4, time: 8 };

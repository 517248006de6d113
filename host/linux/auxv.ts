// The start of a program's stack: argc, argv, envp and the auxiliary vector above them, the strings above those
// (Linux fs/binfmt_elf.c create_elf_tables; System V ABI AMD64 supplement 3.4.1). exec.ts writes it through uaccess. Everything but
// strings and random bytes is words, of 4 bytes in a 32-bit program.
//
//   sp ->  argc | argv[0] ... NULL | envp[0] ... NULL | auxv: pairs ... AT_NULL 0 | padding
//          16 random bytes | platform | padding | argv strings | envp strings | path of the program | 8 zeros <- stack top

export const AT_NULL = 0;
export const AT_PHDR = 3;
export const AT_PHENT = 4;
export const AT_PHNUM = 5;
export const AT_PAGESZ = 6;
export const AT_BASE = 7;
export const AT_FLAGS = 8;
export const AT_ENTRY = 9;
export const AT_UID = 11;
export const AT_EUID = 12;
export const AT_GID = 13;
export const AT_EGID = 14;
export const AT_PLATFORM = 15;
export const AT_HWCAP = 16;
export const AT_CLKTCK = 17;
export const AT_SECURE = 23;
export const AT_RANDOM = 25;
export const AT_HWCAP2 = 26;
export const AT_EXECFN = 31;
export const AT_SYSINFO = 32;
export const AT_SYSINFO_EHDR = 33;
export const AT_MINSIGSTKSZ = 51;

const USER_HZ = 100;

/** AT_HWCAP2: user code may use RDFSBASE and the others. */
export const HWCAP2_FSGSBASE = 2;

export interface AuxiliaryValues {
  phdr: number;
  phnum: number;
  base: number;
  entry: number;
  uid: number;
  euid: number;
  gid: number;
  egid: number;
  random: number;
  execfn: number;
  platform: number;
  /** CPUID.1:EDX of the machine. */
  hwcap: number;
  hwcap2: number;
  /** Least stack that a signal handler can be given. */
  minSignalStack: number;
  /** Size of a program header. */
  phent: number;
  /** The vDSO; 0 = there is none. */
  sysinfoEhdr: number;
  /** Of a 32-bit program: __kernel_vsyscall. */
  sysinfo?: number;
}

/** The vector in Linux's order, AT_NULL included. */
export function auxiliaryVector(v: AuxiliaryValues): [number, number][] {
  const vector: [number, number][] = [
    [AT_MINSIGSTKSZ, v.minSignalStack], [AT_HWCAP, v.hwcap], [AT_PAGESZ, 4096], [AT_CLKTCK, USER_HZ], [AT_PHDR, v.phdr], [AT_PHENT, v.phent],
    [AT_PHNUM, v.phnum], [AT_BASE, v.base], [AT_FLAGS, 0], [AT_ENTRY, v.entry], [AT_UID, v.uid], [AT_EUID, v.euid], [AT_GID, v.gid],
    [AT_EGID, v.egid], [AT_SECURE, 0], [AT_RANDOM, v.random], [AT_HWCAP2, v.hwcap2], [AT_EXECFN, v.execfn], [AT_PLATFORM, v.platform],
    [AT_NULL, 0],
  ];
  if (v.sysinfoEhdr !== 0) vector.unshift([AT_SYSINFO_EHDR, v.sysinfoEhdr]);
  if (v.sysinfo !== undefined) vector.unshift([AT_SYSINFO, v.sysinfo]);
  return vector;
}

/** Words as bytes. */
export function wordsOf(values: readonly number[], word: 4 | 8 = 8): Uint8Array {
  const bytes = new Uint8Array(values.length * word);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * word, value, true);
    if (word === 8) view.setUint32(index * 8 + 4, Math.floor(value / 0x1_0000_0000), true);
  });
  return bytes;
}

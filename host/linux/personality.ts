// Bits of personality(2) that change how a program runs (include/uapi/linux/personality.h). Read by exec.ts, system.ts and the
// memory calls.

export const ADDR_NO_RANDOMIZE = 0x0040000;
/** What can be read can be executed: for programs from before there was an NX bit. */
export const READ_IMPLIES_EXEC = 0x0400000;
/** User space of a 32-bit program ends at 3 GiB. */
export const ADDR_LIMIT_3GB = 0x8000000;
export const PER_MASK = 0x00ff;
/** uname names a 32-bit machine. */
export const PER_LINUX32 = 0x0008;

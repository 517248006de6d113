// Why run() returned to the host.

/** The budget is used up (or an event the host set is due to be looked at). */
export const EXIT_BUDGET = 0;
/** VMCALL at CPL 0. RIP is past it. The hypercall number is in EAX (host/ring0/hypercall.ts). */
export const EXIT_HYPERCALL = 1;
/** HLT with nothing pending; the host waits, then sets PENDING_INTERRUPT or PENDING_NMI. */
export const EXIT_HALT = 2;
/** Triple fault (SDM Vol. 3A 6.15, interrupt 8): EXIT_VECTOR could not be delivered. */
export const EXIT_SHUTDOWN = 3;

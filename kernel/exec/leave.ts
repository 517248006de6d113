// What exec() and the run loop hand to each other beside the micro-operation.

/** The micro-operation returned needs its slow twin. */
export const LEAVE_SLOW: u32 = 0;
/** The block at the micro-operation returned is longer than the budget left; nothing of it is paid for. */
export const LEAVE_BUDGET: u32 = 1;
/** RIP is set to an address whose block exec() could not find. */
export const LEAVE_LOOKUP: u32 = 2;

/** Instructions that may still be executed, those of the current block already taken off. */
export let budgetLeft: i32 = 0;
export let leaveReason: u32 = LEAVE_SLOW;

// @ts-ignore: decorator
@inline
export function setBudgetLeft(n: i32): void {
  budgetLeft = n;
}

// @ts-ignore: decorator
@inline
export function setLeaveReason(why: u32): void {
  leaveReason = why;
}

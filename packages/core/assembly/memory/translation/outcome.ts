/** What the kinds of address translation take and give. */

// Kinds of access, in the bits that PMP has for them.
export const ACCESS_READ: u32 = 1;
export const ACCESS_WRITE: u32 = 2;
export const ACCESS_EXECUTE: u32 = 4;
/** Beside a kind: fail rather than set accessed or dirty bits. */
export const ACCESS_WITHOUT_EFFECT: u32 = 8;

export const WALK_OK: u32 = 0;
export const WALK_PAGE_FAULT: u32 = 1;
export const WALK_ACCESS_FAULT: u32 = 2;
/** A page table has no frame, and the pool none to give. */
export const WALK_NO_FRAME: u32 = 3;

/** Fields of CSRs that the AssemblyScript side names (Privileged ISA 1.13, ch. 3 and 10). */
export const MSTATUS_SIE: u64 = 1 << 1;
export const MSTATUS_MIE: u64 = 1 << 3;
export const MSTATUS_SPIE: u64 = 1 << 5;
export const MSTATUS_MPIE: u64 = 1 << 7;
export const MSTATUS_SPP: u64 = 1 << 8;
export const MSTATUS_MPP: u64 = 3 << 11;
export const MSTATUS_FS: u64 = 3 << 13;
export const MSTATUS_MPRV: u64 = 1 << 17;
export const MSTATUS_SUM: u64 = 1 << 18;
export const MSTATUS_MXR: u64 = 1 << 19;
export const MSTATUS_TVM: u64 = 1 << 20;
export const MSTATUS_TW: u64 = 1 << 21;
export const MSTATUS_TSR: u64 = 1 << 22;

// Bits of mip and mie.
export const SSIP: u64 = 1 << 1;
export const STIP: u64 = 1 << 5;
export const MTIP: u64 = 1 << 7;
export const LCOFIP: u64 = 1 << 13;

export const MENVCFG_CBIE: u64 = 3 << 4;
export const MENVCFG_CBCFE: u64 = 1 << 6;
export const MENVCFG_CBZE: u64 = 1 << 7;
export const MENVCFG_ADUE: u64 = 1 << 61;
export const MENVCFG_PBMTE: u64 = 1 << 62;
export const MENVCFG_STCE: u64 = 1 << 63;

export const MSECCFG_MML: u64 = 1;
export const MSECCFG_MMWP: u64 = 2;
export const MSECCFG_RLB: u64 = 4;
export const MSECCFG_USEED: u64 = 1 << 8;
export const MSECCFG_SSEED: u64 = 1 << 9;

// Exception causes.
export const FETCH_MISALIGNED: u64 = 0;
export const FETCH_ACCESS_FAULT: u64 = 1;
export const ILLEGAL_INSTRUCTION: u64 = 2;
export const BREAKPOINT: u64 = 3;
export const LOAD_MISALIGNED: u64 = 4;
export const LOAD_ACCESS_FAULT: u64 = 5;
export const STORE_MISALIGNED: u64 = 6;
export const STORE_ACCESS_FAULT: u64 = 7;
export const ECALL_FROM_U: u64 = 8;
export const FETCH_PAGE_FAULT: u64 = 12;
export const LOAD_PAGE_FAULT: u64 = 13;
export const STORE_PAGE_FAULT: u64 = 15;

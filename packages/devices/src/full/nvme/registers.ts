/** Registers and codes of an NVMe controller (NVM Express Base Specification 1.4, sections 3, 4.6, 5 and 6). */

/** Offsets in the controller's memory (3.1). Registers of 64 bits have their upper half four bytes further. */
export const Register = {
  Capabilities: 0x00,
  Version: 0x08,
  InterruptMaskSet: 0x0c,
  InterruptMaskClear: 0x10,
  Configuration: 0x14,
  Status: 0x1c,
  AdminQueueAttributes: 0x24,
  AdminSubmissionQueue: 0x28,
  AdminCompletionQueue: 0x30,
  Doorbells: 0x1000,
} as const;

/** Bits of the controller configuration (3.1.5). */
export const Configuration = {
  Enable: 0x1,
  CommandSet: 0x70,
  Arbitration: 0x3800,
  Writable: 0x00ff_fff1,
} as const;

/** Memory page size, as a power of two from 4 KiB. */
export function pageSizeOf(configuration: number): number {
  return 2 ** (12 + ((configuration >>> 7) & 0xf));
}

/** Shutdown notification: 0 none, 1 normal, 2 abrupt. */
export function shutdownOf(configuration: number): number {
  return (configuration >>> 14) & 3;
}

/** The exponents of entry sizes, submission and completion. */
export function entrySizesOf(configuration: number): { readonly submission: number; readonly completion: number } {
  return { submission: (configuration >>> 16) & 0xf, completion: (configuration >>> 20) & 0xf };
}

/** Bits of the controller status (3.1.6). */
export const Status = { Ready: 0x1, Fatal: 0x2, ShutdownOccurring: 0x4, ShutdownComplete: 0x8, Shutdown: 0xc } as const;

/** 1.4.0. */
export const VERSION = 0x0001_0400;

/** Entries of a queue (CAP.MQES): what Linux asks for, and a bound on what one doorbell can bring. */
export const MAX_QUEUE_ENTRIES = 1024;
/** Entries of an admin queue at most (3.1.8). */
export const MAX_ADMIN_ENTRIES = 4096;
/** Bytes of an entry, as exponents. */
export const SUBMISSION_EXPONENT = 6;
export const COMPLETION_EXPONENT = 4;
/** The largest memory page (CAP.MPSMAX), as an exponent over 4 KiB: 64 KiB. */
export const MAX_PAGE_EXPONENT = 4;
/** What CAP says of ready and reset, in units of 500 ms: both are done at once. */
const TIMEOUT = 1;

/** CAP (3.1.1): contiguous queues, doorbells 4 bytes apart, the NVM command set, pages of 4 to 64 KiB. */
export const CAPABILITIES_LOW = (MAX_QUEUE_ENTRIES - 1) | (1 << 16) | (TIMEOUT << 24);
export const CAPABILITIES_HIGH = (1 << 5) | (MAX_PAGE_EXPONENT << 20);

/** Admin commands (5). */
export const AdminOpcode = {
  DeleteSubmissionQueue: 0x00,
  CreateSubmissionQueue: 0x01,
  GetLogPage: 0x02,
  DeleteCompletionQueue: 0x04,
  CreateCompletionQueue: 0x05,
  Identify: 0x06,
  Abort: 0x08,
  SetFeatures: 0x09,
  GetFeatures: 0x0a,
  AsynchronousEvent: 0x0c,
} as const;

/** I/O commands (6). */
export const IoOpcode = { Flush: 0x00, Write: 0x01, Read: 0x02, WriteZeroes: 0x08, DatasetManagement: 0x09 } as const;

/** Do Not Retry: the same command would fail again. */
const DNR = 0x4000;
const specific = (code: number) => DNR | 0x100 | code;

/** Status fields of completions (4.6.1), without phase. */
export const Outcome = {
  Success: 0,
  InvalidOpcode: DNR | 0x01,
  InvalidField: DNR | 0x02,
  DataTransferError: DNR | 0x04,
  InternalError: 0x06,
  AbortRequested: 0x07,
  InvalidNamespace: DNR | 0x0b,
  CommandSequenceError: DNR | 0x0c,
  InvalidPrpOffset: DNR | 0x13,
  WriteProtected: DNR | 0x20,
  CommandInterrupted: 0x21,
  LbaOutOfRange: DNR | 0x80,
  InvalidCompletionQueue: specific(0x00),
  InvalidQueueIdentifier: specific(0x01),
  InvalidQueueSize: specific(0x02),
  TooManyEventRequests: specific(0x05),
  InvalidInterruptVector: specific(0x08),
  InvalidLogPage: specific(0x09),
  InvalidQueueDeletion: specific(0x0c),
  FeatureNotSaveable: specific(0x0d),
  FeatureNotOfNamespace: specific(0x0f),
  WriteFault: 0x280,
  UnrecoveredRead: 0x281,
} as const;

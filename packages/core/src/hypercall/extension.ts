/**
 * The seam between the machine and its hypercalls: an `ecall` from S-mode whose
 * a7 holds the number of an extension is answered by that module. The SBI
 * modules in `@hartvisor/devices` implement it; a machine without any delivers
 * the `ecall` to M-mode firmware instead.
 */

/** What an SBI call returns in a0 and a1 (SBI 2.0, 3). */
export interface SbiResult {
  readonly error: number;
  readonly value?: bigint;
}

/** Standard SBI error codes (SBI 2.0, table 1). */
export const SbiError = {
  Success: 0,
  Failed: -1,
  NotSupported: -2,
  InvalidParam: -3,
  Denied: -4,
  InvalidAddress: -5,
  AlreadyAvailable: -6,
  AlreadyStarted: -7,
  AlreadyStopped: -8,
  NoSharedMemory: -9,
} as const;

/** HSM states (SBI 2.0, 9): the numbers the guest sees. */
export const HartState = {
  Started: 0,
  Stopped: 1,
  StartPending: 2,
  StopPending: 3,
  Suspended: 4,
  SuspendPending: 5,
  ResumePending: 6,
} as const;
export type HartStateNumber = (typeof HartState)[keyof typeof HartState];

/** Why the guest asked the machine to stop (SBI 2.0, 10; also the test finisher's codes). */
export type ShutdownRequest =
  | { readonly kind: "poweroff"; readonly exitCode: number }
  | { readonly kind: "reboot"; readonly cold: boolean };

/**
 * What SBI modules do, and exceptions that firmware may have to handle, as the PMU extension's firmware counters count
 * them: the codes of SBI 2.0, chapter 11, "Firmware events".
 */
export const FirmwareEvent = {
  MisalignedLoad: 0,
  MisalignedStore: 1,
  AccessLoad: 2,
  AccessStore: 3,
  IllegalInstruction: 4,
  SetTimer: 5,
  IpiSent: 6,
  IpiReceived: 7,
  FenceISent: 8,
  FenceIReceived: 9,
  SfenceVmaSent: 10,
  SfenceVmaReceived: 11,
  SfenceVmaAsidSent: 12,
  SfenceVmaAsidReceived: 13,
} as const;
export type FirmwareEventCode = (typeof FirmwareEvent)[keyof typeof FirmwareEvent];

/** Guest memory as a hypercall sees it: guest-physical and bounds-checked. */
export interface HypercallMemory {
  /** Copies guest memory out, or returns undefined where the range is not all RAM. */
  read(address: bigint, length: number): Uint8Array | undefined;
  /** Copies into guest memory; false (and nothing written) where the range is not all RAM. */
  write(address: bigint, bytes: Uint8Array): boolean;
}

/** What a hypercall may do to its machine. Harts are numbered from 0; the caller has checked no argument. */
export interface HypercallContext {
  /** The calling hart. */
  readonly hart: number;
  readonly hartCount: number;
  readonly memory: HypercallMemory;
  /** Extensions installed on this machine, by number. */
  readonly extensions: ReadonlyMap<number, HypercallExtension>;
  hartState(hart: number): HartStateNumber;
  /** Starts a stopped hart in S-mode at a physical address with a0 = hart id, a1 = opaque, satp = 0, SIE = 0. */
  startHart(hart: number, address: bigint, opaque: bigint): void;
  /** Stops the calling hart; it does not return from the call. */
  stopHart(): void;
  /**
   * Suspends the calling hart until an interrupt is pending. A retentive suspend returns from the call;
   * with `resume` the hart starts again there as {@link startHart} describes.
   */
  suspendHart(resume?: { address: bigint; opaque: bigint }): void;
  /** Raises or clears a supervisor interrupt of a hart. */
  setInterrupt(hart: number, interrupt: 1 | 5 | 9, level: boolean): void;
  /** Programs a hart's supervisor timer with an absolute `time`; all ones means never. */
  setTimer(hart: number, deadline: bigint): void;
  /** Makes a hart see every earlier store to instructions. */
  fenceInstructions(hart: number): void;
  /** Drops a hart's cached translations of a range, or of everything if `size` is all ones or zero with start zero; of one address space if asid is given. */
  fenceAddresses(hart: number, start: bigint, size: bigint, asid?: number): void;
  /** Reads a CSR of the calling hart by its number, as M-mode would. */
  readCsr(csr: number): bigint;
  /** Writes a CSR of the calling hart, as M-mode would: illegal values become legal ones. */
  writeCsr(csr: number, value: bigint): void;
  /** Notes that one of {@link FirmwareEvent} from `SetTimer` on happened on a hart; the others the hart counts itself. */
  countEvent(event: FirmwareEventCode, hart: number): void;
  /** How often an event has happened on a hart. */
  eventCount(event: FirmwareEventCode, hart: number): bigint;
  /** Writes bytes to the machine's debug console. */
  writeConsole(bytes: Uint8Array): void;
  /** Takes up to `length` bytes of pending input from the machine's debug console. */
  readConsole(length: number): Uint8Array;
  /** Nanoseconds since 1970 on the machine's clock. */
  unixTimeNs(): bigint;
  /** Gives the rest of the calling hart's turn to the other harts. */
  yieldTurn(): void;
  /** How long a hart has wanted to run and could not, as far as it was measured: see {@link onResume}. */
  stealTimeNs(hart: number): bigint;
  /** Measures a hart's steal time, and calls back before it runs again after having waited; undefined ends that. */
  onResume(hart: number, callback: (() => void) | undefined): void;
  /** Asks the machine to stop after this call. */
  shutdown(request: ShutdownRequest): void;
  /** mvendorid, marchid, mimpid as the machine reports them. */
  readonly identity: { readonly vendor: bigint; readonly architecture: bigint; readonly implementation: bigint };
}

/** A module that answers the hypercalls of one extension. */
export interface HypercallExtension {
  /** The extension number the guest puts in a7. */
  readonly id: number;
  /** Short name as the specification writes it, e.g. `"TIME"`. */
  readonly name: string;
  /** Answers a call. `args` are a0..a5 as unsigned 64-bit values. Never throws on anything a guest passes. */
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult;
}

// biome-ignore-all lint/suspicious/noConfusingVoidType: a hook that only looks gives nothing back
/**
 * What hooks get and what they may answer. A hook is a function of the host's
 * that hears of something the guest does before it happens; what it gives back
 * decides what becomes of it. Nothing given back: it happens as it would.
 */
import type { SbiResult } from "../hypercall/extension.js";

/** Where the guest is when it does something. */
export interface GuestEvent {
  /** The hart, by its number. */
  readonly hart: number;
  /** Virtual address of the instruction. */
  readonly pc: bigint;
  /** The hart's satp: tells address spaces apart. */
  readonly addressSpace: bigint;
  /** Reads integer register x0..x31. */
  readonly getRegister: (register: number) => bigint;
}

/** An `ecall` of the guest's kernel. */
export interface HypercallEvent extends GuestEvent {
  /** a7: the extension. */
  readonly extension: number;
  /** a6: its function. */
  readonly functionId: number;
  /** a0 to a5, as hooks before this one changed them. */
  readonly args: readonly bigint[];
}

/** A hypercall that was answered. */
export interface HypercallReturnEvent extends HypercallEvent {
  /** What the guest will find in a0 and a1, as hooks before this one changed it. */
  readonly result: SbiResult;
}

/** An access to addresses that are not RAM. */
export interface DeviceReadEvent extends GuestEvent {
  /** Guest-physical. */
  readonly address: number;
  /** Bytes: 1, 2, 4 or 8. */
  readonly width: number;
}

/** A register of a device, read or about to be written. */
export interface DeviceValueEvent extends DeviceReadEvent {
  /** The bytes as a number, as hooks before this one changed it. */
  readonly value: bigint;
}

/** A privileged instruction of a deprivileged guest's kernel. */
export interface PrivilegedEvent extends GuestEvent {
  /** Its encoding, as hooks before this one changed it. */
  readonly instruction: number;
}

/** A write to one of the guest's page tables that its technique knows. */
export interface PageTableEvent extends GuestEvent {
  /** Guest-physical address of the entry. */
  readonly address: number;
  /** The entry as it was. */
  readonly before: bigint;
  /** What it is to become, as hooks before this one changed it. */
  readonly value: bigint;
}

/** An `ecall` of user code. */
export interface SyscallEvent extends GuestEvent {
  /** a7, where Linux has the number of the system call. */
  readonly number: bigint;
  /** a0 to a5, as hooks before this one changed them. */
  readonly args: readonly bigint[];
}

/** The kinds of access to memory. */
export type AccessKind = "read" | "write" | "execute";

/** An access to watched memory. */
export interface MemoryEvent extends GuestEvent {
  /** Atomics, which do both, are writes. */
  readonly access: AccessKind;
  /** Guest-physical address of the first byte. */
  readonly address: number;
  readonly virtualAddress: bigint;
  /** Bytes of the access that lie in its page; of an instruction, its length. */
  readonly width: number;
  /** What a store stores; undefined for what is no plain store. */
  readonly value: bigint | undefined;
}

/** A range of RAM, the accesses of which its hook wants to hear, and the hook. */
export interface MemoryWatch {
  /** Guest-physical address of the first byte. */
  readonly address: number;
  /** Bytes. */
  readonly length: number;
  /** Of which accesses. */
  readonly on: readonly AccessKind[];
  /**
   * Before an access to bytes of the range. Nothing: this one may happen. `"always"`: and so may later ones of the kind to this page, without a
   * word. `"deny"`: the guest gets an access fault. Bytes: what is read or executed instead, or what is in memory after the write.
   */
  hook(event: MemoryEvent): "deny" | "always" | { readonly bytes: Uint8Array } | void;
}

/** Functions that hear of what the guest does; those that are left out cost nothing. */
export interface Hooks {
  /** Before a hypercall is answered. `args`: with others. `result`: by the hook, without the extension. */
  hypercall?(event: HypercallEvent): { readonly args: readonly bigint[] } | { readonly result: SbiResult } | void;
  /** Before the guest hears what a hypercall came to; gives another result, or nothing. */
  hypercallReturn?(event: HypercallReturnEvent): SbiResult | void;
  /** Before a device is read. `value`: what the guest reads, without the device. `"deny"`: it gets an access fault. */
  mmioRead?(event: DeviceReadEvent): { readonly value: bigint } | "deny" | void;
  /** Before the guest gets what a device gave. */
  mmioReadReturn?(event: DeviceValueEvent): { readonly value: bigint } | void;
  /** Before a device is written. `value`: another one. `"ignore"`: nothing happens. `"deny"`: the guest gets an access fault. */
  mmioWrite?(event: DeviceValueEvent): { readonly value: bigint } | "ignore" | "deny" | void;
  /** Before a privileged instruction is emulated. `instruction`: another one. `"deny"`: the guest gets an illegal-instruction exception. */
  privileged?(event: PrivilegedEvent): { readonly instruction: number } | "deny" | void;
  /** Before an entry of a page table changes. `"ignore"`: it stays as it was. `"deny"`: and the guest gets an access fault. */
  pageTableUpdate?(event: PageTableEvent): { readonly value: bigint } | "ignore" | "deny" | void;
  /** Before a system call comes to the guest's kernel. `number`, `args`: in the registers. `result`: in a0, and the kernel never hears of it. */
  syscall?(
    event: SyscallEvent,
  ): { readonly number?: bigint; readonly args?: readonly bigint[] } | { readonly result: bigint } | void;
  /** Ranges of memory. */
  memory?: readonly MemoryWatch[];
}

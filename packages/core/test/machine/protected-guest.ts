/** Guests under PMP, and its entries (Privileged ISA 1.13, 3.7.1). */
import { expect } from "vitest";
import { type Access, PROGRAMS } from "./access.js";
import { Cause, createGuest, type Guest, type GuestOptions, PROGRAM, type Privilege } from "./guest.js";

export const R = 1;
export const W = 2;
export const X = 4;
export const TOR = 1 << 3;
export const NA4 = 2 << 3;
export const NAPOT = 3 << 3;
export const L = 0x80;
export const EVERYWHERE = (1n << 54n) - 1n;

export interface Entry {
  readonly address: bigint;
  readonly config: number;
}
export const tor = (end: number | bigint, config: number): Entry => ({
  address: BigInt(end) >> 2n,
  config: TOR | config,
});
export const na4 = (at: number, config: number): Entry => ({ address: BigInt(at) >> 2n, config: NA4 | config });
/** A naturally aligned power of two, from 8 bytes on. */
export const napot = (at: number, size: number, config: number): Entry => ({
  address: (BigInt(at) >> 2n) | (BigInt(size) / 8n - 1n),
  config: NAPOT | config,
});
export const everywhere = (config: number): Entry => ({ address: EVERYWHERE, config: NAPOT | config });
export const off = (at: number | bigint): Entry => ({ address: BigInt(at) >> 2n, config: 0 });

export function protect(guest: Guest, entries: readonly Entry[]): void {
  const configs = [0n, 0n];
  for (const [n, { address, config }] of entries.entries()) {
    guest.hart.setCsr(`pmpaddr${n}`, address);
    configs[n >> 3] = (configs[n >> 3] ?? 0n) | (BigInt(config) << BigInt(8 * (n & 7)));
  }
  guest.setCsrs({ pmpcfg0: configs[0] ?? 0n, pmpcfg2: configs[1] ?? 0n });
}

/** What makes guests that run at a pace, under some entries and no others. */
export const protectedGuests =
  (pace: NonNullable<GuestOptions["pace"]>) =>
  async (...entries: Entry[]): Promise<Guest> => {
    const guest = await createGuest({ pace, closedMemory: true });
    protect(guest, entries);
    return guest;
  };

/** What each access ends with where PMP denies it. */
export const ACCESS_FAULTS: Readonly<Record<Access, bigint>> = {
  load: Cause.LoadAccessFault,
  store: Cause.StoreAccessFault,
  fetch: Cause.FetchAccessFault,
  amo: Cause.StoreAccessFault,
  "load-reserved": Cause.LoadAccessFault,
};

/** Before what a test is about: the program may run anywhere. */
export const PROGRAM_RUNS = napot(PROGRAM, 0x1000, R | W | X);

/** Whether a mode may access an address; a refusal must be the access fault, with its pc and tval. */
export function allows(guest: Guest, mode: Privilege, access: Access, address: number): boolean {
  guest.load(PROGRAM, PROGRAMS[access]);
  if (access === "fetch") guest.load(address, "ret");
  guest.set({ a1: address });
  guest.enter(mode);
  guest.run();
  if (guest.hart.pc === BigInt(PROGRAM + 4)) return true;
  expect(guest.machineTrap()).toEqual({
    cause: ACCESS_FAULTS[access],
    pc: BigInt(access === "fetch" ? address : PROGRAM),
    value: BigInt(address),
  });
  return false;
}

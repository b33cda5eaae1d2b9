/** Guests whose programs run in virtual memory. */
import { expect } from "vitest";
import { type Access, PROGRAMS } from "./access.js";
import { Cause, createGuest, DATA, type Guest, type GuestOptions, PROGRAM, type Privilege } from "./guest.js";
import { AddressSpace, OPEN, OPEN_TO_USER, SCHEMES, type Scheme } from "./page-tables.js";

/** Where programs are mapped, and where tests map what they look at. */
export const CODE = 0x10000n;
export const PAGE = 0x4000_0000n;
/** `jalr zero, 0(ra)` and what a load of it gives. */
export const RETURN = 0x8067n;

/** What each access ends with where its page forbids it. */
export const PAGE_FAULTS: Readonly<Record<Access, bigint>> = {
  load: Cause.LoadPageFault,
  store: Cause.StorePageFault,
  fetch: Cause.FetchPageFault,
  amo: Cause.StorePageFault,
  "load-reserved": Cause.LoadPageFault,
};

/** What makes guests that run at a pace. */
export function pagedGuests(pace: NonNullable<GuestOptions["pace"]>) {
  const guestWith = (options: GuestOptions = {}) => createGuest({ pace, ...options });

  /** A guest with a space in which its program is mapped at CODE for a mode, and a `ret` at DATA. */
  async function inSpace(mode: Privilege, scheme: Scheme = SCHEMES[0], options: GuestOptions = {}) {
    const guest = await guestWith(options);
    const space = new AddressSpace(guest, scheme);
    space.map(CODE, PROGRAM, mode === "user" ? OPEN_TO_USER : OPEN);
    guest.write64(DATA, RETURN);
    guest.setCsrs({ satp: space.satp() });
    return { guest, space };
  }

  return { guestWith, inSpace };
}

/** What becomes of one access to an address: "done", or the cause of the trap after a look at its tval and pc. */
export function attempt(guest: Guest, mode: Privilege, access: Access, address: bigint): bigint | "done" {
  guest.load(PROGRAM, PROGRAMS[access]);
  guest.set({ a1: address, a2: 0x1234n });
  guest.enter(mode, CODE);
  guest.run();
  if (guest.hart.pc === CODE + 4n) return "done";
  const { cause, pc, value } = guest.machineTrap();
  expect(pc).toBe(access === "fetch" ? address : CODE);
  expect(value).toBe(address);
  return cause;
}
